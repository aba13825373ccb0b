"""MobileFaceNet against the figures of its paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asd_edge.export.layers.mobilefacenet import Bottleneck, MobileFaceNet


def feature_maps(network: MobileFaceNet, height: int, width: int) -> list[tuple[int, ...]]:
    """Shapes behind the layers of Table 1, with those of one row in the row's last."""
    shapes: list[tuple[int, ...]] = []
    x = torch.zeros(2, 3, height, width)
    with torch.no_grad():
        for layer in network.eval().features:
            x = layer(x)
            shapes.append(tuple(x.shape[1:]))
    rows = [0, 2, 8, 9, 15, 16, 18, 19]  # places of the convolutions and of the last bottleneck of each row
    return [shapes[place + (place > 0)] if place < 4 else shapes[place] for place in rows]


def test_the_sizes_are_those_of_table_1() -> None:
    """Of a picture of 112 by 112, channels first."""
    network = MobileFaceNet(112, 112, 128)
    assert feature_maps(network, 112, 112) == [
        (64, 56, 56),
        (64, 56, 56),
        (64, 28, 28),
        (128, 14, 14),
        (128, 14, 14),
        (128, 7, 7),
        (128, 7, 7),
        (512, 7, 7),
    ]
    everywhere = network.embed[0]
    assert isinstance(everywhere, nn.Conv2d)
    assert (everywhere.kernel_size, everywhere.groups) == ((7, 7), 512)
    assert network(torch.zeros(2, 3, 112, 112)).shape == (2, 128)


def test_weights_and_products_are_those_of_the_paper() -> None:
    """0.99 million parameters and 221 million multiply-adds. Batch normalisation is a bias, as on a device."""
    network = MobileFaceNet(112, 112, 128).eval()
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, (nn.Conv2d, nn.PReLU)))
    weights += sum(module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert round(weights / 1e6, 2) == 0.99
    products = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal products
        assert isinstance(module, nn.Conv2d)
        products += module.weight.numel() * output.shape[2] * output.shape[3]

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 112, 112))
    assert round(products / 1e6) == 221


@pytest.mark.parametrize(("frames", "last"), [(313, 20), (16, 1), (17, 2), (1, 1)])
def test_the_last_convolution_spans_what_is_left(frames: int, last: int) -> None:
    """Four strides of 2, each rounded up: 128 mel bins give 8."""
    network = MobileFaceNet(128, frames, 256).eval()
    everywhere = network.embed[0]
    assert isinstance(everywhere, nn.Conv2d)
    assert everywhere.kernel_size == (8, last)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 128, frames)).shape == (1, 256)


@pytest.mark.parametrize(("out", "stride", "adds"), [(4, 1, True), (4, 2, False), (6, 1, False)])
def test_what_comes_in_is_added_where_nothing_changes_in_size(out: int, stride: int, adds: bool) -> None:
    bottleneck = Bottleneck(4, out, 2, stride).eval()
    x = torch.randn(1, 4, 5, 7)
    with torch.no_grad():
        inside = bottleneck.layers(x)
        torch.testing.assert_close(bottleneck(x), x + inside if adds else inside)
    assert inside.shape == (1, out, -(-5 // stride), -(-7 // stride))
