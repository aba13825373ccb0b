"""Two benchmarks side by side, written by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from program import Run

from asd_edge.benchmarks.bench.compare import Comparison
from asd_edge.benchmarks.bench.compare import compare as compare_files
from asd_edge.benchmarks.bench.settings import CompareSettings
from asd_edge.calibration.errors import InputError

SCHEMA = Path(__file__).parents[3] / "benchmarks" / "bench" / "bench.schema.json"
NAME = "logmel, fp32, cpu, 1 thread"


def result(name: str = NAME) -> dict[str, Any]:
    return {
        "name": name,
        "model": "logmel",
        "precision": "fp32",
        "provider": "cpu",
        "threads": 1,
        "batch": 1,
        "size_bytes": 2_000_000,
        "windows_per_s": 100.0,
        "real_time_factor": 0.001,
        "nodes": {"cpu": {"MatMul": 3}},
        "notes": [],
        "load_s": 0.1,
        "first_s": 0.02,
        "latency": {"count": 9, "least_s": 0.009, "median_s": 0.01, "p95_s": 0.02, "p99_s": 0.03, "worst_s": 0.03},
        "parts": {"copy_s": None, "front_end_s": 0.008, "encoder_s": 0.001, "scoring_s": 0.001},
        "microphones": {"microphones": 700, "limit_found": True, "trials": [[700, True], [710, False]]},
        "start": {
            "count": 2,
            "median_s": 0.4,
            "least_s": 0.3,
            "resident_bytes": 100,
            "anonymous_bytes": 50,
            "peak_bytes": 120,
            "gpu_bytes": None,
        },
        "energy": {"joules_per_window": 0.5, "source": "VDD_IN, by INA3221"},
        "quality": {
            "cosine": 1.0,
            "error_over_spread": 0.01,
            "nearest_change": 0.0,
            "within_limits": True,
            "compared": "with logmel in fp32 on the CPU, 8 clips",
        },
        "areas": {"folder": "evaluation_1", "auc": 0.9, "official_score": 0.8},
    }


def benchmark(*results: dict[str, Any], sha256: str = "0" * 64) -> dict[str, Any]:
    model = {"sha256": sha256, "recipe": "logmel", "precision": "fp32", "size_bytes": 2_000_000}
    found = {
        "kind": "asd-edge bench",
        "format": 2,
        "created": "2025-06-01T12:00:00+00:00",
        "device": {
            "processor": "Cortex-A78AE",
            "cores": 6,
            "architecture": "aarch64",
            "system": "Linux 5.15",
            "memory_bytes": 8_000_000_000,
            "cpu_flags": ["asimd"],
            "governor": "schedutil",
            "gpu": None,
        },
        "versions": {"asd-edge": "0.1.0", "Python": "3.10.12"},
        "duration_s": 20.0,
        "hop_s": 10.0,
        "references": 1000,
        "rounds": {"kept": 9, "disturbed": 1, "quiet": True},
        "models": {"logmel": {**model, "window_s": 10.0, "dimensions": 381}},
        "results": list(results) or [result()],
        "left_out": [],
    }
    jsonschema.validate(found, json.loads(SCHEMA.read_text()), jsonschema.Draft202012Validator)
    return found


def compare(first: Path, second: Path, tolerance: float = 0.1) -> Comparison:
    return compare_files(CompareSettings(first, second, tolerance))


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write(tmp_path / "before.json", benchmark())


def changed(path: Path, **changes: dict[str, Any] | None) -> Path:
    """Write a benchmark whose one result has other values in some of its parts."""
    after = copy.deepcopy(result())
    for part, values in changes.items():
        after[part] = values if values is None else after[part] | values
    return write(path, benchmark(after))


def test_what_did_not_change_has_ratios_of_one(before: Path) -> None:
    found = compare(before, before, 0.0)
    measures = ["median time", "start", "resident memory", "size on disk", "energy", "microphones", "AUC"]
    assert [(change.measure, change.ratio) for change in found.changes] == [(measure, 1.0) for measure in measures]
    assert not found.worse


@pytest.mark.parametrize(
    ("changes", "measure", "ratio"),
    [
        ({"latency": {"median_s": 0.012}}, "median time", 1.2),
        ({"start": {"median_s": 0.48}}, "start", 1.2),
        ({"start": {"resident_bytes": 120}}, "resident memory", 1.2),
        ({"energy": {"joules_per_window": 0.6}}, "energy", 1.2),
        ({"microphones": {"microphones": 560}}, "microphones", 0.8),
        ({"areas": {"auc": 0.72}}, "AUC", 0.8),
    ],
)
def test_worse_is_worse_beyond_the_tolerance_alone(
    changes: dict[str, Any], measure: str, ratio: float, before: Path, tmp_path: Path
) -> None:
    """A fifth more time, or fewer microphones: too much for a tenth and not for three; and no harm the other way."""
    after = changed(tmp_path / "after.json", **changes)
    (worse,) = [change for change in compare(before, after, 0.1).changes if change.worse]
    assert (worse.combination, worse.measure) == (NAME, measure)
    assert worse.ratio == pytest.approx(ratio)
    assert not compare(before, after, 0.3).worse
    assert not compare(after, before, 0.1).worse


def test_the_tail_of_the_times_has_no_tolerance(before: Path, tmp_path: Path) -> None:
    after = changed(tmp_path / "after.json", latency={"p99_s": 3.0, "worst_s": 9.0})
    assert not compare(before, after, 0.0).worse


def test_quality_that_fails_now_is_worse_whatever_the_tolerance(before: Path, tmp_path: Path) -> None:
    after = changed(tmp_path / "after.json", quality={"within_limits": False})
    assert compare(before, after, 9.0).failed == (NAME,)
    assert compare(before, after, 9.0).worse
    assert not compare(after, after, 0.1).worse


@pytest.mark.parametrize("microphones", [300, None])
def test_fewer_microphones_are_not_worse_where_the_time_was_over(
    microphones: int | None, before: Path, tmp_path: Path
) -> None:
    unknown = {"microphones": microphones, "limit_found": microphones is None}
    after = changed(tmp_path / "after.json", microphones=unknown)
    assert not compare(before, after, 0.1).worse


def test_what_a_device_does_not_tell_is_not_compared(before: Path, tmp_path: Path) -> None:
    after = changed(tmp_path / "after.json", energy=None, areas=None, start=None)
    assert [change.measure for change in compare(before, after).changes] == [
        "median time",
        "size on disk",
        "microphones",
    ]


def test_other_files_and_what_only_one_has_are_told(tmp_path: Path) -> None:
    other = result("logmel, fp32, cuda")
    before = write(tmp_path / "before.json", benchmark())
    after = write(tmp_path / "after.json", benchmark(result(), other, sha256="f" * 64))
    assert compare(before, after).remarks == (
        "logmel is another file in the second.",
        "Only in the second: logmel, fp32, cuda.",
    )
    with pytest.raises(InputError, match="no combination in common"):
        compare(before, write(tmp_path / "other.json", benchmark(other)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "it is no JSON"),
        ("[]", "another program wrote it"),
        ('{"results": []}', "another program wrote it"),
        (json.dumps(benchmark() | {"format": 1}), "another format"),
    ],
)
def test_files_that_are_no_benchmark_are_refused(text: str, words: str, before: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(text)
    for pair in ((before, tmp_path / "bad.json"), (tmp_path / "bad.json", before)):
        with pytest.raises(InputError, match=words):
            compare(*pair)


def test_files_that_are_not_there_are_refused(before: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        compare(before, tmp_path / "none.json")


def test_the_command_exits_with_1_beyond_the_tolerance(before: Path, tmp_path: Path, run_main: Run) -> None:
    after = changed(tmp_path / "after.json", latency={"median_s": 0.012})
    worse, fine = (run_main("bench", "compare", before, after, "--tolerance", value) for value in ("0.1", "0.3"))
    assert (worse.returncode, fine.returncode) == (1, 0)
    assert "1.200  worse" in worse.stdout
    assert "tolerance of 10 %" in worse.stderr
    assert "worse" not in fine.stdout
    refused = run_main("bench", "compare", before, after, "--tolerance", "-1")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, "asd-edge: --tolerance is out of its bounds.")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_time_that_is_not_a_number_is_worse(before: Path, tmp_path: Path, value: float) -> None:
    """A comparison with it is false, whichever way it is asked."""
    after = changed(tmp_path / "after.json", latency={"median_s": value})
    assert [change.measure for change in compare(before, after).changes if change.worse] == ["median time"]
    assert compare(changed(tmp_path / "first.json", latency={"median_s": float("nan")}), before).worse


def test_an_area_that_is_not_a_number_is_worse(before: Path, tmp_path: Path) -> None:
    after = changed(tmp_path / "after.json", areas={"auc": float("nan")})
    assert [change.measure for change in compare(before, after).changes if change.worse] == ["AUC"]
