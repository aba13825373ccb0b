"""What is done to an ONNX graph: read it, keep what one output needs, and give it the contract's input and output."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from asd_edge.calibration.errors import ModelError

MAX_BYTES = 2_000_000_000
"""The largest model that fits into one file: a protobuf message ends at 2 GiB."""
OLDEST_OPSET = 9
"""The first version of ONNX's operators whose Scan and Reshape are those of today."""
_NEW_AXES_OPSET = 18
"""From this version on, the axes of ReduceMean and ReduceMax are an input and not an attribute."""
_IR_VERSION = 8
"""From version 4 of the format on, constants are no inputs of the graph; 8 is the one that ONNX Runtime 1.10 reads."""
_OURS = "asd_edge."
"""What the names of added values begin with, so that no model has them already."""
_PRECISIONS = {TensorProto.FLOAT16: "fp16", TensorProto.INT8: "int8", TensorProto.UINT8: "int8"}


@dataclass(frozen=True)
class Tail:
    """How the output of one window becomes its embedding.

    Args:
        shape: The output's shape without the batch: ``(dim,)``, or ``(frames, dim)`` in either order.
        frames_axis: The axis of `shape` that is pooled; none where the output is an embedding.
        operator: The ONNX operator that pools.
    """

    shape: tuple[int, ...]
    frames_axis: int | None = None
    operator: str = ""

    @property
    def dimensions(self) -> int:
        """The number of values in the embedding."""
        return math.prod(self.shape) // self.frames

    @property
    def frames(self) -> int:
        """The number of frames that are pooled; 1 where the output is an embedding."""
        return 1 if self.frames_axis is None else self.shape[self.frames_axis]


def read_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, with the weights that it keeps in files beside it.

    Raises:
        ModelError: There is no such file, it is no ONNX model, a file beside it is missing, or all of it is too large
            for one file.
    """
    if not path.is_file():
        raise ModelError(
            "There is no model file at this path.", got=path, valid="an .onnx file", next_step="check the path"
        )
    _require_size(path.stat().st_size, path)
    try:
        model: onnx.ModelProto = onnx.load_model_from_string(path.read_bytes())
        if not model.graph.output:
            raise ValueError("it has no outputs")
    except Exception as error:
        raise ModelError(
            "The file is no ONNX model.",
            got=f"{path}: {_first_line(error)}",
            valid="a model in the ONNX format",
            next_step="make one: torch.onnx.export of PyTorch, tf2onnx of TensorFlow, skl2onnx of scikit-learn",
        ) from error
    outside = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
    _require_size(sum(map(_tensor_bytes, outside)) + path.stat().st_size, path)
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise ModelError(
            "The weights that the model keeps in another file cannot be read.",
            got=_first_line(error),
            valid="the .onnx file beside the files that were written with it",
            next_step=f"copy them to {path.parent.resolve()}, or export with external_data=False",
        ) from error
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the ONNX operator set that the model uses.

    Raises:
        ModelError: The version is older than `OLDEST_OPSET`.
    """
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions or max(versions) < OLDEST_OPSET:
        raise ModelError(
            "The model uses a version of ONNX's operators that is too old.",
            got=f"opset {max(versions)}" if versions else "no version at all",
            valid=f"opset {OLDEST_OPSET} or newer",
            next_step="export it again, with opset_version=18; or convert it with onnx.version_converter",
        )
    return int(max(versions))


def precision_of(model: onnx.ModelProto) -> str:
    """The number format that most of the weights are in: ``fp32``, ``fp16`` or ``int8``."""
    sizes: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        sizes[_PRECISIONS.get(tensor.data_type, "fp32")] += _tensor_bytes(tensor)
    return sizes.most_common(1)[0][0] if sizes else "fp32"


