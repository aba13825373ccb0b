"""The command `enroll`: what was heard is learned and saved first, whatever happens to the process and its outputs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from program import Run

from asd_edge.calibration.bank.learning_curve import LearningCurve
from asd_edge.runtime import EnrollSettings, FileSource, ListenSettings, Model, enroll, load_bank
from asd_edge.runtime.reports.enrolment_text import explain_enrolment

WINDOWS = 120
"""How many windows of a second the healthy machine gives at a hop of a second."""


@pytest.fixture(scope="module")
def long_wav(machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hour of sound, of which a test hears what it has time for."""
    samples = np.tile(soundfile.read(machine_wav)[0], 30)
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, samples + 1e-3 * np.random.default_rng(0).standard_normal(len(samples)), 16_000)
    return path


SAVES_SOON = """
import sys
from asd_edge.runtime.cli import main
from asd_edge.runtime.enrolment import heard_windows
heard_windows.SAVE_EVERY_S = 0.2
main(sys.argv[1:])
"""
"""The program, but with less time between two savings: there is less to learn from when it is stopped."""

Start = Callable[..., "subprocess.Popen[Any]"]


@pytest.fixture
def start(program: Path, short_model_path: Path, tmp_path: Path) -> Start:
    """Start an enrolment into ``bank.npz``, with a script for the program if need be, and options of `Popen`."""

    def begin(
        sound: Path, *more: object, hop_s: float = 1.0, script: str = "", **options: Any
    ) -> subprocess.Popen[Any]:
        words = ["enroll", "--bank", tmp_path / "bank.npz", "--model", short_model_path, "--input", sound]
        started = [sys.executable, "-c", script] if script else [str(program)]
        return subprocess.Popen([*started, *map(str, [*words, "--hop", hop_s, *more])], **options)

    return begin


def wait_for_windows(bank: Path, count: int = 10) -> None:
    deadline = time.monotonic() + 60.0
    while not bank.exists() or len(load_bank(bank).references) <= count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("errors_too", [False, True])
def test_a_full_disk_under_the_outputs_ends_no_enrolment(
    start: Start, machine_wav: Path, tmp_path: Path, errors_too: bool
) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(machine_wav, stdout=full, stderr=full if errors_too else subprocess.PIPE)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    bank = load_bank(tmp_path / "bank.npz")
    assert (len(bank.references), bank.ready) == (WINDOWS, True)
    if not errors_too:
        assert b"goes on without its display" in told
        assert b"Enrolled in" in told
        assert b"Traceback" not in told


