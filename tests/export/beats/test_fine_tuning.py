"""Training BEATs further: which weights change, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_beats import write_tiny_beats

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.export.beats.encoder import load_beats
from asd_edge.export.beats.fine_tuning import load_trainable

SAMPLES = 8_000


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_beats(tmp_path / "tiny.pt", encoder_layers=5)


def waveform() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0.0, 0.1, (2, SAMPLES)).astype(np.float32))


@pytest.mark.parametrize("unfreeze", ["last4", "all"])
def test_before_training_it_is_the_encoder(checkpoint: Path, unfreeze: str) -> None:
    with torch.no_grad():
        expected = load_beats(checkpoint, samples=SAMPLES)(waveform())
        torch.testing.assert_close(load_trainable(checkpoint, unfreeze, SAMPLES)(waveform()), expected)


def test_the_last_four_layers_and_the_convolution_are_trained(checkpoint: Path) -> None:
    module = load_trainable(checkpoint, "last4", SAMPLES)
    module(waveform()).square().sum().backward()
    trained = {name for name, weight in module.named_parameters() if weight.grad is not None}
    expected = ("encoder.position.", *(f"encoder.layers.{layer}." for layer in (1, 2, 3, 4)))
    assert trained == {name for name, _ in module.named_parameters() if name.startswith(expected)}


def test_or_every_weight_and_the_table_of_positions(checkpoint: Path) -> None:
    module = load_trainable(checkpoint, "all", SAMPLES)
    module(waveform())[0, :5].sum().backward()
    gradients = {name: weight.grad for name, weight in module.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert gradients["table"] is not None
    assert gradients["table"].shape == (32, 3)


def test_a_checkpoint_without_positions_has_no_table(tmp_path: Path) -> None:
    changes = {"encoder_layers": 4, "relative_position_embedding": False, "gru_rel_pos": False}
    module = load_trainable(write_tiny_beats(tmp_path / "plain.pt", **changes), "all", SAMPLES)
    assert module.table is None
    module(waveform()).sum().backward()
    assert module.finished().position_bias is None


def test_the_gradient_of_the_table_is_its_slope(checkpoint: Path) -> None:
    module = load_trainable(checkpoint, "all", SAMPLES)
    table = module.table
    assert table is not None

    def value() -> torch.Tensor:
        return module(waveform())[:, 3, :4].sum()  # type: ignore[no-any-return]

    value().backward()
    assert table.grad is not None
    steepest = table.grad.abs().flatten().topk(3).indices.tolist()
    for place in (divmod(index, 3) for index in steepest):
        with torch.no_grad():
            table[place] += 0.01
            above = value().item()
            table[place] -= 0.02
            below = value().item()
            table[place] += 0.01
        assert table.grad[place].item() == pytest.approx((above - below) / 0.02, rel=0.02)


def test_what_was_trained_is_in_the_finished_encoder(checkpoint: Path) -> None:
    """After a step, the plain encoder gives what the trained module gave."""
    for unfreeze in ("last4", "all"):
        module = load_trainable(checkpoint, unfreeze, SAMPLES)
        before = module(waveform())
        optimizer = torch.optim.SGD([weight for weight in module.parameters() if weight.requires_grad], lr=0.05)
        before[:, :3].mean().backward()
        optimizer.step()
        expected = module(waveform()).detach()
        assert float((expected - before.detach()).abs().max()) > 1e-4
        found = module.finished()(waveform())
        assert not found.requires_grad
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("layers", "got"), [(1, "1 layer"), (3, "3 layers")])
def test_fewer_than_four_layers_are_refused(tmp_path: Path, layers: int, got: str) -> None:
    checkpoint = write_tiny_beats(tmp_path / "tiny.pt", encoder_layers=layers)
    with pytest.raises(ModelError, match="fewer than 4 layers") as raised:
        load_trainable(checkpoint, "last4", SAMPLES)
    assert raised.value.got == got


def test_it_is_unfrozen_in_two_ways(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="cannot be unfrozen like that") as raised:
        load_trainable(checkpoint, "last6", SAMPLES)
    assert raised.value.got == "last6"