def keep_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Copy a model with one of its outputs, and with what that output needs.

    Args:
        model: The model, which stays as it is.
        name: The name of the output.
    """
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    graph = kept.graph
    needed = {name}
    nodes = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(_read_by(node))
    constants = {tensor.name for tensor in graph.initializer} | {
        tensor.values.name for tensor in graph.sparse_initializer
    }
    _replace(graph.node, reversed(nodes))
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _replace(graph.sparse_initializer, [tensor for tensor in graph.sparse_initializer if tensor.values.name in needed])
    # Before version 4 of the format, constants are inputs, too.
    _replace(graph.input, [value for value in graph.input if value.name in needed - constants])
    _replace(graph.output, [value for value in graph.output if value.name == name])
    # The shapes of values on the way are not those of another batch; ONNX Runtime finds them out for itself.
    del graph.value_info[:]
    del kept.training_info[:]
    kept.ir_version = max(kept.ir_version, _IR_VERSION)
    return kept


def with_free_batch(model: onnx.ModelProto, input_shape: Sequence[int], samples: int, tail: Tail) -> onnx.ModelProto:
    """Make a graph of the contract from one whose first axis is the batch.

    Args:
        model: A model with one input and one output.
        input_shape: The shape of the model's input behind the batch, ``(samples,)`` or ``(1, samples)``.
        samples: The length of the window.
        tail: How the model's output becomes the embedding.
    """
    made = _renamed(model)
    graph = made.graph
    (given,), (result,) = graph.input, graph.output
    own = _Nodes(opset_of(model))
    own.reshape("waveform", given.name, [-1, *input_shape])
    before, own.nodes = own.nodes, []
    own.add_tail(result, "embedding", [-1], tail)
    nodes = [*before, *graph.node, *own.nodes]
    _replace(graph.node, nodes)
    graph.initializer.extend(own.constants)
    _set_signature(graph, samples, tail.dimensions)
    return made


def one_window_at_a_time(
    model: onnx.ModelProto, input_shape: Sequence[int], samples: int, tail: Tail
) -> onnx.ModelProto:
    """Make a graph of the contract that runs another one for each window of a batch.

    Args:
        model: A model with one input and one output, that takes a single window.
        input_shape: The shape of the model's input, ``(samples,)``, ``(1, samples)`` or ``(1, 1, samples)``.
        samples: The length of the window.
        tail: How the model's output becomes the embedding.
    """
    made = _renamed(model)
    graph = made.graph
    (given,), (result,) = graph.input, graph.output
    window, embedding = f"{_OURS}window", f"{_OURS}window_embedding"
    own = _Nodes(opset_of(model))
    own.reshape(window, given.name, input_shape)
    before, own.nodes = own.nodes, []
    own.add_tail(result, embedding, [], tail)
    body = helper.make_graph(
        [*before, *graph.node, *own.nodes],
        "one_window",
        [helper.make_tensor_value_info(window, TensorProto.FLOAT, [samples])],
        [helper.make_tensor_value_info(embedding, TensorProto.FLOAT, [tail.dimensions])],
        [*graph.initializer, *own.constants],
    )
    body.sparse_initializer.extend(graph.sparse_initializer)
    _replace(graph.node, [helper.make_node("Scan", ["waveform"], ["embedding"], body=body, num_scan_inputs=1)])
    del graph.initializer[:]
    del graph.sparse_initializer[:]
    _set_signature(graph, samples, tail.dimensions)
    return made


class _Nodes:
    """Nodes that are added to a graph, with the constants that they need."""

    def __init__(self, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._opset = opset

    def reshape(self, source: str, target: str, shape: Sequence[int]) -> None:
        self.nodes.append(helper.make_node("Reshape", [source, self._constant(shape)], [target]))

    def add_tail(self, result: onnx.ValueInfoProto, target: str, lead: Sequence[int], tail: Tail) -> None:
        """Add the nodes that make the embedding from an output.

        Args:
            result: The output.
            target: The name of the embedding.
            lead: The axes before those of `tail`: ``[-1]`` for a batch, or none.
            tail: How the output becomes the embedding.
        """
        source = result.name
        if result.type.tensor_type.elem_type != TensorProto.FLOAT:
            self.nodes.append(helper.make_node("Cast", [source], [f"{_OURS}cast"], to=TensorProto.FLOAT))
            source = f"{_OURS}cast"
        if tail.frames_axis is None:
            self.reshape(source, target, [*lead, tail.dimensions])
            return
        self.reshape(source, f"{_OURS}frames", [*lead, *tail.shape])
        axes = [len(lead) + tail.frames_axis]
        if self._opset < _NEW_AXES_OPSET:
            node = helper.make_node(tail.operator, [f"{_OURS}frames"], [target], axes=axes, keepdims=0)
        else:
            node = helper.make_node(tail.operator, [f"{_OURS}frames", self._constant(axes)], [target], keepdims=0)
        self.nodes.append(node)

    def _constant(self, values: Sequence[int]) -> str:
        name = f"{_OURS}constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name


def _set_signature(graph: onnx.GraphProto, samples: int, dimensions: int) -> None:
    """Declare the input and the output of the contract."""
    _replace(graph.input, [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", samples])])
    _replace(graph.output, [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimensions])])


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with other names where it has those of the contract, which may mean something else there."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _rename(made.graph, {name: f"{_OURS}given_{name}" for name in ("waveform", "embedding")})
    return made


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
        for inner in _graphs_in(node):
            _rename(inner, names)


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """List the names of the values that a node reads, also in the graphs inside it."""
    yield from node.input
    for inner in _graphs_in(node):
        yield from (value.name for value in inner.output)
        for each in inner.node:
            yield from _read_by(each)


def _graphs_in(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """List the graphs that a node runs, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _replace(field: object, values: Iterable[object]) -> None:
    """Replace the content of a repeated field."""
    kept = list(values)
    del field[:]  # type: ignore[attr-defined]
    field.extend(kept)  # type: ignore[attr-defined]


def _tensor_bytes(tensor: TensorProto) -> int:
    values = math.prod(int(length) for length in tensor.dims)
    return values * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _require_size(size_bytes: int, path: Path) -> None:
    if size_bytes > MAX_BYTES:
        raise ModelError(
            "The model is too large for one file.",
            got=f"{path}: {size_bytes / 1e9:.1f} GB with its weights",
            valid=f"at most {MAX_BYTES / 1e9:g} GB",
            next_step="take a smaller model, or export it in half precision",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
