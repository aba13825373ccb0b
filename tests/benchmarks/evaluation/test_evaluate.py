"""Quality: the measures of DCASE Task 2 on made machines whose results can be worked out by hand, and on real ones."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from logged import logged
from overflowing_model import LOUD, write_overflowing_model
from program import Run
from scipy import stats

from asd_edge.benchmarks import EvaluatedModels, EvaluateSettings, Evaluation, evaluate
from asd_edge.calibration.dcase.measures import Measures
from asd_edge.calibration.errors import InputError, SoundError
from asd_edge.runtime import Model, Score, load_bank, score_files

RATE_HZ = 16_000
WORST_PAUC = 0.5 * (1.0 - 0.005 / 0.095)
"""No anomaly above the tenth of normal clips that scores highest: an area of 0, standardised."""


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


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "results"


def measures(evaluation: Evaluation, machine: str) -> Measures:
    found = evaluation.machines[machine].measures
    assert found is not None
    return found


def test_an_obvious_fault_is_found(two_machines: Path, short_model: Model, output: Path) -> None:
    """Also where only one window of a clip holds it: the largest score of a clip's windows counts."""
    (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    fan = evaluation.machines["fan"]
    assert (fan.train_clips, fan.count("normal"), fan.count("anomaly"), fan.not_scored) == (6, 4, 4, ())
    found = measures(evaluation, "fan")
    assert (found.auc_source, found.auc_target, found.pauc, found.recall_source) == (1.0, None, 1.0, 1.0)
    assert fan.loudness is not None
    assert fan.loudness.auc == 1.0


def test_a_domains_normal_clips_stand_against_all_anomalies(
    two_machines: Path, short_model: Model, output: Path
) -> None:
    (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    pump = measures(evaluation, "pump")
    assert (pump.auc_source, pump.auc_target) == (1.0, 0.0)
    assert pump.pauc == pytest.approx(WORST_PAUC)
    assert evaluation.loudness["pump"].auc == 0.5
    # One area is 0, so every harmonic mean over it is.
    assert evaluation.official_score == 0.0


def test_decisions_are_those_of_the_banks_threshold(two_machines: Path, short_model: Model, output: Path) -> None:
    (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    pump = measures(evaluation, "pump")
    # All anomalies are detected and lie in the source domain; and so are all normal clips of the target domain.
    assert (pump.recall_source, pump.precision_target, pump.recall_target, pump.f1_target) == (1.0, 0.0, 0.0, 0.0)
    result = evaluation.machines["pump"]
    assert all(clip.detected == (clip.score > result.threshold) for clip in result.clips)


def test_a_clip_of_two_windows_is_decided_by_a_threshold_for_clips(
    tmp_path: Path, short_model: Model, output: Path
) -> None:
    """One normal clip in ten is anomalous; by the threshold of windows, of which each has two, it would be more."""
    fan = MadeMachine(tmp_path / "data", "fan", train=40)
    for _ in range(40):
        fan.clip("source", "test", "normal")
    fan.clip("source", "test", "anomaly", tone=0.8)
    (evaluation,) = evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    found = evaluation.machines["fan"]
    bank = load_bank(output / "banks" / "fan.npz")
    shape, _, scale = stats.gamma.fit(bank.normal_scores.reshape(40, 2).max(axis=1), floc=0)
    assert found.threshold == pytest.approx(stats.gamma.ppf(0.9, shape, scale=scale), rel=1e-6)
    assert [clip.detected for clip in found.clips] == [clip.score > found.threshold for clip in found.clips]
    normal = [clip for clip in found.clips if clip.label == "normal"]
    assert bank.info.threshold is not None
    assert sum(clip.score > bank.info.threshold for clip in normal) > sum(clip.detected for clip in normal)


def test_what_is_evaluated_is_what_runs(two_machines: Path, short_model: Model, output: Path) -> None:
    """The bank that is kept gives the very scores, through the functions that score on the device."""
    (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    fan = evaluation.machines["fan"]
    paths = [two_machines / "fan" / "test" / clip.name for clip in fan.clips]
    largest: dict[str, float] = {}
    for item in score_files(paths, short_model, load_bank(output / "banks" / "fan.npz")):
        assert isinstance(item, Score)
        largest[Path(item.source).name] = max(item.score, largest.get(Path(item.source).name, 0.0))
    assert largest == {clip.name: clip.score for clip in fan.clips}


def test_scorers_stand_side_by_side(two_machines: Path, short_model: Model, output: Path) -> None:
    """Each as if it had been alone."""
    both = evaluate(EvaluateSettings(output, two_machines, scorers=("mahalanobis", "nearest")), short_model)
    assert [each.method for each in both] == ["mahalanobis", "nearest"]
    for each in both:
        alone = output.with_name(f"{each.method} alone")
        assert evaluate(EvaluateSettings(alone, two_machines, scorers=(each.method,)), short_model) == (each,)
        assert (output / each.method / "results.json").read_text() == (alone / "results.json").read_text()
        assert load_bank(output / each.method / "banks" / "fan.npz").info.scorer == each.method
    assert sorted(path.name for path in output.iterdir()) == ["mahalanobis", "nearest", "report.html"]


def test_the_files_say_what_was_found(two_machines: Path, short_model: Model, output: Path) -> None:
    (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    results = json.loads((output / "results.json").read_text())
    assert results["official_score"] == 0.0
    assert list(results["machines"]) == ["fan", "pump"]
    fan, pump = results["machines"]["fan"], results["machines"]["pump"]
    assert (fan["auc_source"], fan["auc_target"], fan["loudness_auc"]) == (1.0, None, 1.0)
    assert pump["pauc"] == pytest.approx(WORST_PAUC)
    assert (pump["train_clips"], pump["normal_clips"], pump["anomaly_clips"], pump["unlabelled_clips"]) == (6, 8, 4, 0)
    assert (pump["f1_target"], results["harmonic_means"]["auc_source"]) == (0.0, 1.0)
    assert results["short_clips"] == "repeated to fill the window"
    assert results["long_clips"] == "cut into windows, of which the largest score counts"
    clips = evaluation.machines["fan"].clips
    scores = list(csv.reader((output / "anomaly_score_fan_section_00_test.csv").read_text().splitlines()))
    assert [(name, float(score)) for name, score in scores] == [(clip.name, clip.score) for clip in clips]
    decisions = list(csv.reader((output / "decision_result_fan_section_00_test.csv").read_text().splitlines()))
    assert [(name, int(flag)) for name, flag in decisions] == [(clip.name, clip.detected) for clip in clips]
    assert ["official score", "", "0.0"] in list(csv.reader((output / "result.csv").read_text().splitlines()))
    assert not list(output.rglob(".*"))


def test_the_page_opens_offline_and_holds_every_method(two_machines: Path, short_model: Model, output: Path) -> None:
    evaluate(EvaluateSettings(output, two_machines, scorers=("nearest", "mahalanobis")), short_model)
    page = (output / "report.html").read_text()
    assert "http" not in page
    # A histogram and a ROC curve for each of two machines and two methods.
    assert page.count('aria-label="Histogram of anomaly scores"') == 4
    assert page.count('aria-label="Receiver operating characteristic"') == 4
    # Loudness in the overview and in each machine's table, and its curve beside each method.
    assert page.count("<th>loudness alone</th>") == 3
    assert page.count('class="roc roc-loudness"') == 4
    # Where there is no target domain, there is no curve of it.
    assert page.count('class="roc roc-target"') == 2


def test_without_matplotlib_the_page_has_its_numbers_and_says_how_to_get_charts(
    two_machines: Path, short_model: Model, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    evaluate(EvaluateSettings(output, two_machines), short_model)
    page = (output / "report.html").read_text()
    assert "<svg" not in page
    assert "<th>loudness alone</th>" in page
    assert "pip install &#39;asd-edge[measure]&#39;" in page


def test_names_are_shown_and_not_obeyed(two_machines: Path, short_model: Model, output: Path) -> None:
    (two_machines / "fan").rename(two_machines / "fan & <b>")
    evaluate(EvaluateSettings(output, two_machines), short_model)
    page = (output / "report.html").read_text()
    assert "<h2>fan &amp; &lt;b&gt;</h2>" in page
    assert "<b>" not in page.replace("<b>0", "").replace("<b>1", "").replace("<b>nearest", "")


def test_a_set_without_labels_is_scored_and_not_measured(tmp_path: Path, short_model: Model, output: Path) -> None:
    machine = MadeMachine(tmp_path / "data", "fan")
    for tone in (0.0, 0.2):
        path = machine.clip("source", "test", "normal", tone)
        path.rename(path.with_name(f"section_00_{machine.index:04d}.wav"))
    (evaluation,) = evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    assert (evaluation.official_score, evaluation.measures) == (None, {})
    rows = (output / "anomaly_score_fan_section_00_test.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["section_00_0007.wav", "section_00_0008.wav"]
    results = json.loads((output / "results.json").read_text())
    assert (results["official_score"], results["machines"]["fan"]["auc_source"]) == (None, None)
    assert results["machines"]["fan"]["unlabelled_clips"] == 2
    assert not (output / "result.csv").exists()
    page = (output / "report.html").read_text()
    assert "no measure is possible" in page
    assert "without a label" in page
    assert "source domain" not in page


def test_sections_are_machines_of_their_own(tmp_path: Path, short_model: Model, output: Path) -> None:
    machine = MadeMachine(tmp_path / "data", "fan", train=0)
    for section in (0, 1):
        for _ in range(6):
            machine.clip("source", "train", "normal", section=section)
        machine.clip("source", "test", "normal", section=section)
        machine.clip("source", "test", "anomaly", tone=0.2, section=section)
    (evaluation,) = evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    assert list(evaluation.machines) == ["fan_00", "fan_01"]
    assert (output / "banks" / "fan_01.npz").is_file()
    assert (output / "anomaly_score_fan_section_01_test.csv").is_file()


def test_each_machine_may_have_a_model_of_its_own(
    two_machines: Path, short_model: Model, short_model_path: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "fan.onnx").write_bytes(short_model_path.read_bytes())
    with pytest.raises(InputError, match="no model for this machine") as caught:
        evaluate(EvaluateSettings(tmp_path / "apart", two_machines), EvaluatedModels(str(models)))
    assert (caught.value.got, caught.value.valid) == ("pump", "one for each machine; there are: fan")
    (models / "pump.onnx").write_bytes(short_model_path.read_bytes())
    (apart,) = evaluate(EvaluateSettings(tmp_path / "apart", two_machines), EvaluatedModels(str(models), threads=1))
    (one,) = evaluate(EvaluateSettings(tmp_path / "one", two_machines), short_model)
    assert apart.machines == one.machines
    assert apart.settings["model"] == "logmel, one for each machine"


def test_only_the_first_window_of_a_long_clip_counts_on_request(
    tmp_path: Path, short_model: Model, output: Path
) -> None:
    """The tone is in the second window: with the first alone, nobody can hear it."""
    machine = MadeMachine(tmp_path / "data", "fan", train=12)
    quiet = 0.05 * machine.rng.standard_normal(2 * RATE_HZ)
    loud = quiet.copy()
    loud[RATE_HZ:] += 0.3 * np.sin(np.arange(RATE_HZ))
    machine.write(quiet, "source", "test", "normal")
    machine.write(loud, "source", "test", "anomaly")
    (evaluation,) = evaluate(EvaluateSettings(output, tmp_path / "data", long="first"), short_model)
    normal, anomaly = (clip.score for clip in evaluation.machines["fan"].clips)
    assert normal == anomaly
    assert load_bank(output / "banks" / "fan.npz").independent_windows == 12
    assert evaluation.settings["long_clips"] == "only the first window counts"


def test_a_clip_in_which_the_sensor_did_not_work_is_counted_apart(
    two_machines: Path, short_model: Model, output: Path
) -> None:
    silent = MadeMachine(two_machines, "fan", train=0)
    silent.index = 100
    path = silent.write(np.zeros(2 * RATE_HZ), "source", "test", "normal")
    with logged() as told:
        (evaluation,) = evaluate(EvaluateSettings(output, two_machines), short_model)
    assert evaluation.machines["fan"].not_scored == (path.name,)
    assert evaluation.machines["fan"].count("normal") == 4
    assert "fan: 1 clips not scored, because the sensor did not work in them" in told


def test_what_was_found_is_told(two_machines: Path, short_model: Model, output: Path) -> None:
    with logged() as told:
        evaluate(EvaluateSettings(output, two_machines), short_model)
    assert told == [
        "fan: 6 train (6 source normal), 8 test (4 source anomaly, 4 source normal)\n"
        "  2.0 s, 1 channel, 16000 Hz; attributes: none\n"
        "pump: 6 train (6 source normal), 12 test (4 source anomaly, 4 source normal, 4 target normal)\n"
        "  2.0 s, 1 channel, 16000 Hz; attributes: none",
        "fan: 6 clips enrolled, 8 scored",
        "pump: 6 clips enrolled, 12 scored",
    ]


def test_a_damaged_clip_is_named_or_left_out_and_counted(two_machines: Path, short_model: Model, output: Path) -> None:
    damaged = sorted((two_machines / "fan" / "test").iterdir())[2]
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(SoundError, match="is truncated") as caught:
        evaluate(EvaluateSettings(output, two_machines), short_model)
    assert caught.value.got == str(damaged)
    assert caught.value.next_step.endswith("--skip-damaged")
    assert not output.exists()
    with logged() as told:
        (evaluation,) = evaluate(EvaluateSettings(output, two_machines, skip_damaged=True), short_model)
    assert len(evaluation.machines["fan"].clips) == 7
    assert evaluation.machines["fan"].not_scored == (damaged.name,)
    assert str(damaged) in told[0]
    assert told[1] == "fan: 1 of 14 clips left out, because they cannot be used"


def test_bad_data_is_refused_before_the_work_begins(tmp_path: Path, short_model: Model, output: Path) -> None:
    good = MadeMachine(tmp_path / "data", "fan")
    good.clip("source", "test", "normal")
    good.clip("source", "test", "anomaly", tone=0.2)
    one_sided = MadeMachine(tmp_path / "data", "pump")
    one_sided.clip("source", "test", "normal")
    with logged() as told, pytest.raises(InputError, match="do not tell normal from anomalous") as caught:
        evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    assert caught.value.got == "pump: 1 normal and 0 anomalous clips that can be scored"
    silent = one_sided.clip("source", "test", "normal")
    silent = silent.rename(silent.with_name("section_00_0009.wav"))
    with pytest.raises(InputError, match="this one has none") as caught:
        evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    assert caught.value.got == str(silent)
    assert told == []
    assert not output.exists()


def test_too_few_training_clips_are_refused_with_nothing_left_behind(
    tmp_path: Path, short_model: Model, output: Path
) -> None:
    machine = MadeMachine(tmp_path / "data", "fan", train=4)
    machine.clip("source", "test", "normal")
    machine.clip("source", "test", "anomaly", tone=0.2)
    with pytest.raises(InputError, match="too few training clips") as caught:
        evaluate(EvaluateSettings(output, tmp_path / "data"), short_model)
    assert caught.value.got == "fan: 8 windows of 1 s"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_ctrl_c_leaves_nothing_behind(two_machines: Path, short_model: Model, output: Path) -> None:
    """Also while a bank is enrolled, which by itself would keep what it has heard."""

    def interrupt(now: str) -> None:
        if "pump" in now and "enrolled" in now and "0 of" not in now:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(EvaluateSettings(output, two_machines), short_model, progress=interrupt)
    assert list(output.parent.iterdir()) == [two_machines]


def test_old_results_are_not_overwritten(two_machines: Path, short_model: Model, output: Path) -> None:
    output.mkdir()
    (output / "results.json").write_text("old")
    with pytest.raises(InputError, match="something at the output path"):
        evaluate(EvaluateSettings(output, two_machines), short_model)
    assert (output / "results.json").read_text() == "old"


@pytest.mark.parametrize("setting", ["short", "long"])
def test_an_unknown_treatment_of_clips_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match="no such treatment") as caught:
        EvaluateSettings("out", "data", **{setting: "pad"})
    assert caught.value.got == f"--{setting} pad"


def test_the_command_prints_tables(two_machines: Path, short_model_path: Path, run_main: Run, output: Path) -> None:
    done = run_main("evaluate", two_machines, "--output", output, "--model", short_model_path, "--threads", 1)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["method", "metric", "fan", "pump"] in rows
    assert ["nearest", "AUC", "(src)", "1.000", "1.000"] in rows
    assert ["AUC", "(tgt)", "-", "0.000"] in rows
    assert ["loudness", "alone", "AUC", "(src)", "1.000", "1.000"] in rows
    assert ["method", "Ω", "Ω", "pooled"] in rows
    assert "longer: cut into windows, of which the largest score counts" in done.stdout
    assert "fan: 6 clips enrolled, 8 scored" in done.stderr


def test_the_command_evaluates_scores(two_machines: Path, short_model: Model, run_main: Run, tmp_path: Path) -> None:
    """Handed in, they measure the same as when they were made."""
    (evaluation,) = evaluate(EvaluateSettings(tmp_path / "made", two_machines), short_model)
    for name, flag in (("data", "label"), ("domain", "domain")):
        folder = tmp_path / "truth" / f"ground_truth_{name}"
        folder.mkdir(parents=True)
        for machine, found in evaluation.machines.items():
            rows = [f"{clip.name},{int(getattr(clip, flag) in {'anomaly', 'target'})}\n" for clip in found.clips]
            (folder / f"ground_truth_{machine}_section_00_test.csv").write_text("".join(rows))
    again = ("--scores", tmp_path / "made", "--ground-truth", tmp_path / "truth", "--output", tmp_path / "again")
    done = run_main("evaluate", *again)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "result.csv").read_text() == (tmp_path / "made" / "result.csv").read_text()
    made, found = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("made", "again"))
    assert found["machines"]["pump"]["auc_target"] == made["machines"]["pump"]["auc_target"] == 0.0
    assert found["machines"]["pump"]["loudness_auc"] is None
    assert "<th>loudness alone</th>" not in (tmp_path / "again" / "report.html").read_text()


@pytest.mark.parametrize("given", [(), ("--scores", "a"), ("data", "--scores", "a", "--ground-truth", "b")])
def test_the_command_takes_recordings_or_scores(tmp_path: Path, run_main: Run, given: tuple[str, ...]) -> None:
    done = run_main("evaluate", *given, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "either recordings, or scores with their ground truth" in done.stderr


def test_the_command_refuses_a_missing_folder(tmp_path: Path, run_main: Run) -> None:
    done = run_main("evaluate", tmp_path / "missing", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "There is no folder of recordings" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture
def loud_machine(tmp_path: Path) -> Path:
    """Clips of a machine, of which a model in half precision makes nothing where they are loud."""
    fan = MadeMachine(tmp_path / "data", "fan", train=8)
    for _ in range(3):
        fan.clip("source", "test", "normal")
        fan.clip("source", "test", "anomaly", tone=0.2)
    loud = np.append(0.05 * fan.rng.standard_normal(RATE_HZ), (LOUD + 0.1) * np.sign(fan.rng.standard_normal(RATE_HZ)))
    fan.write(loud, "source", "test", "anomaly")
    fan.write(loud, "source", "train", "normal")
    return tmp_path / "data"


def test_clips_of_which_the_model_makes_no_number_are_told_and_not_ranked(
    loud_machine: Path, tmp_path: Path, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Model(write_overflowing_model(tmp_path / "half.onnx"), threads=1)
    (evaluation,) = evaluate(EvaluateSettings(output, loud_machine), model)
    fan = evaluation.machines["fan"]
    assert (fan.count("normal"), fan.count("anomaly")) == (3, 3)
    assert fan.not_scored == ("section_00_source_test_anomaly_0014_noAttribute.wav",)
    assert "0014_noAttribute.wav is not scored by nearest: the model's embedding is infinite" in caplog.text
    assert "not enrolled: 1 x the model's embedding is infinite" in caplog.text
    (scores,) = output.glob("anomaly_score_*.csv")
    rows = list(csv.reader(scores.read_text().splitlines()))
    assert len(rows) == 6
    assert all(np.isfinite(float(score)) for _, score in rows)
    json.loads((output / "results.json").read_text(), parse_constant=pytest.fail)


def test_a_machine_of_which_the_model_makes_no_number_at_all_is_refused(tmp_path: Path, output: Path) -> None:
    fan = MadeMachine(tmp_path / "data", "fan", train=8)
    for label in ("normal", "anomaly"):
        fan.write((LOUD + 0.1) * np.sign(fan.rng.standard_normal(2 * RATE_HZ)), "source", "test", label)
    model = Model(write_overflowing_model(tmp_path / "half.onnx"), threads=1)
    with pytest.raises(InputError, match="None of the machine's test clips can be scored"):
        evaluate(EvaluateSettings(output, tmp_path / "data"), model)
    assert not output.exists()


@pytest.mark.machines
def test_a_broken_propeller_is_heard(machines: Path, output: Path) -> None:
    """On the one set of real recordings that methods can be compared on, and where loudness does not suffice."""
    (evaluation,) = evaluate(EvaluateSettings(output, machines), Model(threads=1))
    assert min(measures(evaluation, "drone").areas) > 0.9
    assert evaluation.loudness["drone"].auc < 0.8
    assert evaluation.official_score is not None
    assert evaluation.official_score > 0.9
