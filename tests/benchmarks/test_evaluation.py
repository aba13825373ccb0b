"""Quality: the measures of DCASE Task 2 on made machines whose results can be worked out by hand, and on real ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asd_edge.benchmarks.evaluation import evaluate
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import Model

RATE_HZ = 16_000
WORST_PAUC = 0.5 * (1.0 - 0.005 / 0.095)
"""No anomaly above the tenth of normal clips that scores highest: an area of 0, standardised."""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


class MadeMachine:
    """Writes clips of two seconds: noise that is normal, and a tone that is not."""

    def __init__(self, folder: Path, name: str, train: int = 6) -> None:
        self.folder = folder / name
        self.rng = np.random.default_rng(len(name))
        self.index = 0
        for _ in range(train):
            self.clip("source", "train", "normal")

    def clip(self, domain: str, split: str, label: str, tone: float = 0.0, section: int = 0) -> Path:
        """Tone of this amplitude in the second second."""
        t = np.arange(RATE_HZ) / RATE_HZ
        samples = 0.05 * self.rng.standard_normal(2 * RATE_HZ)
        samples[RATE_HZ:] += tone * np.sin(2 * np.pi * 1000.0 * t)
        return self.write(samples, domain, split, label, section)

    def write(self, samples: Any, domain: str, split: str, label: str, section: int = 0) -> Path:
        name = f"section_{section:02d}_{domain}_{split}_{label}_{self.index:04d}_noAttribute.wav"
        self.index += 1
        path = self.folder / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, RATE_HZ)
        return path


@pytest.fixture
def two_machines(tmp_path: Path) -> Path:
    """One whose fault is obvious, and one whose target domain sounds worse than its fault."""
    folder = tmp_path / "data"
    fan, pump = MadeMachine(folder, "fan"), MadeMachine(folder, "pump")
    for _ in range(4):
        fan.clip("source", "test", "normal")
        fan.clip("source", "test", "anomaly", tone=0.2)
        pump.clip("source", "test", "normal")
        pump.clip("target", "test", "normal", tone=0.8)
        pump.clip("source", "test", "anomaly", tone=0.05)
    return folder


def test_an_obvious_fault_is_found(two_machines: Path, short_model: Model) -> None:
    """Also where only one window of a clip holds it: the largest score of a clip's windows counts."""
    fan = evaluate(two_machines, short_model).machines["fan"]
    assert (fan.train_clips, fan.normal_clips, fan.anomaly_clips, fan.not_scored) == (6, 4, 4, 0)
    assert (fan.auc_source, fan.auc_target, fan.pauc, fan.harmonic_mean) == (1.0, None, 1.0, 1.0)
    assert fan.recall == 1.0
    assert fan.loudness_auc == 1.0


def test_a_domains_normal_clips_stand_against_all_anomalies(two_machines: Path, short_model: Model) -> None:
    evaluation = evaluate(two_machines, short_model)
    pump = evaluation.machines["pump"]
    assert (pump.auc_source, pump.auc_target) == (1.0, 0.0)
    assert pump.pauc == pytest.approx(WORST_PAUC)
    assert pump.loudness_auc == 0.5
    # One area is 0, so every harmonic mean over it is.
    assert pump.harmonic_mean == evaluation.official_score == 0.0


def test_omega_is_the_harmonic_mean_of_all_areas(tmp_path: Path, short_model: Model) -> None:
    """Not the mean of the machines' means: the machine with two domains counts with three areas."""
    first, second = MadeMachine(tmp_path, "fan"), MadeMachine(tmp_path, "pump")
    for machine in (first, second):
        machine.clip("source", "test", "normal")
        machine.clip("source", "test", "anomaly", tone=0.1)
        machine.clip("source", "test", "anomaly", tone=0.4)
    # Between the two anomalies: an area of one half.
    second.clip("target", "test", "normal", tone=0.2)
    evaluation = evaluate(tmp_path, short_model)
    pump = evaluation.machines["pump"]
    assert (pump.auc_source, pump.auc_target) == (1.0, 0.5)
    # Half of the anomalies lie above all normal clips: true positives of 0.5 all along the strip up to 0.1.
    assert pump.pauc == pytest.approx(0.5 * (1.0 + (0.05 - 0.005) / 0.095))
    areas = [1.0, 1.0, 1.0, 0.5, pump.pauc]
    assert evaluation.official_score == pytest.approx(len(areas) / sum(1.0 / area for area in areas))


