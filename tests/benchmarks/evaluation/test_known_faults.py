"""`evaluate --bank`: which of the faults that people confirmed a bank would find today."""

from __future__ import annotations

from pathlib import Path

from program import Run
from simulated_sound import write_simulated

from asd_edge.calibration.csv_text import read_csv
from asd_edge.runtime import (
    EnrollSettings,
    FeedbackSettings,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    SimulatedMachine,
    enroll,
    feedback,
    listen,
    load_bank,
)


def test_known_faults_are_scored_by_the_bank_as_it_is(
    tmp_path: Path, short_model: Model, machine_wav: Path, run_main: Run
) -> None:
    bank, strange = tmp_path / "pump.npz", write_simulated(tmp_path / "strange.wav", SimulatedMachine(30.0, seed=7))
    enroll(FileSource(machine_wav), short_model, EnrollSettings(bank, hop_s=1.0))
    none = run_main("evaluate", "--bank", bank, "--output", tmp_path / "none")
    assert "0 of 0 known faults" in none.stdout
    list(listen([Machine(FileSource(strange), short_model, load_bank(bank), ListenSettings(1.0), "", bank)]))
    feedback(FeedbackSettings(bank, 1, fault=True, note="=bearing"))
    done = run_main("evaluate", "--bank", bank, "--output", tmp_path / "now")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 known fault would be found" in done.stdout
    heads, row = read_csv(tmp_path / "now" / "known_faults.csv")
    values = dict(zip(heads, row, strict=True))
    assert (values["alarm"], values["note"], values["found"]) == ("1", "=bearing", "yes")
    assert float(values["highest"]) > float(values["threshold"])
    enroll(FileSource(strange), short_model, EnrollSettings(bank, hop_s=1.0, append=True, yes=True))
    later = run_main("evaluate", "--bank", bank, "--output", tmp_path / "later")
    assert "0 of 1 known fault would be found" in later.stdout
    both = run_main("evaluate", tmp_path, "--bank", bank, "--output", tmp_path / "both")
    assert both.returncode == 1
    assert "known faults" in both.stderr
