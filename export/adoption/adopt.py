"""Adopting a model that was made elsewhere: look at it, try it, and write it with the contract's names and description.

Any ONNX file that maps a waveform to an embedding, or to a sequence of embeddings, becomes a model as
`asd_edge.calibration.contract.model_info` describes it::

    from asd_edge.export.adoption.adopt import adopt
    from asd_edge.export.adoption.settings import AdoptSettings

    adopted = adopt(AdoptSettings(Path("yamnet.onnx"), Path("pump.onnx"), embedding="embeddings", pool="mean"))
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asd_edge.calibration.atomic_files import check_writable, file_sha256, write_whole
from asd_edge.calibration.audio.generated import generated_windows
from asd_edge.calibration.contract.model_info import METADATA_KEY, SAMPLE_RATE_HZ, ModelInfo
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.adoption.onnx_graph import (
    Tail,
    keep_output,
    one_window_at_a_time,
    opset_of,
    precision_of,
    read_model,
    with_free_batch,
)
from asd_edge.export.adoption.settings import POOLS, AdoptSettings
from asd_edge.export.adoption.trial import FloatArray, Trial, equal_embeddings, require_sound_embeddings

log = logging.getLogger(__name__)

DEFAULT_WINDOW_S = 10.0
"""The window of a model that takes any length: that of the models that are exported here, and of the DCASE data."""
SHORTEST_S = 0.1
"""A fixed length below this is no window of a machine's sound; the input is rather a row of features."""
_SHAPES = "(samples,), (batch, samples) or (batch, 1, samples)"


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


@dataclass(frozen=True)
class _SoundInput:
    """How a model takes its sound."""

    batch: int | None
    """the windows that it takes at once: 1 where their number is free, none where there is no axis for them"""
    shape: tuple[int, ...]
    """the shape of one window, behind the batch"""
    any_length: bool

    @property
    def samples(self) -> int:
        return self.shape[-1]

    def arrange(self, window: FloatArray) -> FloatArray:
        """Bring one window into the shape of the input; a model that takes several gets it as often."""
        if self.batch is None:
            return window
        return np.ascontiguousarray(np.broadcast_to(window, (self.batch, *self.shape)))

    def first(self, output: NDArray[np.generic]) -> NDArray[np.generic]:
        """Take the first window's part of an output; some models drop the axis of a batch of one."""
        has_batch = self.batch is not None and output.ndim > 1 and output.shape[0] == self.batch
        return output[0] if has_batch else output


