"""Signals to `listen`: how it ends, what it says about alarms that are on, and that nothing which hangs holds it up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from objects import valid_objects
from program import Run

from asd_edge.runtime.ending import ended_by_signals

ENDS_WITHIN_S = 8.0
"""A stop takes a second; on a busy computer a few more. What is held up would take `GRACE_S` or for ever."""


@pytest.fixture
def command(program: Path, bank: Path, short_model_path: Path) -> list[str]:
    """`listen` to a machine that is bad from the beginning and never ends, so that the alarm goes on at once."""
    common = [str(program), "listen", "--bank", str(bank), "--model", str(short_model_path), "--hop", "0.25"]
    faulty = "simulated:day=1,fault_begins=0,fault_full=0"
    return [*common, "--threads", "1", "--percentile", "5", "--alarm", "3/5", "--input", faulty, "--realtime"]


@contextlib.contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone when the test is, also where it hangs."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(stream: Iterator[str], event: str) -> list[str]:
    """Lines of objects up to one of an event."""
    lines = []
    for line in stream:
        lines.append(line)
        if json.loads(line)["event"] == event:
            return lines
    pytest.fail(f"no {event} in {lines}")


@pytest.mark.parametrize(("stop_signal", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_during_an_alarm_tells_that_it_is_off(
    command: Sequence[str], stop_signal: signal.Signals, code: int
) -> None:
    with started([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = lines_until(process.stdout, "alarm_on")
        process.send_signal(stop_signal)
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (code, "")
    said = valid_objects("".join(lines) + rest)
    off, summary = said[-2:]
    assert (off["event"], off["reason"], off["machine"]) == ("alarm_off", "stopped", "pump")
    last = [values for values in said if values["event"] == "score"][-1]
    assert (off["source"], off["start_s"]) == (last["source"], last["start_s"])
    assert last["alarm"]
    assert (summary["event"], summary["alarms"]) == ("summary", 1)


@pytest.mark.parametrize("after_s", [0.2, 0.6])
def test_sigterm_while_it_starts_is_no_failure(command: Sequence[str], after_s: float) -> None:
    with started([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}  # the latter before Python has read the program


def test_another_error_that_an_import_makes_of_the_interruption_is_no_failure() -> None:
    """As compiled code does while it is imported."""

    def starts() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.0)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    with pytest.raises(SystemExit) as left, ended_by_signals():
        starts()
    assert left.value.code == 0


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The end of a pipe whose reader sleeps and whose room is used up, to write to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize(
    ("kind", "stop_signal", "code"), [("json", signal.SIGTERM, 0), ("terminal", signal.SIGINT, 130)]
)
def test_it_hears_on_and_ends_while_nobody_reads_standard_output(
    command: Sequence[str], full_pipe: int, tmp_path: Path, kind: str, stop_signal: signal.Signals, code: int
) -> None:
    """The file beside has everything, and the sink that hangs is told."""
    events = tmp_path / "events.jsonl"
    sinks = ["--sink", kind, "--sink", f"json:{events}"]
    with started([*command, *sinks], stdout=full_pipe, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30.0
        while not (events.exists() and events.read_text().count('"score"') >= 8):
            assert time.monotonic() < deadline, "nothing is heard"
            time.sleep(0.1)
        asked = time.monotonic()
        process.send_signal(stop_signal)
        _, errors = process.communicate(timeout=30)
    assert time.monotonic() - asked < ENDS_WITHIN_S
    assert process.returncode == code
    assert f"The sink {kind} failed and is left out: TimeoutError: it hangs" in errors
    said = valid_objects(events.read_text())
    assert [values["event"] for values in said[-2:]] == ["alarm_off", "summary"]


def test_it_ends_while_nobody_reads_standard_error_either(command: Sequence[str], full_pipe: int) -> None:
    """What is told about the sink that hangs hangs as well; the process is left with its exit code all the same."""
    script = "import sys; import asd_edge.runtime.ending as e; e.GRACE_S = 5.0\n"
    script += "from asd_edge.runtime.cli import main; main()"
    quick = [sys.executable, "-c", script, *command[1:], "--json"]
    with started(quick, stdout=full_pipe, stderr=full_pipe) as process:
        time.sleep(4.0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_a_scoring_that_nobody_reads_can_be_interrupted(
    program: Path, bank: Path, short_model_path: Path, machine_wav: Path, full_pipe: int
) -> None:
    words = ["score", machine_wav, "--bank", bank, "--model", short_model_path, "--hop", 0.1, "--json"]
    command = [str(program), *map(str, words)]
    with started(command, stdout=full_pipe, stderr=subprocess.PIPE) as process:
        time.sleep(4.0)
        assert process.poll() is None, "recorded sound waits for its reader"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.parametrize("kind", ["json", "terminal"])
def test_a_full_disk_behind_standard_output_is_one_clear_error(command: Sequence[str], kind: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--sink", kind], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("asd-edge: What was heard cannot be written anywhere.\n")
    assert f"got:   {kind}: No space left on device\n" in done.stderr
    assert len(done.stderr.splitlines()) == 4


def test_a_full_disk_behind_one_sink_does_not_keep_the_others(command: Sequence[str], tmp_path: Path) -> None:
    words = [*command[:-1], "--json", "--sink", "json:/dev/full"]  # as fast as it can be, and ended by the reader
    words[words.index("--input") + 1] = "simulated:duration=5"
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr == (
        "The sink json:/dev/full failed and is left out: OSError: [Errno 28] No space left on device\n"
    )
    assert [values["event"] for values in valid_objects(done.stdout)][-1] == "summary"


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("listen", "--json"), 2, "Missing option"),
        (("listen", "--jsn", "--json", "--bank", "pump.npz"), 2, "No such option"),
        (("--json",), 2, "No such option"),
        (("lisen", "--json"), 2, "No such command"),
        (("listen", "--json", "--bank", "missing.npz"), 1, "no bank"),
        (("listen", "--sink", "json", "--bank", "missing.npz"), 1, "no bank"),
        (("listen", "--sink=json", "--bank", "missing.npz", "--hop", "often"), 2, "--hop"),
        (("score", "a.wav", "--json", "--bank", "missing.npz", "--debug"), 1, "no bank"),
        (("score", "a.wav", "--json", "--bank", "missing.npz", "--hop=-1"), 1, "hop"),
    ],
)
def test_an_error_is_an_object_where_a_program_reads(
    run_main: Run, tmp_path: Path, words: tuple[str, ...], code: int, what: str
) -> None:
    """On the stream where it looks for the others; people have it on standard error all the same."""
    done = run_main(*words, cwd=tmp_path)
    (error,) = valid_objects(done.stdout)
    assert (done.returncode, error["event"], error["exit_code"]) == (code, "error", code)
    assert what in error["what"]
    assert error["next_step"]
    assert done.stderr
    without = [word for word in words if word not in {"--json", "--sink=json"} and not word.startswith("json")]
    assert not without or run_main(*without, cwd=tmp_path).stdout == ""
