import numpy as np
import pytest
from normal_sound import random_embeddings

from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.scorers.normalisation import Normalisation


def test_normalisation_by_hand() -> None:
    found = Normalisation.of(np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 40.0]], np.float32))
    # Deviation over all references, not over one less: (4 + 0 + 4) / 3 and (100 + 100 + 400) / 3.
    np.testing.assert_allclose(found.mean, [3.0, 20.0], rtol=1e-6)
    np.testing.assert_allclose(found.deviation, [np.sqrt(8 / 3), np.sqrt(200.0)], rtol=1e-6)
    np.testing.assert_allclose(found.apply(np.array([7.0, 0.0], np.float32)), [4 / np.sqrt(8 / 3), -np.sqrt(2.0)])


@pytest.mark.parametrize("value", [0.0, 1e-30, 0.1, -7.3, 1e20])
def test_a_constant_dimension_has_deviation_1(value: float) -> None:
    references = random_embeddings(np.random.default_rng(2), 50, 3)
    references[:, 1] = value
    deviation = Normalisation.of(references).deviation
    assert deviation[1] == 1.0
    np.testing.assert_allclose(deviation[[0, 2]], references[:, [0, 2]].astype(np.float64).std(axis=0), rtol=1e-6)


def test_a_small_deviation_on_a_large_mean_still_counts() -> None:
    references = np.array([[1000.0], [1000.1], [1000.2]], np.float32)
    expected = references.astype(np.float64).std()
    assert Normalisation.of(references).deviation[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("roundings", "counts"), [(2, False), (12, True)])
def test_a_few_roundings_of_float32_are_no_deviation(roundings: int, counts: bool) -> None:
    step = roundings * 1000.0 * np.finfo(np.float32).eps
    references = np.array([[1000.0 - step], [1000.0 + step]] * 5, np.float32)
    assert (Normalisation.of(references).deviation[0] != 1.0) == counts


def test_embeddings_of_another_length_are_told() -> None:
    normalisation = Normalisation.of(random_embeddings(np.random.default_rng(2), 50, 3))
    with pytest.raises(ModelError, match="another length") as raised:
        normalisation.apply(np.zeros(4, np.float32))
    assert (raised.value.got, raised.value.valid) == ("an array of shape (4,)", "(3,)")
