"""What each step that keeps the error of 8 bits small is worth, on a BEATs model.

All products are rounded. The embeddings of generated windows are compared with those in float32; the model was
balanced, rounded and corrected with other windows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.contract.parity import MAX_ERROR_OVER_SPREAD, MAX_NEAREST_CHANGE, Certificate
from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.beats.embedder import BeatsEmbedder, build_beats
from asd_edge.export.beats.int8 import Rounding, embed, round_everything
from asd_edge.export.certification_clips import Clips, generated_clips

_WAYS = {
    "rounded to the nearest, as `onnxruntime.quantization` does": Rounding(False, False, False),
    "bias correction alone": Rounding(False, False, True),
    "rounded with feedback, bias correction": Rounding(False, True, True),
    "channels balanced besides, as exported": Rounding(),
}


@settings
class Int8RoundingSettings:
    """Which model is rounded."""

    checkpoint: Annotated[Path, Setting("The path of a BEATs checkpoint, as Microsoft publishes it.")]
    layers: Annotated[
        int | None,
        Setting("How many of the encoder's layers to keep, from the first.", default="all", at_least=1, at_most=1000),
    ] = None


def int8_rounding(wanted: Int8RoundingSettings) -> None:
    """What each step that keeps the error of 8 bits small is worth, on a BEATs model."""
    module, info = build_beats(wanted.checkpoint, "mean", layers=wanted.layers)
    clips = generated_clips(info.samples)
    print_table(("way to round", "error over spread", "change of nearest distance"), _rows(module, clips))


def _rows(module: BeatsEmbedder, clips: Clips) -> Iterator[tuple[str, str, str]]:
    expected = embed(module, clips.check)
    for name, rounding in _WAYS.items():
        rounded = round_everything(module, clips.calibration, rounding)
        found = Certificate.of(embed(rounded, clips.check), expected)
        yield name, f"{found.max_error_over_spread:.3f}", f"{found.max_nearest_change:.3f}"
    yield "may be", f"{MAX_ERROR_OVER_SPREAD:g}", f"{MAX_NEAREST_CHANGE:g}"
