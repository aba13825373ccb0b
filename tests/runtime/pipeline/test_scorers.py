"""Every scorer through the program: enroll, score, listen, info."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
from pretended_gpu import PretendedGpu
from program import Run

from asd_edge.calibration.contract.model_info import METADATA_KEY, ModelInfo
from asd_edge.calibration.errors import BankError, InputError, ModelError
from asd_edge.calibration.scorers import nearest
from asd_edge.calibration.scorers.registry import require_scorer, scorer_names
from asd_edge.runtime import EnrollSettings, FileSource, Model, Score, enroll, load_bank, score_files


def with_reconstruction_error(path: Path, **changes: Any) -> onnx.ModelProto:
    """A model that says of every window how loud it is, as if that were how badly it was rebuilt."""
    model = onnx.load(path)
    (described,) = model.metadata_props
    info = replace(ModelInfo.from_json(described.value), **({"reconstruction": True} | changes))
    described.value = info.to_json()
    assert described.key == METADATA_KEY
    axis = onnx.numpy_helper.from_array(np.array([1]), "error_axis")
    model.graph.initializer.append(axis)
    model.graph.node.append(onnx.helper.make_node("Mul", ["waveform", "waveform"], ["power"]))
    model.graph.node.append(
        onnx.helper.make_node("ReduceMean", ["power", "error_axis"], ["reconstruction_error"], keepdims=0)
    )
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("reconstruction_error", onnx.TensorProto.FLOAT, [batch])
    )
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="module")
def rebuilding_path(short_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "rebuilding.onnx"
    onnx.save(with_reconstruction_error(short_model_path, scorer="reconstruction+mahalanobis"), path)
    return path


def test_a_model_that_rebuilds_says_how_badly(
    rebuilding_path: Path, short_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilding = Model(rebuilding_path, threads=1)
    samples = np.random.default_rng(0).normal(0.0, 0.1, 16_000).astype(np.float32)
    embedded = rebuilding.embed(samples)
    np.testing.assert_array_equal(embedded.embedding, short_model.embed(samples).embedding)
    assert embedded.reconstruction_error == pytest.approx(np.mean(samples.astype(np.float64) ** 2), rel=1e-5)
    assert short_model.embed(samples).reconstruction_error is None
    assert rebuilding.info.outputs == ("embedding", "reconstruction_error")
    PretendedGpu(monkeypatch)
    on_gpu = Model(rebuilding_path, "cuda").embed(samples)
    np.testing.assert_allclose(on_gpu.embedding, embedded.embedding, rtol=1e-5, atol=1e-5)
    assert on_gpu.reconstruction_error == pytest.approx(embedded.reconstruction_error, rel=1e-5)


def test_a_description_that_promises_what_is_not_there(short_model_path: Path, tmp_path: Path) -> None:
    model = onnx.load(short_model_path)
    (described,) = model.metadata_props
    described.value = replace(ModelInfo.from_json(described.value), reconstruction=True).to_json()
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="'reconstruction_error' does not have the shape") as raised:
        Model(tmp_path / "model.onnx")
    assert raised.value.valid == "(batch)"


@pytest.mark.parametrize("scorer", scorer_names())
def test_every_scorer_through_the_program(
    run_main: Run, rebuilding_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path, scorer: str
) -> None:
    bank = tmp_path / "bank.npz"
    common = ("--bank", bank, "--model", rebuilding_path, "--hop", 1.0)
    enrolled = run_main("enroll", *common, "--input", machine_wav, "--scorer", scorer)
    assert enrolled.returncode == 0, enrolled.stderr
    assert f"scorer        {scorer}: {require_scorer(scorer).words}" in enrolled.stdout
    assert ("long enough?" in enrolled.stdout) == (scorer != "reconstruction")
    assert f"{scorer}: {require_scorer(scorer).words}" in run_main("info", bank).stdout
    scored = [json.loads(line) for line in run_main("score", faulty_wav, *common, "--json").stdout.splitlines()]
    listened = run_main("listen", *common, "--input", faulty_wav, "--json").stdout.splitlines()
    heard = [values for values in map(json.loads, listened) if values["event"] == "score"]
    assert [values["score"] for values in heard] == [values["score"] for values in scored]
    assert len(scored) == 30
    if scorer != "reconstruction":  # a bad bearing is heard in the embedding; one normal window in ten would be, too
        heard_as_fault = np.mean([values["decision"] == "anomaly" for values in scored])
        assert heard_as_fault > (0.3 if scorer == "nearest-cosine" else 0.5)  # the model gives no mere direction


def test_the_model_says_which_scorer_it_was_made_for_and_append_keeps_the_banks(
    rebuilding_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    model, path = Model(rebuilding_path, threads=1), tmp_path / "bank.npz"
    first = EnrollSettings(path, hop_s=1.0, minutes=0.5)
    assert enroll(FileSource([machine_wav]), model, first).bank.info.scorer == "reconstruction+mahalanobis"
    changed = enroll(FileSource([machine_wav]), model, replace(first, append=True, scorer="gmm"))
    assert (changed.added, changed.bank.info.scorer) == (0, "gmm")
    more = enroll(FileSource([machine_wav]), model, EnrollSettings(path, hop_s=1.0, append=True))
    assert (more.added, more.bank.info.scorer) == (90, "gmm")
    # Whatever it went through, a bank is what one enrolment of the same sound would have made.
    whole = EnrollSettings(tmp_path / "whole.npz", hop_s=1.0, scorer="gmm")
    once = enroll(FileSource([machine_wav]), model, whole).bank
    np.testing.assert_array_equal(more.bank.normal_scores, once.normal_scores)
    assert once.references.reconstruction_errors is not None
    scores = [
        [item.score for item in score_files([faulty_wav], model, bank) if isinstance(item, Score)]
        for bank in (load_bank(path), once)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("scorer", ["reconstruction", "reconstruction+mahalanobis"])
def test_a_model_that_rebuilds_nothing_is_refused_before_anything_is_heard(
    run_main: Run, short_model_path: Path, machine_wav: Path, tmp_path: Path, scorer: str
) -> None:
    path = tmp_path / "bank.npz"
    done = run_main("enroll", "--bank", path, "--model", short_model_path, "--input", machine_wav, "--scorer", scorer)
    assert done.returncode == 1
    assert f"{scorer} needs a model that rebuilds" in done.stderr
    assert "gmm, mahalanobis, nearest, nearest-cosine, nearest-ldn" in done.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--scorer", "euclid"), "no scorer of that name"),
        (("--max-references", "5"), "too few references"),
        (("--max-references", "50", "--scorer", "gmm"), "does not look at single references"),
    ],
)
def test_what_cannot_be_enrolled(
    run_main: Run, machine_wav: Path, tmp_path: Path, options: tuple[str, ...], what: str
) -> None:
    done = run_main("enroll", "--bank", tmp_path / "bank.npz", "--input", machine_wav, *options)
    assert done.returncode == 1
    assert what in done.stderr
    assert "next:" in done.stderr
    assert not (tmp_path / "bank.npz").exists()


def test_help_names_every_scorer(run_main: Run) -> None:
    text = " ".join(run_main("enroll", "--help").stdout.split())
    for scorer in scorer_names():
        assert scorer in text


WITHOUT_SCIKIT_LEARN = """
import sys
sys.modules["sklearn"] = None
from asd_edge.runtime.cli import main
main()
"""


def test_without_scikit_learn_the_extra_is_named_before_anything_is_heard(
    short_model: Model, short_model_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    """And a bank that was enrolled elsewhere is listened to all the same."""

    def run_without(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", WITHOUT_SCIKIT_LEARN, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    here, elsewhere = tmp_path / "here.npz", tmp_path / "elsewhere.npz"
    common = ("--model", short_model_path, "--hop", 1.0)
    done = run_without("enroll", "--bank", here, *common, "--input", machine_wav, "--scorer", "mahalanobis")
    assert done.returncode == 1
    assert "pip install 'asd-edge[scorers]'" in done.stderr
    assert not here.exists()
    enroll(FileSource([machine_wav]), short_model, EnrollSettings(elsewhere, hop_s=1.0, scorer="mahalanobis"))
    scored = run_without("score", faulty_wav, "--bank", elsewhere, *common)
    assert scored.returncode == 0, scored.stderr
    assert "anomaly" in scored.stdout


def test_keeping_few_references_and_what_it_costs(
    run_main: Run, short_model_path: Path, machine_wav: Path, faulty_wav: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bank.npz"
    common = ("--bank", path, "--model", short_model_path, "--hop", 1.0)
    first = run_main("enroll", *common, "--input", machine_wav, "--minutes", 1.0, "--max-references", 20)
    assert first.returncode == 0, first.stderr
    assert "60 new, 20 in the bank, 60 of them without overlap" in first.stdout
    assert "20 of 60 to compare with: mean normal score" in first.stdout
    before = load_bank(path)
    assert (len(before.references), len(before.normal_scores), before.info.max_references) == (20, 60, 20)
    # It stays small as it grows, and knows what it left out.
    more = run_main("enroll", *common, "--input", machine_wav, "--append")
    assert more.returncode == 0, more.stderr
    assert "60 new, 20 in the bank, 120 of them without overlap" in more.stdout
    assert "60 were in the bank already" in more.stdout
    assert "long enough?" not in more.stdout
    assert "20 kept of 120" in run_main("info", path).stdout
    decisions = [
        json.loads(line)["decision"] for line in run_main("score", faulty_wav, *common, "--json").stdout.splitlines()
    ]
    assert decisions.count("anomaly") > 15


def test_a_bank_that_left_windows_out_keeps_its_scorer(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, max_references=20)
    enroll(FileSource([machine_wav]), short_model, settings)
    with pytest.raises(BankError, match="left windows out for another scorer"):
        enroll(FileSource([machine_wav]), short_model, replace(settings, append=True, scorer="nearest-ldn"))


@pytest.mark.parametrize(("scorer", "limit", "kept"), [("nearest-ldn", 20, 20), ("gmm", None, 120)])
def test_a_limit_stays_when_the_scorer_changes_to_one_that_compares(
    short_model: Model, machine_wav: Path, tmp_path: Path, scorer: str, limit: int | None, kept: int
) -> None:
    path = tmp_path / "bank.npz"
    enroll(FileSource([machine_wav]), short_model, EnrollSettings(path, hop_s=1.0, minutes=0.25, max_references=20))
    changed = EnrollSettings(path, hop_s=1.0, append=True, scorer=scorer)
    bank = enroll(FileSource([machine_wav]), short_model, changed).bank
    assert (bank.info.max_references, len(bank.references)) == (limit, kept)


def test_domains_are_known_by_the_names_of_files(short_model: Model, machine_wav: Path, tmp_path: Path) -> None:
    folder, samples = tmp_path / "train", soundfile.read(machine_wav)[0]
    folder.mkdir()
    for index in range(40):
        domain = "target" if index >= 30 else "source"
        name = f"section_00_{domain}_train_normal_{index:04d}_noAttribute.wav"
        soundfile.write(folder / name, samples[index * 32_000 : index * 32_000 + 16_000], 16_000)
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, scorer="mahalanobis")
    enroll(FileSource([folder]), short_model, settings)
    bank = load_bank(settings.bank)
    assert bank.references.domains.tolist() == ["source"] * 30 + ["target"] * 10
    assert {f"whitening_{number}" for number in (0, 1)} < set(bank.scorer().arrays())
    nobody = enroll(FileSource([machine_wav]), short_model, replace(settings, bank=tmp_path / "b.npz")).bank
    assert set(nobody.references.domains.tolist()) == {""}
    assert "whitening_1" not in nobody.scorer().arrays()


CUT_OFF = """
import os, sys, pathlib
from asd_edge.runtime import EnrollSettings, FileSource, Model
from asd_edge.runtime.enrolment import enrolling, heard_windows
heard_windows.SAVE_EVERY_S = 0.0
def lose_power(progress):
    if progress.windows == 300:
        os._exit(9)
