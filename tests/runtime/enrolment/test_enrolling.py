"""Enrolling: what goes into the bank, and that nothing is lost on the way."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from logged import logged
from program import Run

from asd_edge.calibration.errors import BankError, InputError, SoundError
from asd_edge.runtime import EnrollSettings, FileSource, Model, Progress, SimulatedMachine, enroll, load_bank
from asd_edge.runtime.sources.source import Block, Event


def test_windows_of_a_file_become_references(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    """Each reference is the model's embedding of its window, and the bank says where everything came from."""
    told: list[Progress] = []
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=2.0, name="pump 3")
    report = enroll(FileSource([machine_wav]), short_model, settings, told.append)
    samples = soundfile.read(machine_wav, dtype="float32")[0]
    bank = load_bank(tmp_path / "bank.npz")
    assert report.added == len(bank.references.embeddings) == 60
    for index in (0, 17, 59):
        expected = short_model.embed(samples[index * 32_000 : index * 32_000 + 16_000]).embedding
        np.testing.assert_array_equal(bank.references.embeddings[index], expected)
    assert bank.info.name == "pump 3"
    assert bank.info.model_sha256 == short_model.sha256
    assert bank.info.device == ""
    assert [recording.source for recording in bank.info.recordings] == [str(machine_wav)]
    assert bank.info.threshold == pytest.approx(bank.threshold_at(90.0, _rule(), 2.0).value)
    assert told[-1].windows == 60
    assert told[-1].heard_s == pytest.approx(120.0)


def _rule() -> Any:
    from asd_edge.runtime import AlarmRule

    return AlarmRule()


def test_minutes_limit_what_is_taken(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, minutes=0.5)
    assert enroll(FileSource([machine_wav]), short_model, settings).added == 30


