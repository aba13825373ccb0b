"""What a model or a bank is, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asd_edge.calibration.audio.bandwidth import reach_hz
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import require_scorer
from asd_edge.calibration.wording import counted
from asd_edge.runtime.answering.known_faults import known_faults
from asd_edge.runtime.answering.text import explain_answers, explain_faults
from asd_edge.runtime.enrolment.kept_beside import aside_path, before_path, heard_path
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.threshold_text import promise, thresholds
from asd_edge.runtime.reports.bank_values import bank_values
from asd_edge.runtime.store.database import store_path


@dataclass(frozen=True)
class Description:
    """What a model or a bank is."""

    kind: Literal["bank", "model"]
    """what the file is"""
    lines: list[tuple[str, str]]
    """the lines of the description for people, each a label and a text"""
    values: dict[str, Any]
    """the same for programs"""


def describe(path: Path) -> Description:
    """Describe a file.

    Args:
        path: The path of a model or a bank, or ``logmel`` for the model inside the package.

    Raises:
        InputError: The file is neither a model nor a bank, or it is damaged.
    """
    if ".npz" in (path.suffix.lower(), Path(path.stem).suffix.lower()):  # also pump.npz.before
        return _describe_bank(path)
    if path.suffix.lower() == ".onnx" or str(path) == DEFAULT_MODEL:
        return _describe_model(path)
    raise InputError(
        "The file is neither a model nor a bank by its name.",
        got=path,
        valid=f"a model (.onnx, or '{DEFAULT_MODEL}') or a bank (.npz)",
        next_step="try asd-edge info logmel",
    )


def _describe_bank(path: Path) -> Description:
    bank = load_bank(path)
    info = bank.info
    refused = ", ".join(f"{count} x {reason}" for reason, count in info.refused.items()) or "none"
    sources = list(dict.fromkeys(recording.source for recording in info.recordings))
    shown = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")
    held = f"{len(bank.references)}"
    if bank.left_out is not None:
        held = f"{held} kept of {len(bank.normal_scores)}, each"
    if info.threshold is None:
        why = bank.why_not_ready
        threshold = [("threshold", f"none yet: {why.what} Next: {why.next_step}")]
    else:
        settings = ListenSettings(hop_s=info.hop_s)
        alarm = settings.threshold(bank)
        threshold = _labelled("threshold", thresholds(alarm, info.threshold, settings.rule))
        threshold += _labelled("false alarms", promise(bank, settings, alarm))
    levels_db = info.band_levels_db
    reach = f"up to {reach_hz(levels_db) / 1000:.3g} kHz" if levels_db else "not known, made by an earlier version"
    lines = [
        ("bank", f"{path}, format {info.format}, {path.stat().st_size / 1e6:.2f} MB"),
        ("machine", info.name or "not named"),
        ("microphone", f"{info.device or 'none: enrolled from files'}, channel {info.channel}"),
        ("windows", f"{held} of {info.window_s:g} s, {bank.independent_windows} without overlap"),
        ("from", shown),
        ("reaches", reach),
        ("refused", refused),
        ("enrolled", f"{info.created}, last added to {info.updated}"),
        (
            "model",
            f"{info.model}, SHA-256 {info.model_sha256[:12]}..., "
            f"{counted(bank.references.embeddings.shape[1], 'dimension')}",
        ),
        ("scorer", f"{info.scorer}: {require_scorer(info.scorer).words}"),
        *threshold,
    ]
    lines += [("answer", line) for line in explain_answers(info.answers)]
    lines += [("known fault", line) for line in explain_faults(known_faults(bank))]
    lines += [("beside it", f"{found}: {what}") for what, found in _beside(path)]
    return Description("bank", lines, {**bank_values(bank, path), "bytes": path.stat().st_size})


def _labelled(label: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Lines of which the first has a label."""
    return [(label if number == 0 else "", line) for number, line in enumerate(lines)]


def _beside(path: Path) -> list[tuple[str, Path]]:
    """The files that enrolments left beside a bank, each with what it is."""
    files = (
        ("the bank before the last addition, brought back by `enroll --undo`", before_path(path)),
        ("windows that sounded strange, learned by `enroll --take-aside`", aside_path(path)),
        ("windows of an enrolment that goes on or was cut off, taken in by `enroll --append`", heard_path(path)),
        ("alarms and shadow days, shown and answered by `feedback`", store_path(path)),
    )
    return [(what, file) for what, file in files if file.is_file()]


def _describe_model(path: Path) -> Description:
    model = Model(path, provider="cpu")
    info = model.info
    parity = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in info.parity.items())
    lines = [
        ("model", f"{model.path.name}, format {info.format}, {model.path.stat().st_size / 1e6:.2f} MB"),
        ("recipe", info.recipe),
        ("hears", f"{info.window_s:g} s of mono sound at {info.sample_rate_hz} Hz"),
        ("gives", f"an embedding of {counted(info.dimensions, 'number')}, {info.precision}"),
        ("made for", f"scorer '{info.scorer}'"),
        ("checkpoint", info.checkpoint_sha256 or "none: nothing was trained"),
        ("against PyTorch", parity or "not measured"),
        ("SHA-256", model.sha256),
    ]
    values = {
        "path": model.path,
        "format": info.format,
        "bytes": model.path.stat().st_size,
        "recipe": info.recipe,
        "window_s": info.window_s,
        "sample_rate_hz": info.sample_rate_hz,
        "dimensions": info.dimensions,
        "precision": info.precision,
        "scorer": info.scorer,
        "checkpoint_sha256": info.checkpoint_sha256 or None,
        "parity": info.parity,
        "sha256": model.sha256,
    }
    return Description("model", lines, values)
