"""Model files and cache records that nobody meant, by the ten thousand: started, and asked for an embedding.

A third of the inputs are files with changed bytes. A third are whole ONNX files in which the description, a shape, a
type or the name of a file is another. The rest are records of a cache, ``cache.json``, changed in the same two ways.
"""

import copy
import functools
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz, show
from asd_edge.benchmarks.studies.endurance.mutations import ODD_VALUES, change_value, mutate_bytes
from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.runtime import Model
from asd_edge.runtime.inference.cache_record import Record
from asd_edge.runtime.inference.device_cache import DeviceCache
from asd_edge.runtime.inference.fingerprint import FileStamp

_SAMPLES, _DIMENSIONS = 320, 4
_WEIGHTS = "weights.bin"
_VALUES: tuple[Any, ...] = (*ODD_VALUES, 16_000, float("nan"), "../..", "x" * 100_000, {"a": 1})
_LOCATIONS = ("", ".", "/etc/passwd", "../weights.bin", "weights.bin", "*/_ORT_MEM_ADDR_/*", "a/../weights.bin", "\0")
_LENGTHS = (0, 1, 2, 4, 319, 320, 1 << 20, (1 << 31) - 1, 1 << 40, -1)


def whole_models() -> list[bytes]:
    """An embedding model, an autoencoder, and one whose weights lie in another file."""
    import onnx
    import onnx.parser
    from onnx import helper, numpy_helper
    from onnx.external_data_helper import set_external_data

    weights = _weights()
    files = []
    for rebuilds, outside in ((False, False), (True, False), (False, True)):
        error = ", float[batch] reconstruction_error" if rebuilds else ""
        rebuilt = "\nreconstruction_error = ReduceSumSquare <axes = [1], keepdims = 0> (waveform)" if rebuilds else ""
        model = onnx.parser.parse_model(
            f"""<ir_version: 8, opset_import: ["": 17]>
            fuzzed (float[batch, {_SAMPLES}] waveform) => (float[batch, {_DIMENSIONS}] embedding{error})
            {{
                product = MatMul (waveform, weights)
                size = Abs (product)
                embedding = Sqrt (size){rebuilt}
            }}"""
        )
        tensor = numpy_helper.from_array(weights, "weights")
        if outside:
            set_external_data(tensor, _WEIGHTS, offset=0, length=weights.nbytes)
            tensor.ClearField("raw_data")
        model.graph.initializer.append(tensor)
        info = ModelInfo("fuzzed", _SAMPLES, _DIMENSIONS, reconstruction=rebuilds, parity={"min_cosine": 1.0})
        helper.set_model_props(model, {METADATA_KEY: info.to_json()})
        files.append(model.SerializeToString())
    return files


def _weights() -> Any:
    return np.random.default_rng(0).standard_normal((_SAMPLES, _DIMENSIONS)).astype(np.float32)


def whole_record() -> bytes:
    """The record of a cache, as the builder writes it."""
    stamp = FileStamp(6000, 1_700_000_000_000_000_000, 1_700_000_000_000_000_000, 123)
    files = {"graph.onnx": (1000, 1), "weights.bin": (5120, 1)}
    digests = dict.fromkeys(files, "0" * 64)
    record = Record("0" * 12 + "-" + "1" * 8, files, "this host", "2" * 64, stamp, 1, digests, {_WEIGHTS: stamp}, 1)
    return json.dumps(asdict(record)).encode()


def mutate_model(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change the bytes of a model or of a record, or what it says while it stays whole."""
    models, records = seeds[:-1], seeds[-1:]
    way = rng.random()
    if way < 1 / 3:
        return mutate_bytes(rng, models)
    if way < 2 / 3:
        return _changed_model(rng, rng.choice(models))
    if way < 5 / 6:
        return mutate_bytes(rng, records)
    values = copy.deepcopy(json.loads(records[0]))
    for _ in range(rng.choice((1, 1, 2, 4))):
        change_value(rng, values, _VALUES)
    return json.dumps(values).encode()


def _changed_model(rng: random.Random, content: bytes) -> bytes:
    model = _parsed(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change_model(rng, model)
    return bytes(model.SerializeToString())


def _parsed(content: bytes) -> Any:
    import onnx

    return onnx.load_model_from_string(content)


def _change_model(rng: random.Random, model: Any) -> None:
    """Change the description, a type, a length, the tensor or a node."""
    way = rng.randrange(6)
    values = [*model.graph.input, *model.graph.output]
    if way == 0 and model.metadata_props:
        described = json.loads(model.metadata_props[0].value or "{}")
        change_value(rng, described, _VALUES)
        model.metadata_props[0].value = json.dumps(described)
    elif way == 1:
        rng.choice(values).type.tensor_type.elem_type = rng.randrange(0, 24)
    elif way == 2:
        shape = rng.choice(values).type.tensor_type.shape
        if shape.dim and rng.random() < 0.7:
            rng.choice(shape.dim).dim_value = rng.choice(_LENGTHS)
        else:
            shape.dim.add().dim_value = rng.choice(_LENGTHS)
    elif way == 3:
        tensor = model.graph.initializer[0]
        for entry in tensor.external_data:
            if rng.random() < 0.5:
                entry.value = rng.choice((*_LOCATIONS, *map(str, _LENGTHS)))
        if rng.random() < 0.3:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_LENGTHS)
    elif way == 4:
        node = rng.choice(model.graph.node)
        node.op_type = rng.choice(("MatMul", "Add", "Reshape", "Loop", "Constant", "Div", "Sqrt", "Cast", ""))
    else:
        rng.choice(values).name = rng.choice(("waveform", "embedding", "", "x"))


@dataclass
class Starting:
    """Starts a model and asks it for an embedding, or reads the record of a cache."""

    folder: Path

    def __call__(self, content: bytes) -> None:
        """Write the content to a file and use it.

        Raises:
            InputError: The content cannot be used.
        """
        path = self.folder / "model.onnx"
        cache = DeviceCache(path)
        if content.startswith(b"{"):
            path.write_bytes(_first_model())
            cache.folder.mkdir(exist_ok=True)
            cache.record_path.write_bytes(content)
            cache.graph()
            return
        path.write_bytes(content)
        (self.folder / _WEIGHTS).write_bytes(_weights().tobytes())
        model = Model(path, "cpu", 1)
        if model.info.samples == _SAMPLES:
            model.embed(np.zeros(_SAMPLES, np.float32))


@functools.cache
def _first_model() -> bytes:
    return whole_models()[0]


def fuzz_models(wanted: FuzzSettings) -> None:
    """Whether any model file or cache record, however it was made, can do more than be used or refused."""
    seeds = [*whole_models(), whole_record()]
    with tempfile.TemporaryDirectory() as folder:
        starting = Starting(Path(folder))
        report = fuzz("models", seeds, starting, wanted.inputs, wanted.seed, mutate_model, keep=wanted.keep)
    show(report)