def test_precision_recall_and_f1_are_those_of_the_banks_threshold(two_machines: Path, short_model: Model) -> None:
    pump = evaluate(two_machines, short_model).machines["pump"]
    # All anomalies are detected, and so are all normal clips of the target domain; of the source domain some may be.
    false_positives = 4.0 / pump.precision - 4.0
    assert pump.recall == 1.0
    assert false_positives == pytest.approx(round(false_positives))
    assert 4 <= round(false_positives) <= 8
    assert pump.f1 == pytest.approx(2.0 * pump.precision / (pump.precision + 1.0))


def test_a_clip_in_which_the_sensor_did_not_work_is_counted_apart(two_machines: Path, short_model: Model) -> None:
    silent = MadeMachine(two_machines, "fan", train=0)
    silent.index = 100
    silent.write(np.zeros(2 * RATE_HZ), "source", "test", "normal")
    told: list[str] = []
    evaluation = evaluate(two_machines, short_model, tell=told.append)
    assert evaluation.machines["fan"].not_scored == 1
    assert evaluation.machines["fan"].normal_clips == 4
    assert "fan: 1 clips not scored, because the sensor did not work in them" in told


def test_bad_data_is_refused_before_the_work_begins(tmp_path: Path, short_model: Model) -> None:
    good = MadeMachine(tmp_path, "fan")
    good.clip("source", "test", "normal")
    good.clip("source", "test", "anomaly", tone=0.2)
    one_sided = MadeMachine(tmp_path, "pump")
    one_sided.clip("source", "test", "normal")
    told: list[str] = []
    with pytest.raises(InputError, match="do not tell normal from anomalous") as caught:
        evaluate(tmp_path, short_model, told.append, told.append)
    assert caught.value.got == "pump: 1 normal and 0 anomalous clips that can be scored"
    one_sided.clip("source", "test", "anomaly", tone=0.2, section=1)
    with pytest.raises(InputError, match="several sections") as caught:
        evaluate(tmp_path, short_model, told.append, told.append)
    assert caught.value.got == "pump: sections 00, 01"
    assert told == []


def test_too_few_training_clips_are_refused(tmp_path: Path, short_model: Model) -> None:
    machine = MadeMachine(tmp_path, "fan", train=4)
    machine.clip("source", "test", "normal")
    machine.clip("source", "test", "anomaly", tone=0.2)
    with pytest.raises(InputError, match="too few training clips") as caught:
        evaluate(tmp_path, short_model)
    assert caught.value.got == "fan: 8 windows of 1 s"


def test_the_command_prints_a_table(two_machines: Path, short_model_path: Path, run: Run) -> None:
    done = run("evaluate", two_machines, "--model", short_model_path, "--threads", 1)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["machine", "train", "test", "source", "target", "pAUC", "mean", "prec.", "recall", "F1", "AUC"] in rows
    fan = next(row for row in rows if row[:1] == ["fan"])
    assert fan[:7] == ["fan", "6", "4+4", "1.000", "-", "1.000", "1.000"]
    assert rows[-1] == ["Ω", "0.000"]
    assert "fan: 6 clips enrolled, 8 scored" in done.stderr


def test_the_command_prints_one_json_object(two_machines: Path, short_model_path: Path, run: Run) -> None:
    done = run("evaluate", two_machines, "--model", short_model_path, "--json")
    values = json.loads(done.stdout)
    assert values["official_score"] == 0.0
    assert list(values["machines"]) == ["fan", "pump"]
    assert values["machines"]["fan"]["auc_source"] == 1.0
    assert values["machines"]["fan"]["auc_target"] is None
    assert values["machines"]["pump"]["pauc"] == pytest.approx(WORST_PAUC)


def test_the_command_refuses_a_missing_folder(tmp_path: Path, run: Run) -> None:
    done = run("evaluate", tmp_path / "missing")
    assert done.returncode == 1
    assert "There is no folder of recordings" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.machines
def test_a_broken_propeller_is_heard(machines: Path) -> None:
    """On the one set of real recordings that methods can be compared on, and where loudness does not suffice."""
    evaluation = evaluate(machines, Model(threads=1))
    drone = evaluation.machines["drone"]
    assert drone.harmonic_mean > 0.9
    assert drone.loudness_auc < 0.8
    assert evaluation.official_score > 0.9
