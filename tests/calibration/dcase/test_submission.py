"""The challenge's files: what is read, what is refused, and the official evaluator's own output."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from asd_edge.calibration.dcase.measures import ScoredClip
from asd_edge.calibration.dcase.result_table import result_table
from asd_edge.calibration.dcase.submission import read_scored, write_scores
from asd_edge.calibration.errors import InputError

FAN = "fan_section_00_test.csv"


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """Scores of one machine with four clips, and their ground truth."""
    files = {
        f"truth/ground_truth_data/ground_truth_{FAN}": "a.wav,0\nb.wav,1\nc.wav,0\nd.wav,1\n",
        f"truth/ground_truth_domain/ground_truth_{FAN}": "d.wav,1\nc.wav,1\nb.wav,0\na.wav,0\n",
        f"truth/ground_truth_attributes/ground_truth_{FAN}": "a.wav,a_vel_6\nb.wav,b_noAttribute,b_vel_7\n",
        f"scores/anomaly_score_{FAN}": "b_vel_7.wav,3.5\na_vel_6.wav,-1e-3\nc.wav,2\nd.wav,4\n",
        f"scores/decision_result_{FAN}": "a.wav,0\nb_noAttribute.wav,1\nc.wav,1\nd.wav,0\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_scores_meet_their_ground_truth_under_any_of_their_names(challenge: Path) -> None:
    assert read_scored(challenge / "scores", challenge / "truth") == {
        ("fan", "section_00"): (
            ScoredClip("a.wav", "source", "normal", -0.001, False),
            ScoredClip("b.wav", "source", "anomaly", 3.5, True),
            ScoredClip("c.wav", "target", "normal", 2.0, True),
            ScoredClip("d.wav", "target", "anomaly", 4.0, False),
        )
    }


def test_attributes_may_be_missing(challenge: Path) -> None:
    for path in (challenge / "truth/ground_truth_attributes").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="not in the ground truth") as caught:
        read_scored(challenge / "scores", challenge / "truth")
    assert caught.value.got.endswith("b_vel_7.wav")
    for kind in ("anomaly_score", "decision_result"):
        (challenge / f"scores/{kind}_{FAN}").write_text("a.wav,0\nb.wav,1\nc.wav,0\nd.wav,1\n")
    assert len(read_scored(challenge / "scores", challenge / "truth")) == 1


@pytest.mark.parametrize(
    ("name", "text", "what", "got"),
    [
        ("scores/anomaly_score", "a.wav,0\nb.wav,1\nc.wav,0\n", "of the ground truth is missing", "d.wav"),
        ("scores/anomaly_score", "a.wav,0\nb.wav,1\nc.wav,0\nd.wav,1\ne.wav,1\n", "not in the ground truth", "e.wav"),
        ("scores/anomaly_score", "a.wav,0\nb.wav,1\nc.wav,0\nd.wav,1\na.wav,1\n", "there twice", "a.wav"),
        ("scores/anomaly_score", "a.wav,0\nb.wav,1\nc.wav,0\na_vel_6.wav,1\n", "there twice", "a_vel_6.wav"),
        ("scores/anomaly_score", "a.wav,nan\n", "not a number", "a.wav,nan"),
        ("scores/anomaly_score", "a.wav,inf\n", "not a number", "a.wav,inf"),
        ("scores/anomaly_score", "a.wav,high\n", "not a number", "a.wav,high"),
        ("scores/anomaly_score", "file,score\na.wav,1\n", "not a number", "file,score"),
        ("scores/anomaly_score", "a.wav\n", "two cells", "a.wav"),
        ("scores/anomaly_score", "a.wav\t1\n", "two cells", "a.wav\t1"),
        ("scores/anomaly_score", "", "of the ground truth is missing", "a.wav"),
        ("scores/decision_result", "a.wav,2\n", "neither 0 nor 1", "a.wav,2"),
        ("truth/ground_truth_domain/ground_truth", "a.wav,0\n", "of the ground truth is missing", "b.wav"),
        ("truth/ground_truth_data/ground_truth", "a.wav,0.5\n", "neither 0 nor 1", "a.wav,0.5"),
    ],
)
def test_bad_files_are_refused_by_name(challenge: Path, name: str, text: str, what: str, got: str) -> None:
    path = challenge / f"{name}_{FAN}"
    path.write_text(text)
    with pytest.raises(InputError, match=what) as caught:
        read_scored(challenge / "scores", challenge / "truth")
    assert caught.value.got == f"{path}: {got}"


def test_missing_and_unknown_machines_are_refused(challenge: Path) -> None:
    extra = challenge / f"scores/anomaly_score_pump_{FAN.removeprefix('fan_')}"
    extra.write_text("a.wav,1\n")
    with pytest.raises(InputError, match="does not know") as caught:
        read_scored(challenge / "scores", challenge / "truth")
    assert (caught.value.got, caught.value.valid) == (str(extra), "fan section_00")
    extra.unlink()
    (challenge / f"scores/decision_result_{FAN}").unlink()
    with pytest.raises(InputError, match="is missing") as caught:
        read_scored(challenge / "scores", challenge / "truth")
    assert caught.value.got == str(challenge / f"scores/decision_result_{FAN}")
    with pytest.raises(InputError, match=r"no files ground_truth_\.\.\.") as caught:
        read_scored(challenge / "scores", challenge)
    assert caught.value.valid == "files such as ground_truth_fan_section_00_test.csv"
    with pytest.raises(InputError, match=r"no files anomaly_score_\.\.\."):
        read_scored(challenge / "truth", challenge / "truth")


def test_what_is_written_is_read_back(challenge: Path) -> None:
    ((key, clips),) = read_scored(challenge / "scores", challenge / "truth").items()
    written = challenge / "written"
    written.mkdir()
    write_scores(written, key, clips)
    assert (written / f"anomaly_score_{FAN}").read_text() == "a.wav,-0.001\nb.wav,3.5\nc.wav,2.0\nd.wav,4.0\n"
    assert (written / f"decision_result_{FAN}").read_text() == "a.wav,0\nb.wav,1\nc.wav,1\nd.wav,0\n"
    assert read_scored(written, challenge / "truth") == {key: clips}


def test_the_result_table_by_hand(challenge: Path) -> None:
    """Of two sections with the same four clips: normal at -0.001 and 2, anomalies at 3.5 and 4."""
    clips = read_scored(challenge / "scores", challenge / "truth")["fan", "section_00"]
    rows = list(csv.reader(result_table({("fan", "section_00"): clips, ("fan", "section_02"): clips}).splitlines()))
    assert rows[0] == ["fan"]
    assert rows[1][:3] == ["section", "AUC (all)", "AUC (source)"]
    # b is found, a is not detected; c is detected wrongly, d is missed.
    assert rows[2] == ["00", *["1.0"] * 5, "0.0", "1.0", "0.0", "1.0", "0.0"]
    assert rows[3] == ["02", *rows[2][1:]]
    assert rows[5] == ["arithmetic mean", "", "1.0", "1.0", "0.5", "0.5", "0.5"]
    assert rows[6] == ["harmonic mean", "", "1.0", "1.0", "0.0", "0.0", "0.0"]
    assert rows[7][0] == "source harmonic mean"
    assert [float(cell) for cell in rows[7][2:]] == [1.0] * 5
    assert rows[8] == ["target harmonic mean", "", "1.0", "1.0", "0.0", "0.0", "0.0"]
    assert rows[11][0] == "arithmetic mean over all machine types, sections, and domains"
    assert rows[16] == ["official score", "", "1.0"]


REFERENCE = Path(__file__).resolve().parents[2] / "reference"


def require_same_table(found: str, expected: str) -> None:
    """Every number of nine machines and of the means over them, and every word between."""
    numbers = 0
    for row, wanted in zip(csv.reader(found.splitlines()), csv.reader(expected.splitlines()), strict=True):
        for cell, want in zip(row, wanted, strict=True):
            try:
                number = float(want)
            except ValueError:
                assert cell == want
                continue
            assert float(cell) == pytest.approx(number, abs=1e-9), row
            numbers += 1
    # Nine machines with a section's number, ten measures and four rows of five means; four rows over all; two scores.
    assert numbers == 9 * (1 + 10 + 4 * 5) + 4 * 5 + 2


def test_every_number_of_the_official_evaluator_is_reproduced(tmp_path: Path) -> None:
    """Its own output for nine machines of the 2024 evaluation set, whose scores and ground truth are in the numbers."""
    for folder in ("scores", "ground_truth_data", "ground_truth_domain"):
        (tmp_path / folder).mkdir()
    with np.load(REFERENCE / "dcase2024_evaluation.npz") as reference:
        flags = {name: np.unpackbits(reference[name], axis=1) for name in ("anomaly", "target", "detected")}
        machines, scores = reference["machines"].tolist(), reference["scores"]
    assert scores.shape == flags["anomaly"].shape == (9, 200)
    for number, machine in enumerate(machines):
        columns = {
            "ground_truth_data/ground_truth": flags["anomaly"][number],
            "ground_truth_domain/ground_truth": flags["target"][number],
            "scores/anomaly_score": scores[number],
            "scores/decision_result": flags["detected"][number],
        }
        for name, values in columns.items():
            lines = [f"section_00_{index:04d}.wav,{value}\n" for index, value in enumerate(values.tolist())]
            if name.startswith("scores"):  # a system hands its clips in in any order
                lines = [lines[row] for row in np.random.default_rng(number).permutation(200)]
            (tmp_path / f"{name}_{machine}_section_00_test.csv").write_text("".join(lines))
    expected = (REFERENCE / "dcase2024_expected_result.csv").read_text()
    require_same_table(result_table(read_scored(tmp_path / "scores", tmp_path)), expected)


def test_the_challenges_own_files_give_the_same() -> None:
    """The files themselves, whose clips also go by the names that tell their attributes."""
    default = Path(__file__).resolve().parents[4] / "shared" / "golden" / "dcase2024_evaluation"
    golden = Path(os.environ.get("ASD_EDGE_GOLDEN_EVALUATION", default))
    if not golden.is_dir():
        pytest.skip(f"the challenge's files are not here: {golden} (set ASD_EDGE_GOLDEN_EVALUATION)")
    expected = (golden / "expected_result.csv").read_text()
    require_same_table(result_table(read_scored(golden / "scores", golden)), expected)