def adopt(settings: AdoptSettings) -> Adopted:
    """Make a model for the device of an ONNX file that was made elsewhere, whole or not at all.

    The model is tried on generated sound: its embeddings must be finite, differ between sounds, be the same when it
    hears a sound again, and be the same in a batch of several windows.

    Args:
        settings: The file, and what is to be known about it.

    Raises:
        ModelError: It is no model that could be adopted; the message says why and what to do.
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
    log.info("reading %s ...", settings.model)
    model = read_model(settings.model)
    _require_undescribed(model, settings)
    opset = opset_of(model)
    output = _chosen_output(model, settings.embedding)
    left_out = tuple(value.name for value in model.graph.output if value.name != output)
    model = keep_output(model, output)
    heard = _sound_input(model, settings.window_s)
    log.info("trying it on generated sound ...")
    trial = Trial(model.SerializeToString(deterministic=True))
    sounds = generated_windows(heard.samples)
    tail = _tail(trial, heard, sounds[0], output, settings.pool)
    expected, again = (
        np.stack([_embedding(heard.first(trial.run(heard.arrange(sound))), tail) for sound in sounds]) for _ in range(2)
    )
    require_sound_embeddings(expected, again)
    info = ModelInfo(
        settings.name or settings.model.stem,
        heard.samples,
        tail.dimensions,
        precision_of(model),
        checkpoint_sha256=file_sha256(settings.model),
        pooling=settings.pool or "" if tail.frames_axis is not None else "",
        opset=opset,
    )
    content, made, one_at_a_time = _rebuilt(model, heard, tail, info, sounds, expected)
    check_writable(settings.output, len(content))
    log.info("writing %.1f MB ...", len(content) / 1e6)
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


def _chosen_output(model: onnx.ModelProto, wanted: str | None) -> str:
    """Choose the output that is the embedding."""
    outputs = {value.name: _described(value) for value in model.graph.output if value.type.HasField("tensor_type")}
    listed = ", ".join(outputs.values())
    if wanted is None and len(outputs) > 1:
        raise ModelError(
            "The model has several outputs.",
            got=listed,
            valid="the name of the one that is the embedding",
            next_step=f"try --embedding {next(iter(outputs))}",
        )
    if wanted is not None and wanted not in outputs:
        raise ModelError(
            "The model has no output of that name.",
            got=wanted,
            valid=listed,
            next_step="choose one of these with --embedding",
        )
    if not outputs:
        raise ModelError(
            "The model has no output that is an array.",
            got=", ".join(value.name for value in model.graph.output),
            valid="an output that is an array of numbers",
            next_step="export it again with a forward() that returns the embedding as a tensor",
        )
    return wanted or next(iter(outputs))


def _sound_input(model: onnx.ModelProto, window_s: float | None) -> _SoundInput:
    """Find out how a model takes its sound.

    Args:
        model: A model with one output.
        window_s: The length that was asked for in seconds, if one was.
    """
    if len(model.graph.input) != 1:
        described = ", ".join(map(_described, model.graph.input))
        raise ModelError(
            "The model takes more than a waveform." if described else "The embedding depends on no input.",
            got=described or "no input",
            valid="one input, the waveform",
            next_step="export it again with a forward() of the waveform alone, which sets everything else itself",
        )
    value = model.graph.input[0]
    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        raise ModelError(
            "The model does not take sound as the device gives it.",
            got=_described(value),
            valid="float32 in [-1, 1]",
            next_step="export it again with a forward() that takes float32 and begins with the conversion: a model of "
            "16-bit integers with waveform * 32768, one in half precision with waveform.half()",
        )
    dims = [dim.dim_value or None for dim in kind.shape.dim]
    length = dims[-1] if dims else None
    shortest = round(SHORTEST_S * SAMPLE_RATE_HZ)
    is_waveform = 1 <= len(dims) <= 3 and (len(dims) < 3 or dims[1] in (1, None))
    if not is_waveform or (length is not None and length < shortest):
        raise ModelError(
            "The model does not take a waveform.",
            got=_described(value),
            valid=f"{_SHAPES}, mono, with at least {shortest} samples as the last axis",
            next_step="export it again with a forward() that takes the waveform and begins with the front end, such as "
            "the spectrogram",
        )
    wanted = None if window_s is None else round(window_s * SAMPLE_RATE_HZ)
    if length is not None and wanted not in (None, length):
        raise ModelError(
            "The model takes windows of one length only.",
            got=f"--window {window_s:g}",
            valid=f"{length / SAMPLE_RATE_HZ:g} s, {length} samples",
            next_step="leave --window away, or export the model again for that length",
        )
    samples = length or wanted or round(DEFAULT_WINDOW_S * SAMPLE_RATE_HZ)
    if len(dims) == 1:
        return _SoundInput(None, (samples,), length is None)
    return _SoundInput(dims[0] or 1, (samples,) if len(dims) == 2 else (1, samples), length is None)


def _tail(trial: Trial, heard: _SoundInput, sound: FloatArray, output: str, pool: str | None) -> Tail:
    """Find out how the output of one window becomes its embedding."""
    given = trial.run(heard.arrange(sound))
    if given.dtype.kind != "f":
        raise ModelError(
            "The output is no embedding.",
            got=f"'{output}' of {given.dtype}",
            valid="floating numbers",
            next_step="name another output with --embedding",
        )
    found = heard.first(given)
    shape = tuple(length for length in found.shape if length != 1)
    if len(shape) < 2:
        if pool is not None and found.ndim < 2:
            raise ModelError(
                "The model gives one embedding already, so there is nothing to pool.",
                got=f"--pool {pool} for '{output}' of {math.prod(found.shape)} values",
                valid="an output with an embedding for each of several frames",
                next_step="leave --pool away",
            )
        return Tail((math.prod(shape),))
    if len(shape) > 2:
        raise ModelError(
            "The output is neither an embedding nor a sequence of embeddings.",
            got=f"'{output}' of the shape {given.shape}",
            valid="(batch, dim), or (batch, frames, dim) with --pool",
            next_step="name another output with --embedding, or export the model again with one embedding for a window",
        )
    if pool is None:
        raise ModelError(
            "The model gives an embedding for each of many frames.",
            got=f"'{output}' of the shape {given.shape}",
            valid="one embedding for a window",
            next_step="make one of them with --pool mean or --pool max, or name another output with --embedding",
        )
    return Tail(shape, _frames_axis(trial, heard, sound, shape), POOLS[pool])


def _frames_axis(trial: Trial, heard: _SoundInput, sound: FloatArray, shape: Sequence[int]) -> int:
    """Find the axis of the frames: the one that grows with the sound, or else the first."""
    if not heard.any_length:
        return 0
    twice = _SoundInput(heard.batch, (*heard.shape[:-1], 2 * heard.samples), any_length=True)
    try:
        found = heard.first(trial.run(twice.arrange(np.tile(sound, 2))))
    except ModelError:  # it takes no longer sound, whatever its description says
        return 0
    longer = tuple(length for length in found.shape if length != 1)
    return 1 if len(longer) == 2 and longer[0] == shape[0] and longer[1] != shape[1] else 0


def _embedding(output: NDArray[np.generic], tail: Tail) -> FloatArray:
    """The embedding of one window as NumPy computes it of the model's own output."""
    values = output.astype(np.float32).reshape(tail.shape)
    if tail.frames_axis is None:
        return values
    pooled = values.max(axis=tail.frames_axis) if tail.operator == POOLS["max"] else values.mean(axis=tail.frames_axis)
    return np.asarray(pooled)


def _rebuilt(
    model: onnx.ModelProto, heard: _SoundInput, tail: Tail, info: ModelInfo, sounds: FloatArray, expected: FloatArray
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


def _described(value: onnx.ValueInfoProto) -> str:
    """An input or an output in words: ``x (batch, 1, 16000) float32``."""
    kind = value.type.tensor_type
    names = [str(dim.dim_value or dim.dim_param or "?") for dim in kind.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type) if kind.elem_type else "and no array"
    return f"{value.name} ({', '.join(names)}) {dtype}"
