"""The story that all trainers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from dcase_clips import write_machine
from tiny_beats import write_tiny_beats

from asd_edge.export.separation.settings import SeparatorSettings
from asd_edge.export.systems.beats_asp import AspSettings
from asd_edge.export.systems.fs_ae import FsAeSettings
from asd_edge.export.systems.mm_autoencoder import MmAutoencoderSettings
from asd_edge.export.systems.mm_discriminative import MmDiscriminativeSettings
from asd_edge.export.training.job import train

Make = Callable[..., Any]


def _of_beats(settings_class: type) -> Make:
    def make(checkpoint: Path, **options: Any) -> Any:
        return settings_class(checkpoint=checkpoint, window_s=0.5, batch=16, **options)

    return make


def _without(settings_class: type, **own: Any) -> Make:
    def make(checkpoint: Path, **options: Any) -> Any:
        return settings_class(**own, **options)

    return make


SYSTEMS = {
    "beats-asp": _of_beats(AspSettings),
    "mm-discriminative": _of_beats(MmDiscriminativeSettings),
    "mm-autoencoder": _of_beats(MmAutoencoderSettings),
    "mm-autoencoder without BEATs": _without(MmAutoencoderSettings, without_beats=True, window_s=0.5, batch=6),
    "fs-ae": _without(FsAeSettings, window_s=0.5),
    "separator": _without(SeparatorSettings, mixtures=2, segment_s=1.0, batch=2),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_channel_that_is_wanted_is_what_is_learned_from(tmp_path: Path, system: str) -> None:
    """Of two channels, the second gives the weights that a data set of it alone gives, to the bit."""
    for folder in ("alone", "both"):
        write_machine(tmp_path / folder, "fan", 300.0)
        write_machine(tmp_path / folder, "pump", 500.0)
    rng = np.random.default_rng(0)
    for path in (tmp_path / "both").rglob("*.wav"):
        second, rate_hz = soundfile.read(path, dtype="int16")
        first = (1000.0 * rng.standard_normal(len(second))).astype(np.int16)
        soundfile.write(path, np.column_stack([first, second]), rate_hz)
    checkpoint = write_tiny_beats(tmp_path / "tiny.pt", encoder_layers=4)

    def trained(folder: str, channel: int) -> dict[str, torch.Tensor]:
        output = tmp_path / f"{folder}{channel}" / "weights.pt"
        output.parent.mkdir()
        options = {"data": tmp_path / folder, "output": output, "epochs": 1, "channel": channel, "accelerator": "cpu"}
        path = train(SYSTEMS[system](checkpoint, **options))[0]
        return {name: weight for name, weight in torch.load(path).items() if isinstance(weight, torch.Tensor)}

    alone, second, first = trained("alone", 1), trained("both", 2), trained("both", 1)
    assert alone.keys() == second.keys()
    assert all(torch.equal(weight, second[name]) for name, weight in alone.items())
    assert not all(torch.equal(weight, first[name]) for name, weight in alone.items())
