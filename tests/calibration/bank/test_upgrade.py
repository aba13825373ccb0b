"""What an upgrade does to banks: those of version 0.1.0 are read, and newer files of a model use them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from asd_edge.calibration.bank.bank import load_bank, make_bank
from asd_edge.calibration.bank.bank_file import BANK_FORMAT
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.probe import probe_sounds
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import BankError

REFERENCE = Path(__file__).parents[2] / "reference"
WHOLE, REDUCED = "bank_format_2.npz", "bank_format_2_reduced.npz"
THRESHOLDS = {WHOLE: 22.71233269291373, REDUCED: 22.46786215449068}
"""What version 0.1.0 printed for them."""


@pytest.mark.parametrize("name", [WHOLE, REDUCED])
def test_a_bank_of_the_first_version_is_used_and_saved_in_the_new_format(tmp_path: Path, name: str) -> None:
    old = load_bank(shutil.copy(REFERENCE / name, tmp_path))
    assert (old.ready, old.info.threshold, old.info.format) == (True, THRESHOLDS[name], BANK_FORMAT)
    assert old.scorer().score(ModelOutput(old.references.embeddings[3])) == 0.0
    old.save(tmp_path / "new.npz")
    new = load_bank(tmp_path / "new.npz")
    assert new.info == old.info
    np.testing.assert_array_equal(new.references.embeddings, old.references.embeddings)
    np.testing.assert_array_equal(new.normal_scores, old.normal_scores)
    query = ModelOutput(old.references.embeddings.mean(axis=0))
    assert new.scorer().score(query) == old.scorer().score(query)
    with np.load(tmp_path / name) as before:
        assert '"format": 2' in str(before["info"])


def test_learning_from_the_same_windows_gives_the_scorer_and_threshold_that_the_first_version_gave() -> None:
    """To the last bit, on the processor that made the file. In the scores a window does not hide itself any more."""
    old = load_bank(REFERENCE / WHOLE)
    new = make_bank(old.info, old.references)
    for name, values in old.scorer().arrays().items():
        np.testing.assert_array_equal(new.scorer().arrays()[name], values)
    assert np.all(new.normal_scores > old.normal_scores)
    assert new.info.threshold == pytest.approx(THRESHOLDS[WHOLE], rel=1e-9)


def test_mean_and_deviation_of_a_reduced_old_bank_are_those_of_all_windows() -> None:
    """It kept 12 of 59 windows; those that it left out are known by what mean and deviation say beside the 12."""
    bank = load_bank(REFERENCE / REDUCED)
    assert bank.left_out is not None
    assert bank.left_out.forgotten is not None
    assert (len(bank.references), bank.left_out.forgotten.count) == (12, 47)
    again = make_bank(bank.info, bank.references, bank.left_out)
    before, after = bank.scorer().arrays(), again.scorer().arrays()
    np.testing.assert_allclose(after["mean"], before["mean"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["deviation"], before["deviation"], rtol=1e-5)
    # The share that a window had in the deviations is taken out now.
    assert again.info.threshold == pytest.approx(bank.info.threshold, rel=0.05)


def test_a_reduced_old_bank_goes_on() -> None:
    bank = load_bank(REFERENCE / REDUCED)
    growing = GrowingReferences(bank)
    rng = np.random.default_rng(0)
    arrays = bank.scorer().arrays()
    for index in range(20):
        embedding = arrays["mean"] + arrays["deviation"] * rng.standard_normal(len(arrays["mean"])).astype(np.float32)
        growing.add(Recording("new", "new"), 10.0 * index, ModelOutput(embedding))
    info, references = growing.so_far(bank.info)
    grown, _ = reduce_bank(make_bank(info, references, growing.left_out))
    assert (len(grown.references), len(grown.normal_scores)) == (12, 79)
    assert grown.info.threshold == pytest.approx(bank.info.threshold, rel=0.3)


def test_a_model_is_known_by_what_it_gives_for_known_sounds() -> None:
    bank = load_bank(REFERENCE / WHOLE)
    assert bank.probe is not None
    probe, other = bank.probe, "0" * 64
    bank.check_model(bank.info.model_sha256, "logmel")
    bank.check_model(other, "logmel", lambda: probe)
    bank.check_model(other, "logmel", lambda: np.asarray(probe * np.float32(1.0001)))
    strange = probe + np.float32(0.1) * np.random.default_rng(0).standard_normal(probe.shape).astype(np.float32)
    for asked in (lambda: strange, lambda: probe[:, :-1], lambda: probe[:2], lambda: probe * np.float32(np.nan), None):
        with pytest.raises(BankError, match="another model"):
            bank.check_model(other, "logmel", asked)
    with pytest.raises(BankError) as raised:
        bank.check_model(other, "logmel", lambda: strange)
    assert "on known sounds: error over spread" in raised.value.got
    assert "error over spread at most 0.02" in raised.value.valid


def test_known_sounds_never_change() -> None:
    """Banks in the field hold what models gave for them."""
    sounds = probe_sounds(16_000)
    assert (sounds.shape, sounds.dtype) == ((4, 16_000), np.float32)
    assert np.abs(sounds).max(axis=1).tolist() == pytest.approx([0.2] * 4)
    assert sounds[:, [0, 1, 777, 15_999]].tolist() == [
        pytest.approx([-0.0005663, 0.0181492, 0.0306077, -0.0194278], abs=1e-6),
        pytest.approx([-0.0002669, 0.091543, 0.0052149, -0.0131712], abs=1e-6),
        pytest.approx([0.0037425, 0.1778305, 0.1140759, 0.1614531], abs=1e-6),
        pytest.approx([0.001887, 0.0897674, 0.103697, 0.0813072], abs=1e-6),
    ]
