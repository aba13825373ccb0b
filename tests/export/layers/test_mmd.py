"""The maximum mean discrepancy at values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd_edge.export.layers.mmd import squared_mmd


def test_two_points() -> None:
    """Their distance is its own median, so that the kernels are exp(-1 / (2 w)): e^-2, e^-1/2 and e^-1/8.

    1 - 2 (e^-2 + e^-1/2 + e^-1/8) / 3 + 1.
    """
    expected = 2.0 - 2.0 * (0.135335 + 0.606531 + 0.882497) / 3.0
    for distance in (0.01, 1.0, 300.0):
        found = squared_mmd(torch.tensor([[5.0]]), torch.tensor([[5.0 + distance]]))
        assert found.item() == pytest.approx(expected, abs=2e-4)


def test_sets_of_other_sizes_by_loops() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 3)), 1.0 + 2.0 * rng.standard_normal((6, 3))
    both = np.concatenate([x, y])
    distances = sorted(np.linalg.norm(both[i] - both[j]) for i in range(10) for j in range(i))
    median = distances[22]  # of 45

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        squared = float(np.sum((a - b) ** 2))
        return sum(math.exp(-squared / (2.0 * w * median**2)) for w in (0.25, 1.0, 4.0)) / 3.0

    expected = (
        np.mean([kernel(a, b) for a in x for b in x])
        - 2.0 * np.mean([kernel(a, b) for a in x for b in y])
        + np.mean([kernel(a, b) for a in y for b in y])
    )
    found = squared_mmd(torch.from_numpy(x), torch.from_numpy(y))
    assert found.item() == pytest.approx(expected, rel=1e-9)
    assert squared_mmd(torch.from_numpy(y), torch.from_numpy(x)).item() == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
def test_equal_sets_are_zero_in_any_order(count: int, dim: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, dim, generator=generator, dtype=torch.float64)
    order = torch.randperm(count, generator=generator)
    assert squared_mmd(x, x[order]).item() == pytest.approx(0.0, abs=1e-12)


def test_it_grows_with_a_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 64, 5, generator=generator)
    found = [squared_mmd(x, y + shift).item() for shift in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)]
    assert found == sorted(found)
    assert 0.0 < found[0] < 0.1 * found[-1]


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
    assert value.item() == 0.0
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((4, 3)))