def test_appending_the_same_file_again_adds_nothing(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    """So that the same command with --append goes on after any stop, whatever it had reached."""
    path = tmp_path / "bank.npz"
    enroll(FileSource([machine_wav]), short_model, EnrollSettings(path, hop_s=1.0, minutes=0.5))
    first = load_bank(path)
    report = enroll(FileSource([machine_wav]), short_model, EnrollSettings(path, hop_s=1.0, append=True))
    assert (report.already_there, report.added) == (30, 90)
    bank = load_bank(path)
    np.testing.assert_array_equal(bank.references.embeddings[:30], first.references.embeddings)
    assert bank.info.created == first.info.created


def test_an_existing_bank_is_never_overwritten(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    enroll(FileSource([machine_wav]), short_model, EnrollSettings(path))
    content = path.read_bytes()
    with pytest.raises(BankError, match="already"):
        enroll(FileSource([machine_wav]), short_model, EnrollSettings(path))
    assert path.read_bytes() == content


def test_a_broken_file_keeps_what_came_before(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    samples = soundfile.read(machine_wav)[0]
    broken = samples[: 16_000 * 40].copy()
    broken[16_000 * 20 + 8000] = np.nan
    soundfile.write(tmp_path / "a.wav", broken, 16_000, subtype="FLOAT")
    path = tmp_path / "bank.npz"
    with pytest.raises(SoundError, match="not numbers") as error:
        enroll(FileSource(tmp_path / "a.wav"), short_model, EnrollSettings(path, hop_s=1.0))
    assert "20 windows" in error.value.next_step
    assert "--append" in error.value.next_step
    soundfile.write(tmp_path / "c.wav", samples[16_000 * 40 : 16_000 * 60], 16_000)
    report = enroll(FileSource(tmp_path / "c.wav"), short_model, EnrollSettings(path, hop_s=1.0, append=True))
    assert (report.added, len(report.bank.references.embeddings)) == (20, 40)


def test_a_broken_file_among_others_is_told_and_they_are_enrolled(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    samples = soundfile.read(machine_wav)[0]
    folder = tmp_path / "sound"
    folder.mkdir()
    soundfile.write(folder / "a.wav", samples[: 16_000 * 20], 16_000)
    broken = samples[16_000 * 20 : 16_000 * 40].copy()
    broken[8000] = np.nan
    soundfile.write(folder / "b.wav", broken, 16_000, subtype="FLOAT")
    soundfile.write(folder / "c.wav", samples[16_000 * 40 : 16_000 * 60], 16_000)
    told: list[Progress] = []
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)
    report = enroll(FileSource([folder]), short_model, settings, told.append)
    assert (report.added, report.refused) == (40, {})
    (event,) = [progress.latest for progress in told if progress.latest is not None]
    assert (event.event, event.source) == ("failed", str(folder / "b.wav"))
    assert "not numbers" in event.reason


def test_a_power_loss_keeps_a_whole_bank(
    program: Path, short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """Killed without warning: the bank is readable and holds all but the last seconds."""
    path = tmp_path / "bank.npz"
    # At the pace of a microphone, so that there is something left to lose; by way of the library, as files do not wait.
    script = (
        "import sys, pathlib; from asd_edge.runtime import *\n"
        f"enroll(FileSource(['{machine_wav}'], realtime=True), Model('{short_model_path}', threads=1), "
        f"EnrollSettings(pathlib.Path('{path}'), hop_s=1.0))"
    )
    process = subprocess.Popen([str(program.with_name("python")), "-c", script])
    deadline = time.monotonic() + 60.0
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.0)
    process.kill()
    process.wait()
    assert len(load_bank(path).references.embeddings) >= 3
    leftovers = [
        file.name for file in tmp_path.iterdir() if file.name.startswith(".bank.npz.") and ".lock" not in file.name
    ]
    assert len(leftovers) <= 1


def test_two_enrolments_into_one_bank(
    program: Path, short_model: Model, short_model_path: Path, machine_wav: Path, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "bank.npz"
    stop, began = threading.Event(), threading.Event()

    class Endless(SimulatedMachine):
        def sound(self, stop: threading.Event) -> Iterator[Block]:
            for block in super().sound(stop):
                began.set()
                time.sleep(0.05)
                yield block

    settings = EnrollSettings(path, hop_s=1.0)
    first = threading.Thread(target=enroll, args=(Endless(600.0), short_model, settings), kwargs={"stop": stop})
    first.start()
    began.wait()
    second = run("enroll", "--bank", path, "--model", short_model_path, "--input", machine_wav)
    stop.set()
    first.join()
    assert second.returncode == 1
    assert "Another process" in second.stderr
    assert len(load_bank(path).info.recordings) == 1


def test_refused_windows_are_counted_by_reason(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    samples = soundfile.read(machine_wav)[0][: 16_000 * 40].copy()
    samples[16_000 * 10 : 16_000 * 13] = 0.0
    samples[16_000 * 20 : 16_000 * 21 : 3] = 1.0
    soundfile.write(tmp_path / "faults.wav", samples, 16_000)
    path = tmp_path / "bank.npz"
    report = enroll(FileSource([tmp_path / "faults.wav"]), short_model, EnrollSettings(path, hop_s=1.0))
    assert report.refused == {"digital zeros": 3, "clipping": 1}
    assert report.added == 36
    assert load_bank(path).info.refused == report.refused


def test_lost_sound_is_refused_and_spans_no_window(short_model: Model, tmp_path: Path) -> None:
    class Interrupted(SimulatedMachine):
        def sound(self, stop: threading.Event) -> Iterator[Block | Event]:  # type: ignore[override]
            for block in super().sound(stop):
                if block.start_s == 20.0:
                    yield Event("overrun", self.name, 20.0, "lost")
                yield block

    report = enroll(Interrupted(40.0), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=0.7))
    assert report.refused == {"sound lost": 1}
    starts = report.bank.references.timeline.starts_s
    assert not any(19.0 + 1e-6 < start < 20.0 for start in starts)


def test_too_few_windows_are_kept_but_make_no_threshold(
    run_main: Run, short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    clip, path = tmp_path / "clip.wav", tmp_path / "bank.npz"
    soundfile.write(clip, soundfile.read(machine_wav)[0][: 16_000 * 4], 16_000)
    done = run_main("enroll", "--bank", path, "--model", short_model_path, "--input", clip, "--hop", 0.5)
    assert done.returncode == 1
    assert "too few windows" in done.stderr
    assert "add at least 6 s" in done.stderr
    assert len(load_bank(path).references.embeddings) == 7
    scored = run_main("score", clip, "--bank", path, "--model", short_model_path)
    assert scored.returncode == 1
    assert "10 or more" in scored.stderr
    assert "--append" in scored.stderr


def test_enrolling_for_too_short_is_refused_before_it_begins(
    short_model: Model, machine_wav: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="too short"):
        enroll(FileSource([machine_wav]), short_model, EnrollSettings(tmp_path / "b.npz", minutes=0.1))


def test_identical_windows_are_kept_but_have_no_spread(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    second = soundfile.read(machine_wav)[0][:16_000]
    soundfile.write(tmp_path / "copies.wav", np.tile(second, 20), 16_000)
    report = enroll(FileSource([tmp_path / "copies.wav"]), short_model, EnrollSettings(tmp_path / "b.npz", hop_s=1.0))
    assert report.added == 20
    assert not report.bank.ready
    with pytest.raises(BankError, match="all the same sound"):
        report.bank.threshold_at(90.0, _rule(), 1.0)


def test_the_screen_says_what_was_learned(run_main: Run, machine_wav: Path, tmp_path: Path) -> None:
    done = run_main("enroll", "--bank", tmp_path / "pump.npz", "--input", machine_wav, "--name", "pump 3")
    assert done.returncode == 0, done.stderr
    for expected in ('"pump 3"', "12 new", "refused       none", "threshold", "false alarms", "long enough?", "Next:"):
        assert expected in done.stdout
    assert "so this is a guess" in done.stdout  # 12 windows cannot promise one false alarm a day


class _Failing(SimulatedMachine):
    """A machine whose source fails after 30 s."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(60.0)
        self._error = error

    def sound(self, stop: threading.Event) -> Iterator[Block]:
        for block in super().sound(stop):
            if block.start_s >= 30.0:
                raise self._error
            yield block


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), MemoryError(), OSError(5, "input/output error"), KeyboardInterrupt()]
)
def test_whatever_ends_it_what_was_heard_is_learned_first(
    short_model: Model, tmp_path: Path, error: BaseException
) -> None:
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)
    if isinstance(error, KeyboardInterrupt):
        assert enroll(_Failing(error), short_model, settings).interrupted
    else:
        with pytest.raises(type(error)), logged() as said:
            enroll(_Failing(error), short_model, settings)
        assert any("30 windows before it are kept" in sentence for sentence in said)
    bank = load_bank(tmp_path / "bank.npz")
    assert (len(bank.references), bank.ready) == (30, True)


def test_a_model_that_fails_keeps_what_it_gave(
    short_model: Model, machine_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, left = short_model.embed, iter([None] * 40)

    def failing(samples: Any) -> Any:
        next(left)
        return embed(samples)

    monkeypatch.setattr(short_model, "embed", failing)
    with pytest.raises(StopIteration):
        enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0))
    bank = load_bank(tmp_path / "bank.npz")
    assert (len(bank.references), bank.ready) == (40, True)


def test_a_display_that_fails_is_left_out(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    calls = []

    def show(progress: Progress) -> None:
        calls.append(progress)
        if progress.windows == 5:
            raise ZeroDivisionError("no room")

    with logged() as said:
        report = enroll(FileSource(machine_wav), short_model, EnrollSettings(tmp_path / "b.npz", hop_s=1.0), show)
    assert (report.added, report.bank.ready, report.interrupted) == (120, True, False)
    assert calls[-1].windows == 5
    assert said == ["Enrolling goes on without its display, which failed: ZeroDivisionError: no room"]


def test_stop_keeps_what_was_heard(short_model: Model, tmp_path: Path) -> None:
    stop = threading.Event()

    def show(progress: Progress) -> None:
        if progress.windows == 20:
            stop.set()

    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)
    report = enroll(SimulatedMachine(3600.0), short_model, settings, show, stop)
    assert report.interrupted
    assert 20 <= report.added < 30
    assert load_bank(tmp_path / "bank.npz").ready


def test_nothing_is_promised_before_a_refusal(run_main: Run, machine_wav: Path, tmp_path: Path) -> None:
    (tmp_path / "bank.npz").write_bytes(b"precious")
    done = run_main("enroll", "--bank", tmp_path / "bank.npz", "--input", machine_wav)
    assert done.returncode == 1
    assert done.stdout == ""
