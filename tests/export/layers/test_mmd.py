"""The maximum mean discrepancy at values worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd_edge.export.layers.mmd import squared_mmd, squared_mmd_of_pairs


def kernel(a: np.ndarray, b: np.ndarray, median: float) -> float:
    squared = float(np.sum((a - b) ** 2))
    return sum(math.exp(-squared / (2.0 * w * median**2)) for w in (0.25, 1.0, 4.0)) / 3.0


def median_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The middle one of an odd number of distances, the lower one of the two in the middle otherwise."""
    both = np.concatenate([x, y])
    distances = sorted(float(np.linalg.norm(both[i] - both[j])) for i in range(len(both)) for j in range(i))
    return distances[(len(distances) - 1) // 2]


def test_two_pairs_of_points() -> None:
    """0 and 1 against 0 and 1: the distances are 0, 0, 1, 1, 1, 1, of which the lower middle one is 1.

    The kernel of two points a unit apart is then (e^-2 + e^-1/2 + e^-1/8) / 3 = K, of equal points 1.
    Independent: K - 2 (1 + K) / 2 + K = K - 1. Pairs: K - K - K + K = 0.
    """
    apart = (0.135335 + 0.606531 + 0.882497) / 3.0
    x = torch.tensor([[0.0], [1.0]])
    assert squared_mmd(x, x).item() == pytest.approx(apart - 1.0, abs=1e-5)
    assert squared_mmd_of_pairs(x, x).item() == pytest.approx(0.0, abs=1e-6)


def test_independent_sets_of_other_sizes_by_loops() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 3)), 1.0 + 2.0 * rng.standard_normal((6, 3))
    median = median_distance(x, y)
    expected = (
        np.mean([kernel(x[i], x[j], median) for i in range(4) for j in range(4) if i != j])
        - 2.0 * np.mean([kernel(a, b, median) for a in x for b in y])
        + np.mean([kernel(y[i], y[j], median) for i in range(6) for j in range(6) if i != j])
    )
    assert squared_mmd(torch.from_numpy(x), torch.from_numpy(y)).item() == pytest.approx(expected, rel=1e-9)
    assert squared_mmd(torch.from_numpy(y), torch.from_numpy(x)).item() == pytest.approx(expected, rel=1e-9)


def test_pairs_by_loops() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3))
    y = x + 1.0 + rng.standard_normal((5, 3))
    median = median_distance(x, y)
    expected = np.mean(
        [
            kernel(x[i], x[j], median)
            - kernel(x[i], y[j], median)
            - kernel(y[i], x[j], median)
            + kernel(y[i], y[j], median)
            for i in range(5)
            for j in range(5)
            if i != j
        ]
    )
    assert squared_mmd_of_pairs(torch.from_numpy(x), torch.from_numpy(y)).item() == pytest.approx(expected, rel=1e-9)


def means(estimate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], bound: float) -> tuple[float, float]:
    """The mean of an estimate over 300 pairs of sets of 16 vectors, and its standard error.

    The vectors of all sets have one distribution; those of a pair share a part of size ``bound``.
    """
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(300):
        shared, x, y = torch.randn(3, 16, 128, generator=generator)
        found.append(estimate(bound * shared + x, bound * shared + y).item())
    return float(np.mean(found)), float(np.std(found)) / math.sqrt(len(found))


def biased(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Equation (5) of the paper, with the diagonals, on which the kernel is 1."""
    n = len(x)
    both = torch.cat([x, y])
    squared = torch.cdist(both, both).square()
    median = torch.nn.functional.pdist(both).median().square()
    matrix = torch.stack([torch.exp(-squared / (2.0 * w * median)) for w in (0.25, 1.0, 4.0)]).mean(dim=0)
    return matrix[:n, :n].mean() - 2.0 * matrix[:n, n:].mean() + matrix[n:, n:].mean()


def test_over_equal_distributions_the_mean_is_zero() -> None:
    """The biased estimate's is not, and two modalities of a window are not independent."""
    mean, error = means(squared_mmd, 0.0)
    assert abs(mean) < 4.0 * error
    assert error < 2e-3
    mean, error = means(biased, 0.0)
    assert mean == pytest.approx(0.058, abs=0.002)
    mean, error = means(squared_mmd_of_pairs, 1.0)
    assert abs(mean) < 4.0 * error
    mean, error = means(squared_mmd, 1.0)
    assert mean < -10.0 * error


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_the_order_does_not_matter(count: int, dim: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, count, dim, generator=generator, dtype=torch.float64)
    order = torch.randperm(count, generator=generator)
    assert squared_mmd(x, y[order]).item() == pytest.approx(squared_mmd(x, y).item(), abs=1e-12)
    together = squared_mmd_of_pairs(x[order], y[order])
    assert together.item() == pytest.approx(squared_mmd_of_pairs(x, y).item(), abs=1e-12)


def test_it_grows_with_a_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 64, 5, generator=generator)
    for estimate in (squared_mmd, squared_mmd_of_pairs):
        found = [estimate(x, y + shift).item() for shift in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)]
        assert found == sorted(found)
        assert abs(found[0]) < 0.05 * found[-1]


def test_its_gradient_brings_the_sets_together() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 5, generator=generator)
    y = (torch.randn(16, 5, generator=generator) + 3.0).requires_grad_()
    squared_mmd(x, y).backward()
    assert y.grad is not None
    assert bool((y.grad.mean(dim=0) > 0.0).all())  # a step against it goes back to zero


def test_the_gradient_is_finite_where_points_coincide() -> None:
    """Silence: every window of a batch is the same."""
    x = torch.zeros(4, 3, requires_grad=True)
    value = squared_mmd(x, torch.zeros(4, 3))
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((4, 3)))
