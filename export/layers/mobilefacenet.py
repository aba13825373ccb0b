"""MobileFaceNet: a small convolutional network from a picture to an embedding.

Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices",
Chinese Conference on Biometric Recognition, 2018.
"""

from __future__ import annotations

from torch import Tensor, nn

_CHANNELS = 64
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Each row of bottlenecks in Table 1: the expansion, the output channels, the number of bottlenecks, and the stride of
the first one."""
_LAST_CHANNELS = 512


class MobileFaceNet(nn.Module):
    """``(batch, 3, height, width) -> (batch, dimensions)``, layer by layer as in Table 1.

    Pictures of other sizes than the paper's 112 by 112 differ in one layer: the kernel of the global depth-wise
    convolution, which gives every place in the last feature map a weight of its own where other networks take the mean.

    Args:
        height: The height of the pictures.
        width: The width of the pictures.
        dimensions: The length of the embedding.
    """

    def __init__(self, height: int, width: int, dimensions: int) -> None:
        super().__init__()
        layers = [
            _convolution(3, _CHANNELS, 3, stride=2),
            nn.PReLU(_CHANNELS),
            _convolution(_CHANNELS, _CHANNELS, 3, groups=_CHANNELS),
            nn.PReLU(_CHANNELS),
        ]
        channels, strides = _CHANNELS, [2]
        for expansion, out, number, first_stride in _BOTTLENECKS:
            for stride in (first_stride, *[1] * (number - 1)):
                layers.append(Bottleneck(channels, out, expansion, stride))
                channels = out
                strides.append(stride)
        for stride in strides:
            height, width = -(-height // stride), -(-width // stride)
        layers += [_convolution(channels, _LAST_CHANNELS, 1), nn.PReLU(_LAST_CHANNELS)]
        self.features = nn.Sequential(*layers)
        everywhere = nn.Conv2d(_LAST_CHANNELS, _LAST_CHANNELS, (height, width), groups=_LAST_CHANNELS, bias=False)
        self.embed = nn.Sequential(
            everywhere, nn.BatchNorm2d(_LAST_CHANNELS), _convolution(_LAST_CHANNELS, dimensions, 1), nn.Flatten()
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Embed ``(batch, 3, height, width)``."""
        embedding: Tensor = self.embed(self.features(pictures))
        return embedding


class Bottleneck(nn.Module):
    """An inverted bottleneck: more channels, a convolution of each by itself, and fewer channels without activation.

    The input is added to the output where both have the same size.

    Args:
        channels: The number of channels of the input.
        out: The number of channels of the output.
        expansion: The factor by which there are more channels inside.
        stride: The stride of the convolution inside.
    """

    def __init__(self, channels: int, out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.layers = nn.Sequential(
            _convolution(channels, inner, 1),
            nn.PReLU(inner),
            _convolution(inner, inner, 3, stride, groups=inner),
            nn.PReLU(inner),
            _convolution(inner, out, 1),
        )
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``(batch, channels, height, width)``."""
        narrowed: Tensor = self.layers(x)
        return x + narrowed if self.adds else narrowed


def _convolution(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, divided by the stride and rounded up, and its batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)
    )
