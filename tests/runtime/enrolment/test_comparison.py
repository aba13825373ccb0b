"""What is added to a bank is compared with it first; what sounds strange waits for an answer; all can be undone."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from logged import logged
from program import Run
from simulated_sound import write_simulated
from terminal import at_terminal

from asd_edge.calibration.bank.bank import collected
from asd_edge.calibration.errors import BankError
from asd_edge.runtime import (
    EnrollSettings,
    FileSource,
    HeldAsideError,
    Model,
    SimulatedMachine,
    Strangeness,
    enroll,
    load_bank,
    take_aside,
    undo,
)
from asd_edge.runtime.enrolment.comparison import strangeness


@pytest.fixture(scope="module")
def learned(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of two minutes of a healthy machine."""
    path = tmp_path_factory.mktemp("bank") / "pump.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0))
    return path


@pytest.fixture
def bank(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(learned, tmp_path))


@pytest.fixture(scope="module")
def other_day_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the healthy machine on another day."""
    return write_simulated(tmp_path_factory.mktemp("sound") / "other.wav", SimulatedMachine(60.0, day=1))


def files(bank: Path) -> list[str]:
    return sorted(path.name for path in bank.parent.iterdir() if not path.name.endswith(".lock"))


Append = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def append(run_main: Run, short_model_path: Path, bank: Path) -> Append:
    def run(sound: Path, *more: object) -> subprocess.CompletedProcess[str]:
        words = ("--bank", bank, "--model", short_model_path, "--input", sound, "--hop", 1, "--append")
        return run_main("enroll", *words, *more)

    return run


def test_normal_sound_is_added_without_a_question(append: Append, bank: Path, other_day_wav: Path) -> None:
    before = bank.read_bytes()
    done = append(other_day_wav)
    assert done.returncode == 0, done.stderr
    assert len(load_bank(bank).references) == 180
    assert "compared" in done.stdout
    assert "--undo" in done.stdout
    assert files(bank) == ["pump.npz", "pump.npz.before"]
    assert bank.with_name("pump.npz.before").read_bytes() == before


def test_a_fault_is_told_and_waits_beside_the_bank(append: Append, bank: Path, faulty_wav: Path, run_main: Run) -> None:
    """Without a terminal and without --yes nothing is learned and nothing is lost."""
    before = bank.read_bytes()
    done = append(faulty_wav)
    assert done.returncode == 1
    assert "of 30 windows score above what this bank calls normal" in done.stderr
    assert "is the machine well?" in done.stderr.lower()
    assert str(bank.with_name("pump.npz.aside")) in done.stderr
    assert "--take-aside --yes" in done.stderr
    assert bank.read_bytes() == before
    assert files(bank) == ["pump.npz", "pump.npz.aside"]
    assert len(load_bank(bank.with_name("pump.npz.aside")).references) == 30
    assert run_main("enroll", "--bank", bank, "--take-aside").returncode == 1  # nobody has answered yet
    taken = run_main("enroll", "--bank", bank, "--take-aside", "--yes")
    assert taken.returncode == 0, taken.stderr
    assert len(load_bank(bank).references) == 150
    assert files(bank) == ["pump.npz", "pump.npz.before"]
    again = run_main("enroll", "--bank", bank, "--take-aside")
    assert again.returncode == 1
    assert "No windows wait" in again.stderr


def test_yes_learns_at_once(append: Append, bank: Path, faulty_wav: Path) -> None:
    done = append(faulty_wav, "--yes")
    assert done.returncode == 0, done.stderr
    assert len(load_bank(bank).references) == 150
    assert files(bank) == ["pump.npz", "pump.npz.before"]


def test_undo_is_a_way_back_and_forth(append: Append, bank: Path, faulty_wav: Path, run_main: Run) -> None:
    before = bank.read_bytes()
    append(faulty_wav, "--yes")
    after = bank.read_bytes()
    done = run_main("enroll", "--bank", bank, "--undo")
    assert done.returncode == 0, done.stderr
    assert "120 windows" in done.stdout
    assert bank.read_bytes() == before
    assert len(undo(bank).references) == 150
    assert bank.read_bytes() == after
    assert files(bank) == ["pump.npz", "pump.npz.before"]


def test_what_cannot_be_undone_is_said(bank: Path, run_main: Run) -> None:
    with pytest.raises(BankError, match="nothing to undo"):
        undo(bank)
    bank.with_name("pump.npz.before").write_bytes(b"damaged")
    content = bank.read_bytes()
    with pytest.raises(BankError, match="no bank"):
        undo(bank)
    assert bank.read_bytes() == content
    both = run_main("enroll", "--bank", bank, "--undo", "--take-aside")
    assert both.returncode == 1
    assert "one after the other" in both.stderr


def test_who_is_asked_may_say_yes_or_no(short_model: Model, bank: Path, faulty_wav: Path) -> None:
    asked: list[Strangeness] = []

    def no(found: Strangeness) -> bool:
        asked.append(found)
        return False

    settings = EnrollSettings(bank, hop_s=1.0, append=True)
    with pytest.raises(HeldAsideError) as error:
        enroll(FileSource(faulty_wav), short_model, settings, accept=no)
    found = asked[0]
    assert error.value.strangeness == found
    assert found.source == str(faulty_wav)
    earlier, heard = load_bank(bank), load_bank(bank.with_name("pump.npz.aside"))
    threshold = earlier.threshold_at(97.2, _rule(), 1.0).value
    scores = [earlier.scorer().score(_output(row)) for row in heard.references.embeddings]
    assert found.above == sum(score > threshold for score in scores) > 15
    assert found.highest == pytest.approx(max(scores) / threshold)
    report = take_aside(settings, lambda _: True)
    assert (report.added, report.strangeness) == (30, found)


def _rule() -> Any:
    from asd_edge.runtime import AlarmRule

    return AlarmRule()


def _output(row: Any) -> Any:
    from asd_edge.runtime import ModelOutput

    return ModelOutput(row)


def test_interrupting_the_question_keeps_the_windows(short_model: Model, bank: Path, faulty_wav: Path) -> None:
    def interrupted(_: Strangeness) -> bool:
        raise KeyboardInterrupt

    settings = EnrollSettings(bank, hop_s=1.0, append=True)
    with pytest.raises(KeyboardInterrupt):
        enroll(FileSource(faulty_wav), short_model, settings, accept=interrupted)
    assert files(bank) == ["pump.npz", "pump.npz.aside"]


def test_windows_of_two_refusals_wait_together(
    append: Append, bank: Path, faulty_wav: Path, tmp_path: Path, run_main: Run
) -> None:
    append(faulty_wav)
    append(faulty_wav)  # again: the same windows, which are not kept twice
    second = tmp_path / "second"
    second.mkdir()
    soundfile.write(second / "more.wav", soundfile.read(faulty_wav)[0][: 20 * 16_000], 16_000)
    append(second / "more.wav")
    assert len(load_bank(bank.with_name("pump.npz.aside")).references) == 50
    assert run_main("enroll", "--bank", bank, "--take-aside", "--yes").returncode == 0
    assert len(load_bank(bank).references) == 170


@pytest.mark.parametrize(("share", "suspicious"), [(0.0, False), (0.2, True), (1.0, True)])
def test_a_fifth_of_faulty_windows_is_enough(
    short_model_path: Path, learned: Path, other_day_wav: Path, faulty_wav: Path, share: float, suspicious: bool
) -> None:
    """Of 60 windows: normal ones of another day, and the same share of them from the machine with a bad bearing."""
    model, bank = Model(short_model_path, threads=1), load_bank(learned)
    parts = []
    for wav in (other_day_wav, faulty_wav):
        path = learned.with_name(f"{wav.stem}.npz")
        if not path.exists():
            enroll(FileSource(wav), model, EnrollSettings(path, hop_s=1.0))
        parts.append(load_bank(path))
    threshold = bank.threshold_at(97.2, _rule(), 1.0).value
    scores = np.array([bank.scorer().score(_output(row)) for row in parts[1].references.embeddings])
    strange = np.argsort(scores)[::-1][: round(60 * share)]
    assert share == 0.0 or (scores[strange] > threshold).sum() >= 12
    rows = [parts[0].references.embeddings[: 60 - len(strange)], parts[1].references.embeddings[strange]]
    from asd_edge.runtime import Recording, References, Timeline

    embeddings = np.concatenate(rows)
    timeline = Timeline(np.zeros(len(embeddings), np.int32), np.arange(float(len(embeddings))), 1.0)
    references = References(embeddings, timeline, parts[0].references.domains[: len(embeddings)])
    info = replace(bank.info, recordings=(Recording("mixed", "mixed"),))
    found = strangeness(bank, collected(info, references))
    assert found is not None
    assert found.suspicious is suspicious


def test_too_little_sound_judges_nothing(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    """Thirty seconds of a machine do not say what it does a minute later: adding to it is right."""
    path = tmp_path / "bank.npz"
    enroll(FileSource(machine_wav), short_model, EnrollSettings(path, hop_s=1.0, minutes=0.5))
    report = enroll(FileSource(machine_wav), short_model, EnrollSettings(path, hop_s=1.0, append=True))
    assert report.strangeness is not None
    assert report.strangeness.above > 45
    assert not report.strangeness.suspicious


def test_a_power_loss_while_adding_leaves_the_bank_in_use_and_the_windows_beside_it(
    program: Path, short_model_path: Path, bank: Path, other_day_wav: Path, short_model: Model
) -> None:
    content = bank.read_bytes()
    script = (
        "import pathlib; from asd_edge.runtime import *; import asd_edge.runtime.enrolment.heard_windows as e\n"
        "e.SAVE_EVERY_S = 0.5\n"
        f"enroll(FileSource(['{other_day_wav}'], realtime=True), Model('{short_model_path}', threads=1), "
        f"EnrollSettings(pathlib.Path('{bank}'), hop_s=1.0, append=True))"
    )
    process = subprocess.Popen([str(program.with_name("python")), "-c", script])
    heard = bank.with_name("pump.npz.heard")
    deadline = time.monotonic() + 60.0
    while not heard.exists() or len(load_bank(heard).references) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert bank.read_bytes() == content
    kept = len(load_bank(heard).references)
    with logged() as said:
        report = enroll(FileSource(other_day_wav), short_model, EnrollSettings(bank, hop_s=1.0, append=True))
    assert said == [f"An enrolment was cut off: {kept} windows of it will be taken in, too."]
    assert (report.added, report.already_there) == (60, kept)
    assert len(load_bank(bank).references) == 180
    assert files(bank) == ["pump.npz", "pump.npz.before"]


def test_windows_that_were_heard_for_another_bank_are_not_taken_in(
    short_model: Model, bank: Path, other_day_wav: Path, faulty_wav: Path
) -> None:
    other = bank.with_name("pump.npz.heard")
    enroll(FileSource(faulty_wav), short_model, EnrollSettings(bank.with_name("x.npz"), hop_s=1.0, name="another"))
    bank.with_name("x.npz").replace(other)
    time.sleep(1.1)  # the time of a bank's beginning is told by the second
    bank.unlink()
    enroll(FileSource(other_day_wav), short_model, EnrollSettings(bank, hop_s=1.0))
    report = enroll(FileSource(other_day_wav), short_model, EnrollSettings(bank, hop_s=1.0, append=True))
    assert (report.added, report.already_there) == (0, 60)


@pytest.mark.parametrize(("answer", "windows", "code"), [(b"y\n", 150, 0), (b"\n", 120, 1), (b"\x03", 120, 130)])
def test_at_a_terminal_it_asks(
    program: Path, short_model_path: Path, bank: Path, faulty_wav: Path, answer: bytes, windows: int, code: int
) -> None:
    """Yes, no, and Ctrl-C at the question, at a terminal of its own."""
    words = [
        program,
        "enroll",
        "--bank",
        bank,
        "--model",
        short_model_path,
        "--input",
        faulty_wav,
        "--hop",
        "1",
        "--append",
    ]
    ended, shown = at_terminal(words, answer)
    assert ended == code
    assert "Is the machine well?" in shown
    assert len(load_bank(bank).references) == windows
    assert bank.with_name("pump.npz.aside").exists() is (windows == 120)