def test_a_reader_that_left_ends_no_enrolment(start: Start, machine_wav: Path, tmp_path: Path) -> None:
    process = start(machine_wav, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    with process:
        told = process.stderr.read()  # type: ignore[union-attr]
    assert process.returncode == 0
    assert b"Traceback" not in told
    assert load_bank(tmp_path / "bank.npz").ready


def test_a_terminal_of_another_encoding_shows_what_it_can(start: Start, machine_wav: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = start(machine_wav, "--name", "Pümpe █", env=environment, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rb"P\xfcmpe \u2588" in out
    assert load_bank(tmp_path / "bank.npz").info.name == "Pümpe █"


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_that_goes_away_ends_no_enrolment(
    start: Start, machine_wav: Path, tmp_path: Path, encoding: str
) -> None:
    """Writing into a terminal that was closed is an error of its own (EIO); the live view was on it."""
    samples = np.tile(soundfile.read(machine_wav)[0], 2)
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, samples + 1e-3 * np.random.default_rng(0).standard_normal(len(samples)), 16_000)
    ours, theirs = os.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "TERM": "xterm"}
    process = start(sound, hop_s=0.1, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"windows" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    bank = load_bank(tmp_path / "bank.npz")
    assert bank.ready
    assert len(bank.references) == 2391  # from 0 to 239 s, every tenth of a second


@pytest.mark.long
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT, signal.SIGINT], [signal.SIGHUP, signal.SIGTERM, signal.SIGHUP]],
)
def test_signals_end_it_with_everything_learned(
    start: Start, long_wav: Path, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    """A service that is stopped, a dropped ssh session, an impatient user: the bank is ready."""
    process = start(long_wav, hop_s=0.1, script=SAVES_SOON, stdout=subprocess.PIPE, text=True)
    wait_for_windows(tmp_path / "bank.npz", 200)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped early" in out
    assert load_bank(tmp_path / "bank.npz").ready


def test_a_signal_before_the_first_window_leaves_nothing_behind(program: Path, tmp_path: Path) -> None:
    script = (
        "import os, signal, threading\n"
        "from asd_edge.runtime import SimulatedMachine\n"
        "from asd_edge.runtime.cli import main\n"
        "heard = SimulatedMachine.sound\n"
        "def sound(self, stop):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    stop.wait(10.0)\n"
        "    yield from heard(self, stop)\n"
        "SimulatedMachine.sound = sound\n"
        f"main(['enroll', '--bank', {str(tmp_path / 'bank.npz')!r}, '--input', 'simulated:seed=1'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert "no bank was written" in done.stderr
    assert not (tmp_path / "bank.npz").exists()


@pytest.mark.long
@pytest.mark.parametrize(("presses", "code", "ready"), [(1, 0, True), (2, 130, False)])
def test_ctrl_c_while_it_learns(
    machine_wav: Path, short_model_path: Path, tmp_path: Path, presses: int, code: int, ready: bool
) -> None:
    """All sound was heard, so one is no reason to leave; one more a moment later is, and the windows are kept."""
    script = (
        "import time\n"
        "from asd_edge.runtime.cli import main\n"
        "from asd_edge.runtime.enrolment import taking_in\n"
        "learn = taking_in.make_bank\n"
        "def slowly(*given):\n"
        "    print('learning', flush=True)\n"
        "    time.sleep(4.0)\n"
        "    return learn(*given)\n"
        "taking_in.make_bank = slowly\n"
        f"main(['enroll', '--bank', {str(tmp_path / 'bank.npz')!r}, '--input', {str(machine_wav)!r}, "
        f"'--model', {str(short_model_path)!r}, '--hop', '1'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while process.stdout.readline() != "learning\n":
        assert process.poll() is None
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    bank = load_bank(tmp_path / "bank.npz")
    assert (len(bank.references), bank.ready) == (WINDOWS, ready)
    assert ("enroll --append" in told) is (not ready)


def test_not_yet_says_how_many_minutes(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    """Doublings brought the nearest window closer by 20 % and by 10 %, so the next one of two minutes brings 5 %."""
    report = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0))
    assert report.minutes_more == 0.0
    halving = replace(report, curve=LearningCurve((30, 60, 90, 120), (10.0, 8.0, 7.6, 7.2)))
    assert halving.minutes_more == pytest.approx(2.0)
    assert "not yet, add about 2 minutes with --append" in explain_enrolment(halving)
    endless = replace(report, curve=LearningCurve((30, 60, 90, 120), (10.0, 9.0, 8.5, 8.1)))
    assert "not yet, add at least 6 minutes with --append" in explain_enrolment(endless)


def test_info_shows_the_threshold_that_listen_uses(
    run_main: Run, short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bank.npz"
    run_main("enroll", "--bank", path, "--model", short_model_path, "--input", machine_wav, "--hop", 1)
    alarm = ListenSettings(hop_s=1.0).threshold(load_bank(path))
    shown = run_main("info", path).stdout
    assert f"{alarm.value:.4g}: `listen` alarms after 6 of the last 8 windows above it" in shown
    assert "reaches       up to 8 kHz" in shown
    assert "beside it" not in shown
    run_main("enroll", "--bank", path, "--model", short_model_path, "--input", machine_wav, "--append", "--hop", 0.7)
    assert "brought back by `enroll --undo`" in run_main("info", path).stdout
    assert run_main("info", path.with_name("bank.npz.before")).returncode == 0
    listening = run_main("listen", "--bank", path, "--model", short_model_path, "--input", machine_wav).stdout
    assert f"score above {ListenSettings(hop_s=10.0).threshold(load_bank(path)).value:.4g}" in listening
