"""What a certificate measures, against values worked by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asd_edge.calibration.contract.parity import LIMITS, Certificate

# A right triangle of sides 3, 4 and 5: nearest neighbours at 3, 3 and 4; mean (1, 4/3).
REFERENCE: NDArray[np.float32] = np.array([[0, 0], [3, 0], [0, 4]], np.float32)


def test_the_same_is_perfect() -> None:
    moved = REFERENCE + np.float32(10)
    assert Certificate.of(moved, moved) == Certificate(0.0, 0.0, pytest.approx(1.0), 0.0, 0.0)  # type: ignore[arg-type]


def test_one_clip_off() -> None:
    """The third clip is 0.4 too far out: all of its distances of 4 become 4.4."""
    found = REFERENCE + np.array([[0, 0], [0, 0], [0, 0.4]], np.float32)
    certificate = Certificate.of(found, REFERENCE)
    assert certificate.max_abs_error == pytest.approx(0.4)
    # Deviations of the dimensions: those of (0, 3, 0) and (0, 0, 4).
    deviation = (np.sqrt(2.0) + np.sqrt(32.0) / 3.0) / 2.0
    assert certificate.max_error_over_deviation == pytest.approx(0.4 / deviation, rel=5e-3)
    assert certificate.max_error_over_spread == pytest.approx(0.4 / np.hypot(1.0, 8.0 / 3.0), rel=5e-3)
    assert certificate.max_nearest_change == pytest.approx(0.1, rel=5e-3)


def test_a_turned_embedding_shows_in_the_cosine() -> None:
    reference = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    found = np.array([[1, 0], [0, 1], [-np.sqrt(0.75), 0.5]], np.float32)
    assert Certificate.of(found, reference).min_cosine == pytest.approx(np.sqrt(0.75), rel=1e-6)


def test_a_common_offset_flatters_the_cosine_but_not_the_spread() -> None:
    """Why plain cosine is not enough: far from the origin, an error as large as the spread hardly turns anything."""
    found = REFERENCE + np.array([[0, 0], [0, 0], [0, 4]], np.float32)
    certificate = Certificate.of(found + 1000, REFERENCE + 1000)
    assert certificate.min_cosine > 0.99999
    assert certificate.max_error_over_spread > 1.0


@pytest.mark.parametrize(
    ("error", "change", "within"), [(0.02, 0.02, True), (0.0201, 0.0, False), (0.0, 0.0201, False)]
)
def test_a_lower_precision_may_cost_two_percent(error: float, change: float, within: bool) -> None:
    certificate = Certificate(1.0, 1.0, 0.5, error, change)
    assert certificate.within_limits == within
    assert LIMITS == "error over spread at most 0.02, nearest change at most 0.02"


def test_three_digits_are_kept() -> None:
    """The rest depends on the computer; the cosine alone is kept as it is, for it may be 0.99999."""
    found = REFERENCE + np.array([[0.123456, 0], [0, 0], [0, 0]], np.float32)
    certificate = Certificate.of(found, REFERENCE)
    assert certificate.max_abs_error == 0.123
    assert str(certificate) == f"error over spread {certificate.max_error_over_spread:g}, nearest change 0.0412"
    assert certificate.max_nearest_change == 0.0412


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_is_never_within_the_limits(value: float) -> None:
    found = REFERENCE.copy()
    found[1, 0] = value
    with np.errstate(invalid="ignore"):
        assert not Certificate.of(found, REFERENCE).within_limits
        assert not Certificate.of(REFERENCE, found).within_limits
