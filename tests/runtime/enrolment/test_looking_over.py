"""Windows that do not sound like the rest, and copies: shown by every enrolment, dropped if somebody says so."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from logged import logged
from objects import valid_objects
from program import Run
from terminal import at_terminal

from asd_edge.runtime import (
    Bank,
    EnrollSettings,
    FileSource,
    InputError,
    LookedOver,
    Model,
    Progress,
    SimulatedMachine,
    enroll,
    load_bank,
)

RATE_HZ = 16_000
PASSED_S = (60, 63)
"""When something loud passes by."""
UNLIKE, AGAIN = "unlike the rest", "the same sound again"
Enroll = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def passing_wav(machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a machine that something passes by."""
    path = tmp_path_factory.mktemp("sound") / "passing.wav"
    samples, _ = soundfile.read(machine_wav, dtype="float32")
    begin, end = (RATE_HZ * second for second in PASSED_S)
    samples[begin:end] += 0.3 * np.random.default_rng(0).standard_normal(end - begin)
    soundfile.write(path, samples, RATE_HZ)
    return path


@pytest.fixture(scope="module")
def copied(machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of a machine, ten seconds of it again in 24 bits, and a file that begins at its 25th second."""
    folder = tmp_path_factory.mktemp("copied")
    samples, _ = soundfile.read(machine_wav, dtype="float32")
    soundfile.write(folder / "a.wav", samples[: 30 * RATE_HZ], RATE_HZ)
    soundfile.write(folder / "b.flac", samples[5 * RATE_HZ : 15 * RATE_HZ], RATE_HZ, subtype="PCM_24")
    soundfile.write(folder / "c.wav", samples[25 * RATE_HZ : 45 * RATE_HZ], RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def passing_by(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of the machine on another day, when something passes by for two seconds."""
    path = tmp_path_factory.mktemp("sound") / "added.wav"
    sound = np.concatenate([block.samples for block in SimulatedMachine(30.0, day=1).sound(threading.Event())])[:, 0]
    sound[12 * RATE_HZ : 14 * RATE_HZ] += 0.3 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    soundfile.write(path, sound, RATE_HZ)
    return path


@pytest.fixture
def start(run_main: Run, short_model_path: Path, tmp_path: Path) -> Enroll:
    """Enroll into ``bank.npz`` with windows of a second."""

    def run(sound: Path, *more: object) -> subprocess.CompletedProcess[str]:
        words = ("--bank", tmp_path / "bank.npz", "--model", short_model_path, "--input", sound, "--hop", 1)
        return run_main("enroll", *words, *more)

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.npz"


def starts(bank: Bank) -> set[float]:
    return set(bank.references.timeline.starts_s.tolist())


def test_what_passed_by_is_shown_and_kept(start: Enroll, path: Path, passing_wav: Path) -> None:
    """Without a terminal and without an option nothing is thrown away, and nothing stays unseen."""
    done = start(passing_wav)
    assert done.returncode == 0, done.stderr
    assert "3 of 120 windows do not sound like the rest:" in done.stdout
    assert f"{passing_wav} 01:00-01:03" in done.stdout
    assert "times the usual distance" in done.stdout
    assert "--strange drop" in done.stdout
    assert "refused       none" in done.stdout
    assert len(load_bank(path).references) == 120


def test_what_passed_by_is_dropped_and_counted(start: Enroll, run_main: Run, path: Path, passing_wav: Path) -> None:
    done = start(passing_wav, "--strange", "drop")
    assert done.returncode == 0, done.stderr
    assert f"{passing_wav} 01:00-01:03" in done.stdout
    bank = load_bank(path)
    assert starts(bank) == {float(start) for start in range(120)} - {60.0, 61.0, 62.0}
    assert bank.info.refused == {UNLIKE: 3}
    assert bank.ready
    assert f"refused       3 x {UNLIKE}" in run_main("info", path).stdout
    assert "117 new" in done.stdout


def test_dropping_it_brings_back_the_threshold_of_the_clean_sound(
    short_model: Model, tmp_path: Path, machine_wav: Path, passing_wav: Path
) -> None:
    """Strange windows move the threshold, and widen the deviations that all are measured by."""
    values = []
    for name, wav, strange in (("a", machine_wav, "keep"), ("b", passing_wav, "keep"), ("c", passing_wav, "drop")):
        settings = EnrollSettings(tmp_path / f"{name}.npz", hop_s=1.0, strange=strange)
        values.append(enroll(FileSource(wav), short_model, settings).bank.info.threshold or 0.0)
    clean, kept, dropped = values
    assert abs(kept / clean - 1.0) > 0.05
    assert dropped == pytest.approx(clean, rel=0.02)


def test_programs_get_an_object_for_each_stretch(start: Enroll, passing_wav: Path) -> None:
    objects = valid_objects(start(passing_wav, "--json", "--strange", "drop").stdout)
    (found,) = [values for values in objects if values["event"] == "strange"]
    assert (found["source"], found["start_s"], found["end_s"], found["windows"]) == (str(passing_wav), 60.0, 63.0, 3)
    assert found["times"] > 2.0
    assert (found["file"], found["file_start_s"]) == (str(passing_wav), 60.0)
    assert found["heard_at"] is found["same_as"] is None
    assert found["kept"] is False
    enrolled = objects[-1]
    assert (enrolled["event"], enrolled["added"], enrolled["strange"], enrolled["copies"]) == ("enrolled", 117, 3, 0)
    assert enrolled["refused_now"] == {UNLIKE: 3}


def test_copies_are_shown_with_what_they_are_copies_of(start: Enroll, path: Path, copied: Path) -> None:
    """One of each stays: the first. Ten seconds are there again in 24 bits, and five more shifted by whole windows."""
    done = start(copied, "--copies", "drop")
    assert done.returncode == 0, done.stderr
    assert "15 of 60 windows are the same sound as an earlier one:" in done.stdout
    assert f"{copied / 'b.flac'} 00:00-00:10  as in {copied / 'a.wav'} at 00:05" in done.stdout
    assert f"{copied / 'c.wav'} 00:00-00:05  as in {copied / 'a.wav'} at 00:25" in done.stdout
    bank = load_bank(path)
    assert len(bank.references) == 45
    assert bank.info.refused == {AGAIN: 15}


def test_copies_are_kept_where_nobody_says_otherwise(start: Enroll, path: Path, copied: Path) -> None:
    done = start(copied)
    assert "15 of 60 windows are the same sound" in done.stdout
    assert "--copies drop" in done.stdout
    assert len(load_bank(path).references) == 60


def test_a_strange_sound_that_is_there_twice_is_strange_twice(
    short_model: Model, path: Path, passing_wav: Path, tmp_path: Path
) -> None:
    samples, _ = soundfile.read(passing_wav, dtype="float32")
    again = tmp_path / "again.wav"
    soundfile.write(again, samples[55 * RATE_HZ : 65 * RATE_HZ], RATE_HZ)
    report = enroll(
        FileSource([passing_wav, again]), short_model, EnrollSettings(path, hop_s=1.0, strange="drop", copies="drop")
    )
    strange, copies = report.found
    assert [(stretch.source, stretch.windows) for stretch in strange.stretches] == [
        (str(passing_wav), 3),
        (str(again), 3),
    ]
    assert (copies.kind, copies.windows) == ("copies", 7)
    assert report.refused == {UNLIKE: 6, AGAIN: 7}
    assert (report.added, len(report.bank.references)) == (117, 117)


def test_sound_that_is_all_the_same_keeps_its_error(start: Enroll, tmp_path: Path, machine_wav: Path) -> None:
    samples, _ = soundfile.read(machine_wav, dtype="float32")
    loop = tmp_path / "loop.wav"
    soundfile.write(loop, np.tile(samples[:RATE_HZ], 30), RATE_HZ)
    done = start(loop, "--copies", "drop")
    assert done.returncode == 1
    assert "The enrolled windows are all the same sound" in done.stderr
    few = tmp_path / "few.wav"
    soundfile.write(few, np.tile(samples[: 4 * RATE_HZ], 10), RATE_HZ)
    again = start(few, "--copies", "drop", "--bank", tmp_path / "few.npz")
    assert again.returncode == 1
    assert "36 of 40 windows are the same sound as an earlier one" in again.stdout
    assert "The enrolled windows are all the same sound" in again.stderr


def test_only_new_windows_are_looked_over(start: Enroll, path: Path, passing_wav: Path, copied: Path) -> None:
    """What was kept at first is not asked for again; what is added is compared with all that is there."""
    assert start(passing_wav).returncode == 0
    done = start(copied / "a.wav", "--append", "--strange", "drop", "--copies", "drop")
    assert done.returncode == 0, done.stderr
    assert "do not sound like the rest" not in done.stdout
    assert "30 of 30 windows are the same sound as an earlier one:" in done.stdout
    bank = load_bank(path)
    assert len(bank.references) == 120
    assert bank.info.refused == {AGAIN: 30}


def test_what_passes_by_while_adding_is_dropped(start: Enroll, path: Path, machine_wav: Path, passing_by: Path) -> None:
    assert start(machine_wav).returncode == 0
    done = start(passing_by, "--append", "--strange", "drop")
    assert done.returncode == 0, done.stderr
    assert "2 of 30 windows do not sound like the rest:" in done.stdout
    bank = load_bank(path)
    assert len(bank.references) == 148
    assert bank.info.refused == {UNLIKE: 2}


def test_windows_of_an_enrolment_that_was_too_short_are_looked_over_later(
    short_model: Model, path: Path, passing_wav: Path, tmp_path: Path
) -> None:
    samples, _ = soundfile.read(passing_wav, dtype="float32")
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    soundfile.write(first, samples[58 * RATE_HZ : 64 * RATE_HZ], RATE_HZ)
    soundfile.write(second, samples[: 50 * RATE_HZ], RATE_HZ)
    short = enroll(FileSource(first), short_model, EnrollSettings(path, hop_s=1.0))
    assert (short.bank.ready, short.found) == (False, ())
    report = enroll(FileSource(second), short_model, EnrollSettings(path, hop_s=1.0, append=True, strange="drop"))
    (found,) = report.found
    assert [(stretch.source, stretch.start_s) for stretch in found.stretches] == [(str(first), 2.0)]
    assert (found.windows, found.of) == (3, 56)
    bank = load_bank(path)
    assert (len(bank.references), bank.info.refused) == (53, {UNLIKE: 3})


def test_what_waits_beside_a_bank_is_looked_over_when_it_is_taken(
    start: Enroll, run_main: Run, path: Path, machine_wav: Path, passing_by: Path
) -> None:
    """Nobody was there to be asked, so all of it waits; whoever takes it in may still drop what passed by."""
    assert start(machine_wav).returncode == 0
    held = start(passing_by, "--append")
    assert held.returncode == 1
    assert "2 of 30 windows do not sound like the rest:" in held.stdout
    assert "Is the machine well?" in held.stderr
    taken = run_main("enroll", "--bank", path, "--take-aside", "--strange", "drop")
    assert taken.returncode == 0, taken.stderr
    assert "2 of 30 windows do not sound like the rest:" in taken.stdout
    bank = load_bank(path)
    assert (len(bank.references), bank.info.refused) == (148, {UNLIKE: 2})
    assert not path.with_name("bank.npz.aside").exists()


def test_ctrl_c_at_the_question_while_adding_keeps_all_beside_the_bank(
    program: Path, short_model_path: Path, start: Enroll, path: Path, machine_wav: Path, passing_by: Path
) -> None:
    assert start(machine_wav).returncode == 0
    words = ["enroll", "--bank", path, "--model", short_model_path, "--input", passing_by, "--hop", "1", "--append"]
    status, shown = at_terminal([program, *words], b"\x03")
    assert status == 130
    assert shown.count("[y/N]") == 1
    assert "--take-aside" in shown
    assert len(load_bank(path.with_name("bank.npz.aside")).references) == 30


def test_what_a_person_keeps_is_not_asked_for_again(
    program: Path, short_model_path: Path, start: Enroll, path: Path, machine_wav: Path, passing_by: Path
) -> None:
    assert start(machine_wav).returncode == 0
    words = ["enroll", "--bank", path, "--model", short_model_path, "--input", passing_by, "--hop", "1", "--append"]
    status, shown = at_terminal([program, *words], b"n\n")
    assert status == 0
    assert shown.count("[y/N]") == 1
    assert len(load_bank(path).references) == 150


def test_in_python_somebody_is_asked_and_told(short_model: Model, path: Path, passing_wav: Path) -> None:
    asked: list[LookedOver] = []
    told: list[LookedOver] = []

    def choose(found: LookedOver) -> bool:
        asked.append(found)
        return False

    def progress(now: Progress) -> None:
        if now.found is not None:
            told.append(now.found)

    report = enroll(FileSource(passing_wav), short_model, EnrollSettings(path, hop_s=1.0), progress, choose=choose)
    assert [found.kind for found in asked] == ["strange"]
    assert report.found == tuple(told)
    (found,) = told
    assert (found.kept, found.answered, found.windows) == (False, True, 3)
    assert report.found_windows("strange") == 3
    assert len(report.bank.references) == 117


def test_an_error_of_the_source_asks_nobody(short_model: Model, path: Path, passing_wav: Path) -> None:
    def failing(_: LookedOver) -> bool:
        raise AssertionError

    class Broken(FileSource):
        def sound(self, stop):  # type: ignore[no-untyped-def]
            yield from super().sound(stop)
            raise OSError(5, "input/output error")

    with pytest.raises(OSError, match="input/output"), logged():
        enroll(Broken(passing_wav), short_model, EnrollSettings(path, hop_s=1.0), choose=failing)
    assert len(load_bank(path).references) == 120


def test_a_wish_that_does_not_exist_is_refused(path: Path, start: Enroll, passing_wav: Path) -> None:
    with pytest.raises(InputError, match="cannot be done with windows"):
        EnrollSettings(path, copies="perhaps")
    done = start(passing_wav, "--strange", "perhaps")
    assert done.returncode == 1
    assert "ask, keep, drop" in done.stderr


def test_enroll_info_and_listen_say_the_same_in_lines_that_fit_a_terminal(
    start: Enroll, run_main: Run, path: Path, passing_wav: Path, short_model_path: Path
) -> None:
    enrolled = start(passing_wav, "--name", "p").stdout.splitlines()
    lines = [line[16:] for line in enrolled[[line[:16] for line in enrolled].index("  false alarms  ") :][:3]]
    assert lines[0].startswith("about 1 a day; with 90 % confidence ")
    assert lines[1].startswith("rests on 120 windows")
    assert lines[2].startswith("1 more hour of sound would make it ")
    shown = run_main("info", path).stdout
    words = ("listen", "--bank", path, "--model", short_model_path, "--input", passing_wav, "--hop", 1)
    heading = run_main(*words).stdout.lower()
    for line in lines:
        assert f"  {line}\n" in shown
        assert f"{line}.\n" in heading or f": {line}.\n" in heading
    report = enrolled[enrolled.index(f'Enrolled "p" in {path}') + 1 : -1]
    assert max(map(len, report)) <= 80


@pytest.mark.parametrize(
    ("answer", "windows", "code"), [(b"y\n", 117, 0), (b"\n", 120, 0), (b"\x04", 120, 0), (b"\x03", 120, 130)]
)
def test_at_a_terminal_it_asks(
    program: Path, short_model_path: Path, path: Path, passing_wav: Path, answer: bytes, windows: int, code: int
) -> None:
    """Yes, no, an end of input and Ctrl-C at the question: all that was heard is kept but what is dropped by a word."""
    words = ["enroll", "--bank", path, "--model", short_model_path, "--input", passing_wav, "--hop", "1"]
    status, shown = at_terminal([program, *words], answer)
    assert status == code
    assert "3 of 120 windows do not sound like the rest:" in shown
    assert "times the usual distance" in shown
    assert shown.count("do not sound like the rest") == 1
    bank = load_bank(path)
    assert (len(bank.references), bank.ready) == (windows, True)


def test_ctrl_c_at_the_question_asks_no_second_one(
    program: Path, short_model_path: Path, path: Path, passing_wav: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(passing_wav.read_bytes() + (b"\0\0" if name == "b.wav" else b""))
    words = ["enroll", "--bank", path, "--model", short_model_path, "--input", folder, "--hop", "1"]
    status, shown = at_terminal([program, *words], b"\x03")
    assert status == 130
    assert shown.count("[y/N]") == 1
    assert "Stopped early; kept" in shown
    assert "120 of 240 windows are the same sound as an earlier one" in shown
    assert len(load_bank(path).references) == 240
