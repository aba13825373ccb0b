"""BEATs' positional convolution: what each patch takes in from its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asd_edge.export.layers.log_mel import fourier

_BLOCKS = 8
"""The number of pieces that the row of patches is cut into. More pieces overlap more; with fewer, transforms and
weights are larger."""


class PositionalConvolution(nn.Module):
    """A grouped convolution along the patches, ``(batch, patches, dim) -> (batch, patches, dim)``.

    Args:
        width: The number of channels, dim.
        kernel: The length of the kernel in patches. An even kernel has no middle; it reaches one patch further back
            than ahead.
        groups: The number of groups of channels; each is convolved by itself.
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; an even kernel, padded by half of it on both sides, gives one patch too many."""
        convolved: Tensor = self.convolution(x.transpose(1, 2))[:, :, : x.shape[1]]
        return convolved.transpose(1, 2)


class BlockConvolution(nn.Module):
    """The same convolution for a fixed number of patches, as products with matrices.

    Overlap-save: the row is cut into overlapping blocks, their discrete Fourier transforms, as products with a
    matrix, are multiplied with that of the kernel, and what is not spoilt by wrapping around is transformed back. It
    takes a third of the time of the direct convolution on a CPU and agrees with it to rounding.

    Args:
        convolution: The convolution to compute.
        patches: The number of patches in a window.
    """

    def __init__(self, convolution: PositionalConvolution, patches: int) -> None:
        super().__init__()
        direct = convolution.convolution
        (self.kernel,) = direct.kernel_size
        self.groups = direct.groups
        self.width = direct.out_channels
        self.patches = patches
        self.step = -(-patches // _BLOCKS)
        self.length = self.step + self.kernel - 1
        self.bins = self.length // 2 + 1
        real, imaginary = torch.from_numpy(fourier(self.length, self.length))  # (bins, length) each
        # The signal is real, so that each bin stands for two, except the first and, where the length is even, the last.
        share = torch.full((self.bins, 1), 2.0 / self.length, dtype=torch.float64)
        share[0] = 1.0 / self.length
        if self.length % 2 == 0:
            share[-1] = 1.0 / self.length
        # The product of complex numbers has four products: real by real is added to the real part and imaginary by
        # imaginary subtracted from it; the other two make the imaginary part.
        back = (share * torch.stack([real, imaginary, imaginary, -real])).flatten(0, 1)[:, : self.step]
        # The convolution of neural networks does not turn its kernel round: its transform is conjugated.
        weight = direct.weight.detach().double()  # (dim, dim / groups, kernel)
        spectrum = torch.stack([weight @ real.T[: self.kernel], -weight @ imaginary.T[: self.kernel]])
        per_group = spectrum.reshape(2, self.groups, -1, *spectrum.shape[2:])  # (2, groups, out, in, bins)
        kernel = per_group.permute(4, 1, 3, 0, 2).flatten(3)  # (bins, groups, in, 2 out)
        self.register_buffer("transform", torch.cat([real, imaginary]).float())
        self.register_buffer("back", back.T.float().contiguous())
        self.register_buffer("spectrum", kernel.float().contiguous())
        self.register_buffer("bias", torch.zeros(self.width) if direct.bias is None else direct.bias.detach().clone())
        self.transform: Tensor
        self.back: Tensor
        self.spectrum: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(batch, patches, dim)``."""
        channels = self.width // self.groups
        left = self.kernel // 2
        right = self.step * (_BLOCKS - 1) + self.length - left - self.patches
        padded = nn.functional.pad(x, (0, 0, left, right))
        starts = range(0, self.step * _BLOCKS, self.step)
        blocks = torch.stack([padded[:, start : start + self.length] for start in starts], dim=1)
        bins = torch.matmul(self.transform, blocks)  # (batch, blocks, 2 bins, dim)
        rows = bins.reshape(-1, 2, self.bins, self.groups, channels).permute(2, 3, 0, 1, 4)
        # (bins, groups, batch blocks, 2, in) with (bins, groups, in, 2 out): the four products of complex numbers
        product = torch.matmul(rows.flatten(2, 3), self.spectrum)
        product = product.reshape(self.bins, self.groups, -1, 2, 2, channels).permute(2, 3, 4, 0, 1, 5)
        convolved = torch.matmul(self.back, product.reshape(-1, 4 * self.bins, self.width))
        return convolved.reshape(-1, _BLOCKS * self.step, self.width)[:, : self.patches] + self.bias
