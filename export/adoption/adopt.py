"""Adopting a model that was made elsewhere: look at it, try it, and write it with the contract's names and description.

Any ONNX file that maps a waveform to an embedding, or to a sequence of embeddings, becomes a model as
`asd_edge.calibration.contract.model_info` describes it::

    from asd_edge.export.adoption.adopt import adopt
    from asd_edge.export.adoption.settings import AdoptSettings

    adopted = adopt(AdoptSettings(Path("yamnet.onnx"), Path("pump.onnx"), embedding="embeddings", pool="mean"))
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from asd_edge.calibration.atomic_files import check_writable, file_sha256, write_whole
from asd_edge.calibration.audio.generated import generated_windows
from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.adoption.interface import SoundInput, chosen_output, embedding_of, sound_input, tail_of
from asd_edge.export.adoption.onnx_graph import (
    Tail,
    keep_output,
    one_window_at_a_time,
    opset_of,
    precision_of,
    read_model,
    with_free_batch,
)
from asd_edge.export.adoption.settings import AdoptSettings
from asd_edge.export.adoption.trial import FloatArray, Trial, equal_embeddings, require_sound_embeddings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adopted:
    """What became of a model."""

    info: ModelInfo
    """the description that was written into the file"""
    output: str
    """the name that the embedding had in the model"""
    left_out: tuple[str, ...]
    """the names of outputs that were dropped"""
    frames: int
    """the number of frames that were pooled; 1 where the model gives an embedding itself"""
    any_length: bool
    """whether the model takes windows of any length, so that the length was chosen"""
    one_at_a_time: bool
    """whether the model runs once for each window of a batch, as it cannot run several at once"""
    window_took_s: float
    """how long the model took for one window on this computer, in seconds"""


def adopt(settings: AdoptSettings) -> Adopted:
    """Make a model for the device of an ONNX file that was made elsewhere, whole or not at all.

    The model is tried on generated sound: its embeddings must be finite, differ between sounds, be the same when it
    hears a sound again, and be the same in a batch of several windows.

    Args:
        settings: The model's file, and what must be known about the model.

    Raises:
        ModelError: The model cannot be adopted; the message says why and what to do.
        InputError: The output path cannot be written.
    """
    if settings.output.resolve() == settings.model.resolve():
        raise InputError(
            "The output is the model itself.",
            got=settings.output,
            valid="the path of another file",
            next_step=f"try --output {settings.model.stem}-adopted.onnx",
        )
    check_writable(settings.output)
    log.info("Reading %s ...", settings.model)
    model = read_model(settings.model)
    _require_undescribed(model, settings)
    opset = opset_of(model)
    output = chosen_output(model, settings.embedding)
    left_out = tuple(value.name for value in model.graph.output if value.name != output)
    model = keep_output(model, output)
    heard = sound_input(model, settings.window_s)
    log.info("Trying the model on generated sound ...")
    trial = Trial(model.SerializeToString(deterministic=True))
    sounds = generated_windows(heard.samples)
    tail = tail_of(trial, heard, sounds[0], output, settings.pool)
    expected, again = (
        np.stack([embedding_of(heard.first(trial.run(heard.arrange(sound))), tail) for sound in sounds])
        for _ in range(2)
    )
    require_sound_embeddings(expected, again)
    info = ModelInfo(
        settings.name or settings.model.stem,
        heard.samples,
        tail.dimensions,
        precision_of(model),
        checkpoint_sha256=file_sha256(settings.model),
        pooling=(settings.pool or "") if tail.frames > 1 else "",
        opset=opset,
    )
    content, made, one_at_a_time = _rebuilt(model, heard, tail, info, sounds, expected)
    check_writable(settings.output, len(content))
    log.info("Writing %.1f MB ...", len(content) / 1e6)
    with write_whole(settings.output) as file:
        file.write(content)
    took_s = made.seconds(sounds[:1])
    return Adopted(info, output, left_out, tail.frames, heard.any_length, one_at_a_time, took_s)


def _require_undescribed(model: onnx.ModelProto, settings: AdoptSettings) -> None:
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise ModelError(
            "The model describes itself already, so there is nothing to do.",
            got=settings.model,
            valid="a model that was made elsewhere",
            next_step=f"use it as it is: asd-edge enroll --model {settings.model} --bank {settings.model.stem}.npz",
        )


def _rebuilt(
    model: onnx.ModelProto, heard: SoundInput, tail: Tail, info: ModelInfo, sounds: FloatArray, expected: FloatArray
) -> tuple[bytes, Trial, bool]:
    """Make the file of the contract: for any number of windows at once, or else for one after the other.

    Returns:
        The file's content, the same loaded, and whether it runs one window after the other.
    """
    if heard.batch is not None:
        content = _content(with_free_batch, model, heard.shape, tail, info)
        try:
            trial = Trial(content)
            if _agrees(trial, sounds, expected):
                return content, trial, False
        except ModelError as error:
            log.debug("%s %s", error.what, error.got)
    if heard.batch not in (None, 1):
        raise ModelError(
            "The model takes only a fixed number of windows at once.",
            got=f"a batch of {heard.batch}, which gives something else with another number",
            valid="any number of windows, or one",
            next_step="export it again with a free batch: "
            "torch.onnx.export(..., dynamic_shapes=({0: torch.export.Dim('batch')},)); or with a batch of one",
        )
    shape = heard.shape if heard.batch is None else (1, *heard.shape)
    content = _content(one_window_at_a_time, model, shape, tail, info)
    trial = Trial(content)
    if not _agrees(trial, sounds, expected):
        raise ModelError(
            "The model gives other embeddings when it runs on one window after the other.",
            got="a difference from its own output that is more than rounding",
            valid="embeddings that depend on the window alone",
            next_step="export it again with a free batch, in evaluation mode",
        )
    return content, trial, True


def _content(
    build: Callable[[onnx.ModelProto, Sequence[int], int, Tail], onnx.ModelProto],
    model: onnx.ModelProto,
    shape: Sequence[int],
    tail: Tail,
    info: ModelInfo,
) -> bytes:
    made = build(model, shape, info.samples, tail)
    entry = made.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, info.to_json()
    return bytes(made.SerializeToString(deterministic=True))


def _agrees(trial: Trial, sounds: FloatArray, expected: FloatArray) -> bool:
    """Tell whether a file gives the expected embeddings, of each sound alone and of two at once."""
    for batch in (1, 2):
        found = [trial.run(sounds[start : start + batch]) for start in range(0, len(sounds), batch)]
        if any(each.shape != (batch, expected.shape[1]) for each in found):
            return False
        if not equal_embeddings(np.concatenate(found), expected):
            return False
    return True
