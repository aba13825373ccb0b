"""`asd-edge bench` measures, hides nothing, and says clearly what it cannot do."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnxruntime
import pytest
from linear_model import SAMPLES, linear_weights, write_linear_model
from pretended_gpu import PretendedGpu
from tiny_beats import write_tiny_beats

from asd_edge.benchmarks.bench.bench import bench
from asd_edge.benchmarks.bench.results import Bench, Latency
from asd_edge.benchmarks.bench.settings import BenchSettings
from asd_edge.benchmarks.bench.tables import tables
from asd_edge.calibration.audio.generated import generated_windows
from asd_edge.calibration.errors import InputError

SCHEMA = Path(__file__).parents[3] / "benchmarks" / "bench" / "bench.schema.json"
QUICK = BenchSettings(providers=("cpu",), threads=(1,), duration_s=0.2, cache=False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BEATs of 1 s windows."""
    from asd_edge.export.beats.embedder import build_beats
    from asd_edge.export.onnx_file import export_model

    folder = tmp_path_factory.mktemp("tiny")
    export_model(*build_beats(write_tiny_beats(folder / "tiny.pt"), "mean", window_s=1.0), folder / "tiny.onnx")
    return folder / "tiny.onnx"


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model, and the same in 8 bits, badly rounded."""
    folder = tmp_path_factory.mktemp("linear")
    rough = write_linear_model(folder / "rough.onnx", precision="int8", off_by=0.2)
    return str(write_linear_model(folder / "exact.onnx")), str(rough)


@pytest.fixture(scope="module")
def measured(undisturbed: None, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    """One run on the default model and the small BEATs, a second for each."""
    output = tmp_path_factory.mktemp("measured") / "bench"
    settings = dataclasses.replace(QUICK, models=("logmel", str(tiny)), duration_s=1.0)
    return bench(dataclasses.replace(settings, output=output)), output


def written(output: Path) -> Any:
    """What ``bench.json`` holds, which fits its schema."""
    found = json.loads((output / "bench.json").read_text())
    jsonschema.validate(found, json.loads(SCHEMA.read_text()), jsonschema.Draft202012Validator)
    return found


def on_screen(found: Bench) -> str:
    from rich.console import Console

    console = Console(width=400)
    with console.capture() as capture:
        for table in tables(found):
            console.print(table)
    return capture.get()


@pytest.mark.long
def test_every_combination_is_measured(measured: tuple[Bench, Path]) -> None:
    found = written(measured[1])
    assert [result["name"] for result in found["results"]] == [
        "logmel, fp32, cpu, 1 thread",
        "tiny, fp32, cpu, 1 thread",
    ]
    for result in found["results"]:
        latency, model = result["latency"], found["models"][result["model"]]
        ordered = [latency[name] for name in ("least_s", "median_s", "p95_s", "p99_s", "worst_s")]
        assert ordered == sorted(ordered)
        assert latency["count"] >= found["rounds"]["kept"]
        assert result["windows_per_s"] == pytest.approx(1.0 / latency["median_s"])
        assert result["real_time_factor"] == pytest.approx(latency["median_s"] / model["window_s"])
        assert result["microphones"]["trials"]
        assert list(result["nodes"]) == ["cpu"]
        if sys.platform == "linux":
            assert result["start"]["resident_bytes"] >= result["start"]["anonymous_bytes"] > 0
    assert found["left_out"] == []


def test_the_time_is_split_where_the_graph_tells(measured: tuple[Bench, Path]) -> None:
    """A front end is up to the logarithm of its spectrogram; nothing is copied on the CPU."""
    for result in measured[0].results:
        parts = result.parts
        assert parts.copy_s is None
        assert parts.front_end_s is not None
        assert parts.encoder_s is not None
        assert 0.0 < parts.front_end_s + parts.encoder_s < 50 * result.latency.median_s
    logmel = measured[0].results[0].parts
    assert logmel.front_end_s is not None
    assert logmel.encoder_s is not None
    assert logmel.front_end_s > logmel.encoder_s  # nearly nothing follows its spectrogram


def test_a_model_in_float32_is_what_it_is_compared_with(measured: tuple[Bench, Path]) -> None:
    for result in measured[0].results:
        assert result.quality is not None
        assert (result.quality.error_over_spread, result.quality.nearest_change) == (0.0, 0.0)
        assert not result.marked


def test_screen_and_page_show_all_of_it_offline(measured: tuple[Bench, Path]) -> None:
    found, output = measured
    screen, page = on_screen(found), (output / "report.html").read_text()
    for name in ("logmel, fp32, cpu, 1 thread", "tiny, fp32, cpu, 1 thread"):
        assert screen.count(name) == 3
        assert page.count(name) >= 6  # three tables and more plots
    assert page.count("<svg") == 5
    assert not re.search(r"src=|href=\"[^#]|https?://|@import", page)


def test_a_lower_precision_that_costs_too_much_is_marked(linear: tuple[str, str], tmp_path: Path) -> None:
    """However fast it is: beside its time stands what it costs, and that this is too much."""
    found = bench(dataclasses.replace(QUICK, models=linear, output=tmp_path / "bench"))
    exact, rough = found.results
    assert (exact.marked, rough.marked) == (False, True)
    assert rough.quality is not None
    sounds = generated_windows(SAMPLES)
    embeddings, errors = sounds @ linear_weights(0), 0.2 * sounds @ linear_weights(1)
    spread = np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1)
    assert rough.quality.error_over_spread == pytest.approx(np.max(np.linalg.norm(errors, axis=1) / spread), rel=0.01)
    assert rough.quality.compared == "with exact in fp32 on the CPU, 8 clips"
    assert [result["quality"]["within_limits"] for result in written(tmp_path / "bench")["results"]] == [True, False]
    assert on_screen(found).count("FAILS") == 1
    assert "FAILS" in (tmp_path / "bench" / "report.html").read_text()
    assert rough.parts.front_end_s is None  # a graph without a spectrogram does not tell


def test_without_the_model_in_float32_no_quality_is_claimed(linear: tuple[str, str], tmp_path: Path) -> None:
    found = bench(dataclasses.replace(QUICK, models=linear[1:], output=tmp_path / "bench"))
    assert found.results[0].quality is None
    assert written(tmp_path / "bench")["results"][0]["quality"] is None


@pytest.fixture
def fallback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ONNX Runtime claims to have CoreML; when it is asked for, it warns and takes the CPU."""
    built = [*onnxruntime.get_available_providers(), "CoreMLExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: built)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("fallback")
def test_a_provider_that_fell_back_is_named_and_not_measured(linear: tuple[str, str], tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, models=linear[:1], providers=("coreml", "cpu"), threads=(1, 2))
    found = bench(dataclasses.replace(settings, output=tmp_path / "bench"))
    assert [result.combination.provider for result in found.results] == ["cpu", "cpu"]
    (left,) = written(tmp_path / "bench")["left_out"]
    assert left["name"] == "exact, fp32, coreml"
    assert "fell back to the CPU" in left["reason"]


@pytest.mark.usefixtures("fallback")
def test_where_nothing_else_is_left_that_is_an_error(linear: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fell back to the CPU"):
        bench(dataclasses.replace(QUICK, models=linear[:1], providers=("coreml",), output=tmp_path / "bench"))
    assert not (tmp_path / "bench").exists()


def test_what_a_gpu_does_and_leaves_to_the_cpu_is_told(
    linear: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {"cuda": {"MatMul": 74}, "cpu": {"Attention": 12, "Cast": 2}}
    PretendedGpu(monkeypatch, "cuda", nodes)
    monkeypatch.setattr("asd_edge.benchmarks.bench.bench._start", lambda *_: {})
    found = bench(
        dataclasses.replace(QUICK, models=linear[:1], providers=("cuda",), batches=(3,), output=tmp_path / "bench")
    )
    (result,) = written(tmp_path / "bench")["results"]
    assert result["name"] == "exact, fp32, cuda, batch 3"
    assert result["nodes"] == nodes
    assert result["notes"] == ["one CUDA graph", "12 Attention, 2 Cast on the CPU"]
    assert result["parts"]["copy_s"] > 0.0
    assert "12 Attention, 2 Cast on the CPU" in on_screen(found)


def test_percentiles_are_times_that_were_seen() -> None:
    """Of 1 to 200 ms, 190 are not above 190 ms, and 198 not above 198."""
    latency = Latency.of([milliseconds / 1e3 for milliseconds in np.random.default_rng(0).permutation(200) + 1])
    found = [latency.least_s, latency.median_s, latency.p95_s, latency.p99_s, latency.worst_s]
    assert latency.count == 200
    assert found == pytest.approx([0.001, 0.101, 0.191, 0.199, 0.2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"duration_s": 0.0}, "--duration is out of its bounds"),
        ({"duration_s": float("nan")}, "--duration is out of its bounds"),
        ({"batches": (4, 0)}, "--batch is out of its bounds"),
        ({"threads": (-1,)}, "--threads is out of its bounds"),
        ({"models": ()}, "no --model, so there is nothing to measure"),
        ({"hop_s": 0.0}, "--hop is out of its bounds"),
        ({"hop_s": 0.01}, "hop between windows is too short"),
        ({"providers": ("cpu", "abacus")}, "no such execution provider"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(QUICK, **changes)


def test_an_unknown_provider_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(InputError) as refused:
        BenchSettings(providers=("abacus",))
    assert refused.value.next_step.startswith("this computer has: cpu")


def test_precisions_that_no_model_has_are_refused_or_named(linear: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of the models is in that precision"):
        bench(dataclasses.replace(QUICK, models=linear[:1], precisions=("fp16",), output=tmp_path / "bench"))
    found = bench(dataclasses.replace(QUICK, models=linear, precisions=("int8", "fp16"), output=tmp_path / "bench"))
    assert [result.combination.precision for result in found.results] == ["int8"]
    assert found.results[0].quality is not None  # the one in float32 is at hand, though not measured
    assert [each.name for each in found.left_out] == ["fp16"]


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "bench.json").touch()
    for output, words in ((tmp_path / "none" / "bench", "Cannot write bench"), (tmp_path / "kept", "already")):
        with pytest.raises(InputError, match=words):
            bench(dataclasses.replace(QUICK, duration_s=80_000.0, output=output))


def test_the_command_takes_several_values_and_needs_no_pytorch(tmp_path: Path) -> None:
    """As on a device: neither PyTorch nor ONNX can be imported, nor what draws and what reads memory."""
    program = """
import sys

class Bare:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "onnx", "onnxscript", "sklearn", "psutil", "matplotlib", "jsonschema"):
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Bare())
from asd_edge.runtime.cli import main
main()
"""
    options = [
        "bench",
        "--provider",
        "cpu",
        "--batch",
        "1",
        "--batch",
        "2",
        "--threads",
        "1",
        "--duration",
        "0.2",
        "--output",
        "bench",
    ]
    command = [sys.executable, "-c", program, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    names = [result["name"] for result in written(tmp_path / "bench")["results"]]
    assert names == ["logmel, fp32, cpu, 1 thread", "logmel, fp32, cpu, 1 thread, batch 2"]
    assert all(name in done.stdout for name in names)
    assert "Left out: memory of a fresh process: psutil" in done.stdout
    assert "There are no charts, because matplotlib is not installed: pip install 'asd-edge[measure]'." in done.stdout
    assert written(tmp_path / "bench")["results"][0]["start"]["resident_bytes"] is None