wav, model, bank = sys.argv[1:]
settings = EnrollSettings(pathlib.Path(bank), hop_s=0.25, scorer="gmm")
enrolling.enroll(FileSource([wav]), Model(model, threads=1), settings, lose_power)
"""


def test_what_a_power_loss_leaves_says_how_to_go_on(
    run_main: Run, short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    """The windows are there, the bank says that it was cut off, and --append finishes it."""
    path = tmp_path / "bank.npz"
    command = [sys.executable, "-c", CUT_OFF, str(machine_wav), str(short_model_path), str(path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 9
    common = ("--bank", path, "--model", short_model_path)
    held = len(load_bank(path).references)
    assert 40 < held <= 300
    for command in (("score", machine_wav), ("listen", "--input", machine_wav)):
        refused = run_main(*command, *common)
        assert refused.returncode == 1
        assert "cut off before it could learn" in refused.stderr
        assert "enroll --append" in refused.stderr
    assert "cut off" in run_main("info", path).stdout
    finished = run_main("enroll", *common, "--input", machine_wav, "--hop", 0.25, "--append")
    assert finished.returncode == 0, finished.stderr
    assert f"{held} were in the bank already" in finished.stdout
    assert load_bank(path).info.scorer == "gmm"
    assert run_main("score", machine_wav, *common).returncode == 0


def test_nothing_is_lost_where_learning_fails(
    short_model: Model, machine_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)

    def fail(references: object) -> None:
        raise MemoryError

    monkeypatch.setattr(nearest, "SPEC", replace(nearest.SPEC, fit=fail))
    with pytest.raises(MemoryError):
        enroll(FileSource([machine_wav]), short_model, settings)
    assert len(load_bank(settings.bank).references) == 120


@pytest.mark.parametrize("scorer", ["nearest", "mahalanobis", "gmm"])
def test_faults_of_a_real_machine_score_higher(machines: Path, tmp_path: Path, scorer: str) -> None:
    """On a drone with a broken propeller; chance is one half."""
    model, settings = Model(), EnrollSettings(tmp_path / "bank.npz", scorer=scorer)
    bank = enroll(FileSource([machines / "drone" / "train"]), model, settings).bank
    files = sorted((machines / "drone" / "test").glob("*.wav"))[::4]
    scores: dict[str, list[float]] = {"normal": [], "anomaly": []}
    for item in score_files(files, model, bank):
        assert isinstance(item, Score)
        scores["anomaly" if "anomaly" in item.source else "normal"].append(item.score)
    above = [strange > normal for strange in scores["anomaly"] for normal in scores["normal"]]
    assert np.mean(above) > 0.8


def test_settings_refuse_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scorer of that name"):
        EnrollSettings(tmp_path / "bank.npz", scorer="euclid")
    with pytest.raises(InputError, match="too few references"):
        EnrollSettings(tmp_path / "bank.npz", max_references=9)


def test_a_score_leaves_no_thread_spinning() -> None:
    """Threads of OpenBLAS that spin after a product would take the next window a core."""
    program = """
import time
from asd_edge.runtime import Model  # before NumPy
import numpy as np
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.scorers.nearest import NearestNeighbour
from asd_edge.calibration.scorers.normalisation import Normalisation

references = np.random.default_rng(0).standard_normal((2000, 768), dtype=np.float32)
as_it_is = Normalisation(np.zeros(768, np.float32), np.ones(768, np.float32))
scorer = NearestNeighbour(references, as_it_is)
scorer.score(ModelOutput(references[0]))
time.sleep(0.5)
scorer.score(ModelOutput(references[0]))
before_s = time.process_time()
time.sleep(0.5)
print(time.process_time() - before_s)
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert float(done.stdout) < 0.02
