"""Objects for programs are strict JSON, and the schema in the package says what they may hold."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from objects import valid_objects
from program import Run

from asd_edge.runtime import Event, JsonLines, deliver
from asd_edge.runtime.json_objects import json_line, schema
from asd_edge.runtime.sources.source import EventKind, Span

SCORE = {
    "machine": "pump",
    "source": "a.wav",
    "start_s": 0.0,
    "score": 1.5,
    "threshold": 2.0,
    "decision": "normal",
    "level_dbfs": -20.0,
    "alarm": False,
    "repeated": False,
}
GAP = {"machine": "pump", "source": "mic", "start_s": 3.0, "reason": "unplugged"}


def test_an_object_begins_with_what_it_is_when_and_by_which_schema() -> None:
    before = datetime.now(timezone.utc)
    line = json_line("score", SCORE)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    (values,) = valid_objects(line)
    assert list(values)[:3] == ["event", "time", "schema"]
    assert (values["event"], values["schema"]) == ("score", 1)
    written = datetime.fromisoformat(values["time"])
    assert written.utcoffset() is not None
    assert abs((written - before).total_seconds()) < 5.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.inf, "null"),
        (-math.inf, "null"),
        (math.nan, "null"),
        (np.float32(0.5), "0.5"),
        (np.float64("nan"), "null"),
        (np.int16(7), "7"),
        (True, "true"),
        (None, "null"),
        (Path("a/b.wav"), '"a/b.wav"'),
        ((1, (2.0, math.inf)), "[1, [2.0, null]]"),
        ({"a": [math.nan]}, '{"a": [null]}'),
        ("caf\udce9.wav", '"caf\\\\xe9.wav"'),
        ("\ud83d", '"\\\\ud83d"'),
        ("\x1b[2J\n", '"\\u001b[2J\\n"'),
    ],
)
def test_whatever_a_value_is_the_line_is_strict_json(value: object, written: str) -> None:
    line = json_line("gap", {"value": value})
    assert line.endswith(f', "schema": 1, "value": {written}}}\n')
    assert len(line.splitlines()) == 1


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_every_reader_can_read_it(value: object) -> None:
    line = json_line("gap", {"value": value})
    assert line.isascii()
    assert "value" in json.loads(line, parse_constant=pytest.fail)


def test_what_json_cannot_hold_is_an_error_of_who_wrote_it() -> None:
    with pytest.raises(TypeError, match="object"):
        json_line("gap", {"value": object()})


def test_the_schema_is_one_and_knows_every_kind_of_event() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    kinds = [
        each["const"] for part in ("told", "alarm") for each in schema()["$defs"][part]["properties"]["event"]["oneOf"]
    ]
    assert sorted(kinds) == sorted(get_args(EventKind))


@pytest.mark.parametrize(
    ("event", "values"),
    [
        ("scored", SCORE),
        ("score", {**SCORE, "score": math.nan}),
        ("score", {**SCORE, "more": 1}),
        ("score", {name: value for name, value in SCORE.items() if name != "machine"}),
        ("gap", {**GAP, "start_s": -1.0}),
        ("gap", {**GAP, "count": 0}),
        ("alarm_on", GAP),
    ],
)
def test_the_schema_refuses_what_is_none_of_them(event: str, values: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        valid_objects(json_line(event, values))
    valid_objects(json_line("gap", {**GAP, "duration_s": math.inf}))


@pytest.mark.parametrize("kind", get_args(EventKind))
def test_every_kind_of_event_fits_the_schema_as_it_is_written(
    kind: EventKind, capsys: pytest.CaptureFixture[str]
) -> None:
    about = {"score": 3.0, "threshold": 2.0, "window": Span(3.0, 4.0)} if kind.startswith("alarm") else {}
    full = Event(kind, "mic", 3.0, "told", machine="pump", **about)  # type: ignore[arg-type]
    more = replace(full, duration_s=math.inf, count=2) if not about else full
    deliver([full, more], [JsonLines()])
    assert [values["event"] for values in valid_objects(capsys.readouterr().out)] == [kind, kind]


def test_every_line_of_runs_of_all_kinds_is_strict_and_fits_the_schema(
    run_main: Run, short_model_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    sound, rate_hz = soundfile.read(machine_wav, dtype="float32")
    bank, other = tmp_path / "pump.npz", tmp_path / "fan.npz"
    common = ("--model", short_model_path, "--hop", 1)
    assert run_main("enroll", "--bank", bank, "--input", machine_wav, *common).returncode == 0
    other.write_bytes(bank.read_bytes())
    spoilt = {
        "zeros": np.where(np.arange(len(sound)) < 5 * rate_hz, np.float32(0), sound),
        "infinite": np.where(np.arange(len(sound)) == 5 * rate_hz, np.float32(np.inf), sound),
        "huge": sound * np.float32(1e20),
        "clipped": np.clip(sound * 1e3, -1.0, 1.0),
    }
    for name, samples in spoilt.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, rate_hz, subtype="FLOAT")
    (tmp_path / "half.wav").write_bytes(machine_wav.read_bytes()[:100_000])
    paths = [tmp_path / f"{name}.wav" for name in (*spoilt, "half")]
    runs: list[tuple[object, ...]] = [
        ("listen", "--bank", bank, "--input", faulty_wav, "--percentile", "90", "--alarm", "3/5"),
        ("listen", "--bank", bank, "--input", "simulated:duration=4", "--bank", other, "--input", paths[-1]),
        ("listen", "--bank", bank, "--input", "simulated:duration=2", "--realtime", "--alarm", "1/1"),
        ("listen", "--bank", bank, "--input", "nowhere.wav"),
        ("listen", "--bank", bank, "--hop", "0", "--input", faulty_wav),
        *(("listen", "--bank", bank, "--input", path) for path in paths),
        *(("score", path, "--bank", bank) for path in paths),
        ("score", tmp_path, "--bank", bank),
        ("score", "--bank"),
    ]
    kinds: set[str] = set()
    for run in runs:
        done = run_main(*run, *common, "--json")
        said = valid_objects(done.stdout)
        assert (said[-1]["event"] == "error") == (done.returncode != 0)
        kinds |= {values["event"] for values in said}
    assert {"listening", "score", "alarm_on", "sensor_fault", "summary", "error"} <= kinds
