"""Models that were made elsewhere: the device computes what they do, or is told why it cannot."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_model import FILTERS, FRAMES, SAMPLES, FloatArray, frames_of, write_foreign_model
from onnx import TensorProto, helper, numpy_helper
from pretended_gpu import PretendedGpu
from program import Run

from asd_edge.calibration.contract.model_info import METADATA_KEY
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.adoption.adopt import Adopted, adopt
from asd_edge.export.adoption.settings import AdoptSettings
from asd_edge.runtime import Model

WINDOWS: FloatArray = np.random.default_rng(1).normal(0.0, 0.1, (3, SAMPLES)).astype(np.float32)
MEAN = np.stack([frames_of(window).mean(axis=0) for window in WINDOWS])
MAX = np.stack([frames_of(window).max(axis=0) for window in WINDOWS])
FRAMED = "features = Identity (energies)"


def adopted(model: Path, **settings: Any) -> tuple[Adopted, Path]:
    output = model.with_name("pump.onnx")
    return adopt(AdoptSettings(model, output, **settings)), output


def assert_computes(path: Path, expected: FloatArray, tolerance: float = 1e-4) -> None:
    """The device starts it, and embeds windows alone and in a batch as expected."""
    model = Model(path, "cpu", 1)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    alone = np.stack([model.embed(window).embedding for window in WINDOWS])
    np.testing.assert_allclose(alone, expected, rtol=0.0, atol=tolerance)
    together = [output.embedding for output in model.embed_batch(WINDOWS)]
    np.testing.assert_allclose(together, expected, rtol=0.0, atol=tolerance)


SHAPES: dict[str, tuple[bool, dict[str, Any]]] = {
    "a free batch and names of its own": (False, {}),
    "a channel": (False, {"given": "float[N, 1, 16000] sound"}),
    "a batch of one that can be free": (False, {"given": "float[1, 16000] sound", "result": "float[1, 12] features"}),
    "a batch of one that is in the graph": (
        True,
        {"given": "float[1, 16000] sound", "framed": "1, 100, 160", "result": "float[1, 12] features"},
    ),
    "a batch that becomes longer sound": (
        True,
        {"given": "float[1, 1, 16000] sound", "framed": "1, -1, 160", "result": "float[1, 12] features"},
    ),
    "no batch": (
        True,
        {
            "given": "float[16000] sound",
            "framed": "-1, 160",
            "result": "float[12] features",
            "end": "features = ReduceMean <axes = [0], keepdims = 0> (energies)",
        },
    ),
    "no batch in the output": (
        True,
        {
            "given": "float[1, 16000] sound",
            "framed": "-1, 160",
            "result": "float[12] features",
            "end": "features = ReduceMean <axes = [0], keepdims = 0> (energies)",
        },
    ),
    "axes of length one": (
        False,
        {
            "result": "float[N, 12, 1, 1] features",
            "end": "m = ReduceMean <axes = [1], keepdims = 0> (energies)\n"
            "out = Constant <value = int64[4] {-1, 12, 1, 1}> ()\nfeatures = Reshape (m, out)",
        },
    ),
    "the contract's names for something else": (
        False,
        {
            "given": "float[N, 16000] embedding",
            "result": "float[N, 12] waveform",
            "end": "waveform = ReduceMean <axes = [1], keepdims = 0> (energies)",
        },
    ),
    "a branch that reads the input": (
        True,
        {
            "given": "float[1, 16000] waveform",
            "framed": "1, 100, 160",
            "result": "float[1, 12] features",
            "end": """
                sum = ReduceSum <keepdims = 0> (waveform)
                most = Constant <value = float {1e9}> ()
                is_usual = Less (sum, most)
                branched = If (is_usual) <
                    then_branch = usual () => (float[1, 100, 12] heard) {
                        again = Reshape (waveform, shape)
                        products = MatMul (again, weights)
                        sizes = Abs (products)
                        positive = Add (sizes, floor)
                        heard = Log (positive)
                    },
                    else_branch = unusual () => (float[1, 100, 12] nothing) { nothing = Sub (energies, energies) }
                >
                features = ReduceMean <axes = [1], keepdims = 0> (branched)""",
        },
    ),
    "half precision in the output": (
        False,
        {
            "result": "float16[N, 12] features",
            "end": "m = ReduceMean <axes = [1], keepdims = 0> (energies)\nfeatures = Cast <to = 10> (m)",
        },
    ),
    "double precision in the output": (
        False,
        {
            "result": "double[N, 12] features",
            "end": "m = ReduceMean <axes = [1], keepdims = 0> (energies)\nfeatures = Cast <to = 11> (m)",
        },
    ),
    "the oldest operators": (False, {"opset": 9, "ir_version": 4}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_computes_on_the_device_what_it_did_elsewhere(shape: str, tmp_path: Path) -> None:
    one_at_a_time, how = SHAPES[shape]
    found, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", **how))
    assert found.one_at_a_time == one_at_a_time
    assert (found.info.samples, found.info.dimensions, found.frames) == (SAMPLES, FILTERS, 1)
    assert_computes(path, MEAN, tolerance=4e-3 if "float16" in how.get("result", "") else 1e-4)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize(("pool", "expected"), [("mean", MEAN), ("max", MAX)])
@pytest.mark.parametrize(
    "how",
    [
        {"result": "float[N, 100, 12] features"},
        {"given": "float[16000] sound", "framed": "-1, 160", "result": "float[100, 12] features"},
    ],
    ids=["batch", "no batch"],
)
def test_frames_become_one_embedding(
    how: dict[str, str], pool: str, expected: FloatArray, opset: int, tmp_path: Path
) -> None:
    found, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", end=FRAMED, opset=opset, **how), pool=pool)
    assert (found.frames, found.info.dimensions, found.info.pooling) == (FRAMES, FILTERS, pool)
    assert_computes(path, expected)


class TestAnyLength:
    """Models that say nothing of the length of the sound."""

    ANY = {"given": "float[N, T] sound", "framed": "0, -1, 160"}  # noqa: RUF012

    @pytest.mark.parametrize(("window_s", "samples"), [(None, 160_000), (1.0, 16_000)])
    def test_the_window_is_chosen(self, window_s: float | None, samples: int, tmp_path: Path) -> None:
        found, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", **self.ANY), window_s=window_s)
        assert (found.info.samples, found.any_length) == (samples, True)
        if window_s == 1.0:
            assert_computes(path, MEAN)

    def test_frames_are_found_where_they_are_the_last_axis(self, tmp_path: Path) -> None:
        model = write_foreign_model(
            tmp_path / "foreign.onnx",
            **self.ANY,
            result="float[N, 12, F] features",
            end="features = Transpose <perm = [0, 2, 1]> (energies)",
        )
        found, path = adopted(model, window_s=1.0, pool="mean")
        assert (found.frames, found.info.dimensions) == (FRAMES, FILTERS)
        assert_computes(path, MEAN)

    def test_one_length_may_be_the_only_one_after_all(self, tmp_path: Path) -> None:
        how = {"given": "float[N, T] sound", "framed": "1, 100, 160", "result": "float[1, 100, 12] features"}
        found, path = adopted(
            write_foreign_model(tmp_path / "foreign.onnx", end=FRAMED, **how), window_s=1.0, pool="max"
        )
        assert (found.frames, found.one_at_a_time) == (FRAMES, True)
        assert_computes(path, MAX)

    def test_a_length_that_it_cannot_take_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="does not run on sound of this length") as refused:
            adopted(write_foreign_model(tmp_path / "foreign.onnx", **self.ANY), window_s=1.001)
        assert "--window" in refused.value.next_step


class TestOutputs:
    """Models with more outputs than the embedding."""

    TWO = {  # noqa: RUF012
        "result": "float[N, 5] classes, float[N, 12] features",
        "end": "features = ReduceMean <axes = [1], keepdims = 0> (energies)\nclasses = MatMul (features, head)",
    }

    def write(self, path: Path) -> Path:
        model = onnx.load(write_foreign_model(path, **self.TWO))
        model.graph.initializer.append(numpy_helper.from_array(np.ones((FILTERS, 5), np.float32), "head"))
        onnx.save(model, path)
        return path

    def test_one_has_to_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="several outputs") as refused:
            adopted(self.write(tmp_path / "foreign.onnx"))
        assert "classes (N, 5) float32, features (N, 12) float32" in refused.value.got
        assert "--embedding" in refused.value.next_step
        with pytest.raises(ModelError, match="no output of that name") as refused:
            adopted(self.write(tmp_path / "foreign.onnx"), embedding="logits")
        assert refused.value.got == "logits"

    def test_the_others_are_dropped_with_what_only_they_need(self, tmp_path: Path) -> None:
        found, path = adopted(self.write(tmp_path / "foreign.onnx"), embedding="features")
        assert found.left_out == ("classes",)
        assert "head" not in {weight.name for weight in onnx.load(path).graph.initializer}
        assert_computes(path, MEAN)

    def test_a_second_input_is_no_matter_where_only_a_dropped_output_needs_it(self, tmp_path: Path) -> None:
        model = write_foreign_model(
            tmp_path / "foreign.onnx",
            given="float[N, 16000] sound,\n float[5] bias",
            result="float[5] biased, float[N, 12] features",
            end="features = ReduceMean <axes = [1], keepdims = 0> (energies)\nbiased = Abs (bias)",
        )
        assert_computes(adopted(model, embedding="features")[1], MEAN)
        with pytest.raises(ModelError, match="does not take a waveform"):
            adopted(model, embedding="biased")


def _text(**how: Any) -> Callable[[Path], Path]:
    return lambda path: write_foreign_model(path, **how)


def _nonsense(path: Path) -> Path:
    path.write_bytes(b"\x80\x02 this is no protobuf")
    return path


def _described(path: Path) -> Path:
    model = onnx.load(write_foreign_model(path))
    helper.set_model_props(model, {METADATA_KEY: "{}"})
    onnx.save(model, path)
    return path


def _unknown_operator(path: Path) -> Path:
    model = onnx.load(write_foreign_model(path))
    model.graph.node[-1].op_type = "ReduceMedian"
    onnx.save(model, path)
    return path


def _newer_operators(path: Path) -> Path:
    model = onnx.load(write_foreign_model(path))
    model.opset_import[0].version = 999
    onnx.save(model, path)
    return path


def _scaled(factor: str) -> dict[str, str]:
    return {
        "end": f"m = ReduceMean <axes = [1], keepdims = 0> (energies)\nk = Constant <value = float {{{factor}}}> ()\n"
        "features = Mul (m, k)"
    }


REFUSALS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str, str]] = {
    # name: (writes the model, settings, what is said, what is advised)
    "no file": (lambda path: path, {}, "no model file", "check the path"),
    "no onnx": (_nonsense, {}, "no ONNX model", "torch.onnx.export"),
    "described already": (_described, {}, "describes itself already", "asd-edge enroll --model"),
    "an unknown operator": (_unknown_operator, {}, "ONNX Runtime cannot load", "opset_version"),
    "operators of the future": (_newer_operators, {}, "ONNX Runtime cannot load", "upgrade onnxruntime"),
    "operators of the past": (_text(opset=8), {}, "too old", "opset_version=18"),
    "a second input": (
        _text(
            given="float[N, 16000] sound,\n float[1] gain",
            end="m = ReduceMean <axes = [1], keepdims = 0> (energies)\nfeatures = Mul (m, gain)",
        ),
        {},
        "takes more than a waveform",
        "forward() of the waveform alone",
    ),
    "integers": (
        _text(given="int16[N, 16000] sound", end="features = Identity (energies)"),
        {},
        "does not take sound as the device gives it",
        "waveform * 32768",
    ),
    "half precision": (_text(given="float16[N, 16000] sound"), {}, "does not take sound as", "waveform.half()"),
    "a spectrogram": (_text(given="float[N, 1, 128, 100] sound"), {}, "does not take a waveform", "front end"),
    "stereo": (_text(given="float[N, 2, 16000] sound"), {}, "does not take a waveform", "forward"),
    "features": (_text(given="float[N, 160] sound", framed="-1, 1, 160"), {}, "does not take a waveform", "front end"),
    "the channel last": (_text(given="float[N, 16000, 1] sound"), {}, "does not take a waveform", "forward"),
    "another window": (_text(), {"window_s": 2.0}, "one length only", "leave --window away"),
    "frames": (
        _text(result="float[N, 100, 12] features", end=FRAMED),
        {},
        "an embedding for each of many frames",
        "--pool mean",
    ),
    "frames of frames": (
        _text(
            result="float[N, 100, 3, 4] features",
            end="s = Constant <value = int64[4] {-1, 100, 3, 4}> ()\nfeatures = Reshape (energies, s)",
        ),
        {"pool": "mean"},
        "neither an embedding nor a sequence",
        "--embedding",
    ),
    "nothing to pool": (
        _text(
            given="float[16000] sound",
            framed="-1, 160",
            result="float[12] features",
            end="features = ReduceMean <axes = [0], keepdims = 0> (energies)",
        ),
        {"pool": "max"},
        "nothing to pool",
        "leave --pool away",
    ),
    "a sequence": (
        _text(result="seq(float[N, 12]) features", end="features = SequenceConstruct (energies)"),
        {},
        "no output that is an array",
        "as a tensor",
    ),
    "a class": (
        _text(result="int64[N, 100] features", end="features = ArgMax <axis = 2, keepdims = 0> (energies)"),
        {},
        "no embedding",
        "--embedding",
    ),
    "not a number": (_text(**_scaled("nan")), {}, "not finite", "without a floor"),
    "infinity": (_text(**_scaled("inf")), {}, "not finite", "without a floor"),
    "always the same": (_text(**_scaled("0.0")), {}, "same embedding for every sound", "weights were loaded"),
    "another every time": (
        _text(
            end="m = ReduceMean <axes = [1], keepdims = 0> (energies)\nr = RandomNormalLike (m)\nfeatures = Add (m, r)"
        ),
        {},
        "another embedding when it hears the same sound again",
        "model.eval()",
    ),
    "four windows at once": (
        _text(given="float[4, 16000] sound", framed="4, 100, 160", result="float[4, 12] features"),
        {},
        "only a fixed number of windows",
        "torch.export.Dim",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_model_that_cannot_be_adopted_is_refused_with_the_way_on(case: str, tmp_path: Path) -> None:
    write, settings, what, advice = REFUSALS[case]
    (tmp_path / "pump.onnx").write_bytes(b"what was there")
    with pytest.raises(ModelError, match=what) as refused:
        adopted(write(tmp_path / "foreign.onnx"), **settings)
    assert advice in refused.value.next_step
    assert refused.value.got
    assert refused.value.valid
    assert (tmp_path / "pump.onnx").read_bytes() == b"what was there"
    assert {file.name for file in tmp_path.iterdir()} <= {"pump.onnx", "foreign.onnx"}


@pytest.mark.parametrize(
    ("precision", "dtype", "end"),
    [
        ("fp16", np.float16, "w = Cast <to = 1> (large)"),
        ("int8", np.int8, "s = Constant <value = float {0.1}> ()\nw = DequantizeLinear (large, s)"),
    ],
)
def test_the_precision_is_that_of_most_weights(precision: str, dtype: Any, end: str, tmp_path: Path) -> None:
    end = f"m = ReduceMean <axes = [1], keepdims = 0> (energies)\n{end}\nfeatures = MatMul (m, w)"
    model = onnx.load(write_foreign_model(tmp_path / "foreign.onnx", end=end, result="float[N, 900] features"))
    large = np.random.default_rng(0).integers(-9, 9, (FILTERS, 900)).astype(dtype)
    model.graph.initializer.append(numpy_helper.from_array(large, "large"))
    onnx.save(model, tmp_path / "foreign.onnx")
    assert adopted(tmp_path / "foreign.onnx")[0].info.precision == precision


@pytest.mark.parametrize("shape", ["a batch of one that can be free", "a branch that reads the input"])
def test_shapes_on_the_way_that_the_file_tells_are_no_obstacle(shape: str, tmp_path: Path) -> None:
    """They are those of a batch of one."""
    one_at_a_time, how = SHAPES[shape]
    model = onnx.shape_inference.infer_shapes(onnx.load(write_foreign_model(tmp_path / "foreign.onnx", **how)))
    assert model.graph.value_info
    onnx.save(model, tmp_path / "foreign.onnx")
    found, path = adopted(tmp_path / "foreign.onnx")
    assert found.one_at_a_time == one_at_a_time
    assert_computes(path, MEAN)


def test_four_windows_at_once_that_can_be_free_are_taken(tmp_path: Path) -> None:
    how = {"given": "float[4, 16000] sound", "result": "float[4, 12] features"}
    found, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", **how))
    assert not found.one_at_a_time
    assert_computes(path, MEAN)


def test_windows_that_depend_on_each_other_are_heard_one_after_the_other(tmp_path: Path) -> None:
    """As with batch norm in training: here the largest value of the batch is the unit."""
    end = "m = ReduceMean <axes = [1], keepdims = 0> (energies)\nu = ReduceMin <keepdims = 1> (energies)\n"
    found, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", end=end + "features = Div (m, u)"))
    assert found.one_at_a_time
    expected = np.stack([frames_of(window).mean(axis=0) / frames_of(window).min() for window in WINDOWS])
    assert_computes(path, expected)


@pytest.mark.parametrize(
    ("settings", "what", "advice"),
    [
        ({"rate": 48_000}, "made for 48000 Hz, and the device hears every model at 16000 Hz", "Resample(16000, 48000)"),
        ({"pool": "median"}, "no such pooling", "--pool mean"),
        ({"window_s": 0.0}, "--window is out of its bounds", "leave --window away"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], what: str, advice: str) -> None:
    with pytest.raises(InputError, match=what) as refused:
        AdoptSettings(Path("a.onnx"), Path("b.onnx"), **settings)
    assert advice in refused.value.next_step


def test_the_output_is_another_file_in_a_folder_that_is_there(tmp_path: Path) -> None:
    model = write_foreign_model(tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match="the model itself"):
        adopt(AdoptSettings(model, tmp_path / ".." / tmp_path.name / "foreign.onnx"))
    with pytest.raises(InputError, match="is a folder"):
        adopt(AdoptSettings(model, tmp_path))
    with pytest.raises(InputError, match="Cannot write"):
        adopt(AdoptSettings(model, tmp_path / "missing" / "pump.onnx"))


def test_constants_that_are_inputs_are_constants(tmp_path: Path) -> None:
    """As before version 4 of the format."""
    model = onnx.load(write_foreign_model(tmp_path / "foreign.onnx", opset=9, ir_version=3))
    model.graph.input.extend(
        helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims) for weight in model.graph.initializer
    )
    onnx.save(model, tmp_path / "foreign.onnx")
    assert_computes(adopted(tmp_path / "foreign.onnx")[1], MEAN)


class TestWeightsInAnotherFile:
    """As torch.onnx.export writes them."""

    @staticmethod
    def write(path: Path) -> Path:
        model = onnx.load(write_foreign_model(path))
        onnx.save(model, path, save_as_external_data=True, location="foreign.onnx.data", size_threshold=0)
        return path

    def test_become_part_of_the_one_file(self, tmp_path: Path) -> None:
        _, path = adopted(self.write(tmp_path / "foreign.onnx"))
        (tmp_path / "foreign.onnx.data").unlink()
        assert_computes(path, MEAN)

    def test_are_missed(self, tmp_path: Path) -> None:
        model = self.write(tmp_path / "foreign.onnx")
        (tmp_path / "foreign.onnx.data").unlink()
        with pytest.raises(ModelError, match="in another file cannot be read") as refused:
            adopted(model)
        assert f"copy them to {tmp_path}" in refused.value.next_step

    def test_are_too_large_for_one_file(self, tmp_path: Path) -> None:
        """The file has 2.4 GB of holes, none of which is read."""
        model = onnx.load(write_foreign_model(tmp_path / "foreign.onnx"))
        large = TensorProto(name="large", data_type=TensorProto.FLOAT, dims=[600_000_000])
        large.data_location = TensorProto.EXTERNAL
        large.external_data.add(key="location", value="foreign.onnx.data")
        model.graph.initializer.append(large)
        (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
        (tmp_path / "foreign.onnx.data").touch()
        os.truncate(tmp_path / "foreign.onnx.data", 2_400_000_000)
        with pytest.raises(ModelError, match="too large for one file") as refused:
            adopted(tmp_path / "foreign.onnx")
        assert "2.4 GB" in refused.value.got


def test_the_description_says_what_was_found(tmp_path: Path) -> None:
    model = write_foreign_model(tmp_path / "yamnet.onnx", opset=15)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    found, path = adopted(model)
    info = Model(path, "cpu").info
    assert info == found.info
    assert (info.recipe, info.format, info.opset, info.precision) == ("yamnet", 1, 15, "fp32")
    assert (info.checkpoint_sha256, info.pooling, info.parity) == (digest, "", {})
    assert adopted(model, name="bird song")[0].info.recipe == "bird song"


@pytest.mark.parametrize("shape", ["a channel", "no batch"])
def test_a_gpu_takes_it_in_batches_of_a_fixed_size(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = adopted(write_foreign_model(tmp_path / "foreign.onnx", **SHAPES[shape][1]))
    PretendedGpu(monkeypatch)
    found = Model(path, "cuda", batch=3).embed_batch(WINDOWS)
    np.testing.assert_allclose([output.embedding for output in found], MEAN, rtol=0.0, atol=1e-4)


def test_a_plain_export_of_pytorch_learns_a_machine_and_hears_its_fault(
    tmp_path: Path, machine_wav: Path, faulty_wav: Path, run_main: Run
) -> None:
    """From torch.onnx.export to the first scores, through the commands alone."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.filters = torch.nn.Conv1d(1, 64, 400, 160)
            self.head = torch.nn.Linear(64, 48)

        def forward(self, waveform: torch.Tensor) -> torch.Tensor:
            energies = self.filters(waveform[:, None]).square().add(1e-6).log()
            return self.head(energies.mean(2))  # type: ignore[no-any-return]

    module, exported = Encoder().eval(), tmp_path / "encoder.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 16_000),), exported, dynamo=True, verbose=False)
    refused = run_main("info", exported)
    assert refused.returncode == 1
    assert f"asd-edge adopt {exported}" in refused.stderr

    pump, bank = tmp_path / "pump.onnx", tmp_path / "pump.npz"
    shown = run_main("adopt", exported, "--output", pump, "--name", "my encoder")
    assert shown.returncode == 0, shown.stderr
    for words in ("my encoder", "1 s of mono sound at 16000 Hz", "48 values", "any number of windows at once"):
        assert words in shown.stdout
    assert f"Next: asd-edge enroll --model {pump}" in shown.stdout
    window = torch.from_numpy(WINDOWS)
    with torch.no_grad():
        expected = module(window).numpy()
    assert_computes(pump, expected)

    enrolled = run_main("enroll", "--model", pump, "--bank", bank, "--input", machine_wav)
    assert enrolled.returncode == 0, enrolled.stderr
    scores = [
        _scores(run_main("listen", "--model", pump, "--bank", bank, "--input", wav, "--json").stdout)
        for wav in (machine_wav, faulty_wav)
    ]
    assert np.median(scores[1]) > 2.0 * np.median(scores[0])


def _scores(lines: str) -> list[float]:
    import json

    return [line["score"] for line in map(json.loads, lines.splitlines()) if line["event"] == "score"]


def test_needs_no_pytorch() -> None:
    program = "import sys, asd_edge.export.adoption.adopt; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
