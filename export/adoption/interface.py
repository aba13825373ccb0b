"""What a model that was made elsewhere takes and gives: how it wants its sound, and where its embedding is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.wording import counted
from asd_edge.export.adoption.onnx_graph import Tail
from asd_edge.export.adoption.settings import POOLS
from asd_edge.export.adoption.trial import FloatArray, Trial

DEFAULT_WINDOW_S = 10.0
"""The window of a model that takes any length: that of the models that are exported here, and of the DCASE data."""
SHORTEST_S = 0.1
"""A fixed length below this is no window of a machine's sound; the input is rather a row of features."""
_SHAPES = "(samples,), (batch, samples) or (batch, 1, samples)"


@dataclass(frozen=True)
class SoundInput:
    """How a model takes its sound."""

    batch: int | None
    """the number of windows that it takes at once: 1 where it is free, none where there is no axis for windows"""
    shape: tuple[int, ...]
    """the shape of one window, behind the batch"""
    any_length: bool
    """whether it takes windows of any length"""

    @property
    def samples(self) -> int:
        """The length of a window in samples."""
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


def chosen_output(model: onnx.ModelProto, wanted: str | None) -> str:
    """Choose the output that is the embedding.

    Args:
        model: The model.
        wanted: The name that was asked for, if one was.

    Raises:
        ModelError: There is no such output, or there are several and none was asked for.
    """
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


def sound_input(model: onnx.ModelProto, window_s: float | None) -> SoundInput:
    """Find out how a model takes its sound.

    Args:
        model: A model with one output.
        window_s: The length that was asked for in seconds, if one was.

    Raises:
        ModelError: The model takes something else than one waveform in float32, or windows of another length.
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
    tensor = value.type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        raise ModelError(
            "The model does not take sound as the device gives it.",
            got=_described(value),
            valid="float32 in [-1, 1]",
            next_step="export it again with a forward() that takes float32 and begins with the conversion: a model of "
            "16-bit integers with waveform * 32768, one in half precision with waveform.half()",
        )
    dims = [dim.dim_value or None for dim in tensor.shape.dim]
    length = dims[-1] if dims else None
    shortest = round(SHORTEST_S * SAMPLE_RATE_HZ)
    is_waveform = 1 <= len(dims) <= 3 and (len(dims) < 3 or dims[1] in (1, None))
    if not is_waveform or (length is not None and length < shortest):
        raise ModelError(
            "The model does not take a waveform.",
            got=_described(value),
            valid=f"{_SHAPES}, mono, with at least {counted(shortest, 'sample')} as the last axis",
            next_step="export it again with a forward() that takes the waveform and begins with the front end, such as "
            "the spectrogram",
        )
    wanted = None if window_s is None else round(window_s * SAMPLE_RATE_HZ)
    if length is not None and wanted not in (None, length):
        raise ModelError(
            "The model takes windows of one length only.",
            got=f"--window {window_s:g}",
            valid=f"{length / SAMPLE_RATE_HZ:g} s, {counted(length, 'sample')}",
            next_step="leave --window away, or export the model again for that length",
        )
    samples = length or wanted or round(DEFAULT_WINDOW_S * SAMPLE_RATE_HZ)
    if len(dims) == 1:
        return SoundInput(None, (samples,), length is None)
    return SoundInput(dims[0] or 1, (samples,) if len(dims) == 2 else (1, samples), length is None)


def tail_of(trial: Trial, heard: SoundInput, sound: FloatArray, output: str, pool: str | None) -> Tail:
    """Find out how the output of one window becomes its embedding.

    Args:
        trial: The model, loaded.
        heard: How the model takes its sound.
        sound: A window, ``(samples,)``.
        output: The name of the output.
        pool: The way in which frames become one embedding, if one was asked for: ``mean`` or ``max``.

    Raises:
        ModelError: The output is no embedding, or a sequence of them and no pooling was asked for.
    """
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
                got=f"--pool {pool} for '{output}' of {counted(math.prod(found.shape), 'value')}",
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


def embedding_of(output: NDArray[np.generic], tail: Tail) -> FloatArray:
    """Compute the embedding of one window with NumPy, from the model's own output.

    Args:
        output: The output of one window, without the batch.
        tail: How the output becomes the embedding.
    """
    values = output.astype(np.float32).reshape(tail.shape)
    if tail.frames_axis is None:
        return values
    pooled = values.max(axis=tail.frames_axis) if tail.operator == POOLS["max"] else values.mean(axis=tail.frames_axis)
    return np.asarray(pooled)


def _frames_axis(trial: Trial, heard: SoundInput, sound: FloatArray, shape: Sequence[int]) -> int:
    """Find the axis of the frames: the one that grows with the sound, or else the first."""
    if not heard.any_length:
        return 0
    twice = SoundInput(heard.batch, (*heard.shape[:-1], 2 * heard.samples), any_length=True)
    try:
        found = heard.first(trial.run(twice.arrange(np.tile(sound, 2))))
    except ModelError:  # the model does not take longer sound, whatever its description says
        return 0
    longer = tuple(length for length in found.shape if length != 1)
    return 1 if len(longer) == 2 and longer[0] == shape[0] and longer[1] != shape[1] else 0


def _described(value: onnx.ValueInfoProto) -> str:
    """Describe an input or an output in words: ``x (batch, 1, 16000) float32``."""
    tensor = value.type.tensor_type
    names = [str(dim.dim_value or dim.dim_param or "?") for dim in tensor.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type) if tensor.elem_type else "and no array"
    return f"{value.name} ({', '.join(names)}) {dtype}"
