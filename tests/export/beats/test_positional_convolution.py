"""The positional convolution as products with matrices, against the convolution itself."""

from __future__ import annotations

import pytest
import torch

from asd_edge.export.beats.positional_convolution import BlockConvolution, PositionalConvolution


@pytest.mark.parametrize(
    ("width", "kernel", "groups", "patches"),
    [(48, 128, 16, 496), (12, 16, 4, 48), (12, 5, 3, 50), (6, 16, 1, 7), (4, 1, 2, 9), (8, 8, 8, 1)],
)
def test_blocks_give_the_same(width: int, kernel: int, groups: int, patches: int) -> None:
    """Even and odd kernels, blocks that are full and that are not, and fewer patches than the kernel is long."""
    torch.manual_seed(0)
    direct = PositionalConvolution(width, kernel, groups).eval().requires_grad_(False)
    x = torch.randn(3, patches, width)
    expected = torch.nn.functional.conv1d(
        x.transpose(1, 2).double(),
        direct.convolution.weight.double(),
        direct.convolution.bias.double() if direct.convolution.bias is not None else None,
        padding=kernel // 2,
        groups=groups,
    )[:, :, :patches].transpose(1, 2)
    torch.testing.assert_close(direct(x).double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(BlockConvolution(direct, patches)(x).double(), expected, rtol=0, atol=1e-5)
