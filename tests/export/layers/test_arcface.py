"""ArcFace at angles worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asd_edge.export.layers.arcface import ArcFace


def axes() -> ArcFace:
    """Two classes on the axes of a plane."""
    module = ArcFace(2, 2, scale=30.0, margin=0.5)
    module.load_state_dict({"weight": torch.tensor([[2.0, 0.0], [0.0, 0.5]])})
    return module


def at(degrees: float, length: float = 3.0) -> torch.Tensor:
    angle = math.radians(degrees)
    return torch.tensor([[length * math.cos(angle), length * math.sin(angle)]])


@pytest.mark.parametrize("degrees", [10.0, 30.0, 60.0, 80.0, 120.0])
def test_logits_at_known_angles(degrees: float) -> None:
    """Class 0 lies at 0 degrees, class 1 at 90; lengths of embeddings and weights do not count."""
    theta = math.radians(degrees)
    found = axes().logits(at(degrees), torch.tensor([0]))
    expected = [30.0 * math.cos(theta + 0.5), 30.0 * math.cos(math.pi / 2 - theta)]
    np.testing.assert_allclose(found.detach().numpy(), [expected], rtol=1e-5, atol=1e-4)


def test_beyond_pi_less_the_margin_the_equation_is_as_it_is_written() -> None:
    """The logit is smallest at pi - 0.5, 151.35 degrees, and rises beyond: no line continues it."""
    found = {
        degrees: axes().logits(at(degrees), torch.tensor([0]))[0, 0].item()
        for degrees in (140.0, 151.3521, 160.0, 175.0)
    }
    assert found[151.3521] == pytest.approx(-30.0, abs=1e-4)
    assert found[160.0] == pytest.approx(30.0 * math.cos(math.radians(160.0) + 0.5), abs=1e-3)  # -29.66
    assert found[175.0] == pytest.approx(-27.49, abs=0.01)  # the linear continuation: 30 (-0.9962 - 0.2397) = -37.08
    assert found[140.0] > found[151.3521] < found[160.0] < found[175.0]


def test_the_loss_is_the_cross_entropy_of_the_logits() -> None:
    # At 60 degrees: 30 cos(1.5472) = 0.7079 for the right class, 30 cos(pi / 6) = 25.9808 for the other.
    expected = math.log(math.exp(0.70790) + math.exp(25.98076)) - 0.70790
    found = axes()(at(60.0), torch.tensor([0]))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_scale_and_margin_are_settings() -> None:
    module = ArcFace(2, 2, scale=10.0, margin=0.0)
    module.load_state_dict({"weight": torch.eye(2)})
    found = module.logits(at(60.0), torch.tensor([0])).detach().numpy()
    np.testing.assert_allclose(found, [[5.0, 10.0 * math.sqrt(0.75)]], rtol=1e-5)


@pytest.mark.parametrize(("degrees", "logit"), [(0.0, 30.0 * math.cos(0.5)), (180.0, -30.0 * math.cos(0.5))])
def test_value_and_gradient_are_finite_at_the_poles(degrees: float, logit: float) -> None:
    """Where the slope of arccos is infinite. The margin turns cos(0) into cos(0.5), cos(pi) into cos(pi + 0.5)."""
    embedding = at(degrees).requires_grad_()
    module = axes()
    found = module.logits(embedding, torch.tensor([0]))
    assert found[0, 0].item() == pytest.approx(logit, abs=0.01)
    module(embedding, torch.tensor([0])).sum().backward()
    assert embedding.grad is not None
    assert module.weight.grad is not None
    assert bool(embedding.grad.isfinite().all())
    assert bool(module.weight.grad.isfinite().all())


def test_an_embedding_of_zeros_has_a_finite_gradient() -> None:
    """What a ReLU gives where it lets nothing through."""
    before = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    axes()(before.relu(), torch.tensor([1])).sum().backward()
    assert before.grad is not None
    np.testing.assert_array_equal(before.grad.numpy(), [[0.0, 0.0]])


@given(st.floats(0.0, 360.0), st.floats(0.1, 100.0), st.sampled_from([0, 1]))
def test_the_gradient_is_that_of_the_angle(degrees: float, length: float, label: int) -> None:
    """Turning the embedding by a small angle changes the loss as the gradient says, wherever it is."""
    module = ArcFace(2, 2, scale=3.0, margin=0.5).double()
    module.load_state_dict({"weight": torch.eye(2, dtype=torch.float64)})
    angle = torch.tensor(math.radians(degrees), dtype=torch.float64, requires_grad=True)

    def loss(turned: torch.Tensor) -> torch.Tensor:
        embedding = length * torch.stack([turned.cos(), turned.sin()])[None]
        total: torch.Tensor = module(embedding, torch.tensor([label])).sum()
        return total

    loss(angle).backward()
    assert angle.grad is not None
    step = 1e-6
    with torch.no_grad():
        slope = (loss(angle + step) - loss(angle - step)).item() / (2.0 * step)
    pole = math.remainder(angle.item() - label * math.pi / 2.0, math.pi)
    if abs(pole) > 1e-3:  # at the pole itself, the floor under the sine flattens the corner of |sin|
        assert angle.grad.item() == pytest.approx(slope, rel=1e-3, abs=1e-4)
    assert math.isfinite(angle.grad.item())


def test_samples_without_a_label_cost_nothing() -> None:
    embeddings = torch.cat([at(20.0), at(70.0)]).requires_grad_()
    losses = axes()(embeddings, torch.tensor([0, -1]))
    assert losses[1].item() == 0.0
    losses.sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad[0].abs().sum() > 0.0
    assert embeddings.grad[1].abs().sum() == 0.0


def test_one_class_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        ArcFace(8, 1, scale=30.0, margin=0.5)
