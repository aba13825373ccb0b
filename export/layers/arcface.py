"""ArcFace: classification by angle, with a margin around the right class."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_SINE_SQUARED_FLOOR = 1e-7
"""The floor under 1 - cos^2, about what single precision rounds to nothing there. With it the root has a finite slope,
and the angle an error of 3e-4 at the very poles."""


class ArcFace(nn.Module):
    """Cross-entropy of the classes' angles, [ASP] equations (7) and (8); Deng et al., CVPR 2019.

    With c_j the weight vector of class j and y the right class::

        logit_j = s cos(theta_j + m)  for j = y, s cos(theta_j) otherwise      (7)
        cos(theta_j) = e' c_j / (|e| |c_j|)                                    (8)

    The angle itself is never computed, as the slope of arccos is infinite where an embedding lies on the vector of a
    class or opposite to it: cos(theta + m) = cos(theta) cos(m) - sin(theta) sin(m), with a floor under the sine. Value
    and gradient are finite everywhere.

    Beyond theta = pi - m, equation (7) is computed as it is written: the logit of the right class has its smallest
    value, -s, at pi - m and rises from there to -s cos(m) at pi, where it is larger than without a margin. The gradient
    leads such an embedding away from its class. Programs for faces continue with cos(theta) - m sin(m) instead, or
    leave the margin away there (an "easy margin"). [ASP] mentions neither, and neither changes anything in practice:
    with m = 0.5 the angle would have to be above 151 degrees, and fresh class vectors of 256 or 512 dimensions stand at
    90 degrees to an embedding, give or take 4.

    Args:
        width: The width of the embeddings, E.
        classes: The number of classes, two or more.
        scale: The scale s; 30 in [ASP], below equation (8).
        margin: The margin m in radians; 0.5 there.
    """

    def __init__(self, width: int, classes: int, scale: float, margin: float) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"there must be two classes or more to tell apart, not {classes}")
        self.weight = nn.Parameter(torch.randn(classes, width) * width**-0.5)
        self.scale = scale
        self.margin = margin

    def logits(self, embedding: Tensor, label: Tensor) -> Tensor:
        """Give the logits ``(batch, classes)`` of ``(batch, width)`` embeddings with labels ``(batch,)``."""
        normalise = nn.functional.normalize
        cosine = nn.functional.linear(normalise(embedding), normalise(self.weight)).clamp(-1.0, 1.0)
        sine = (1.0 - cosine.square()).clamp(min=_SINE_SQUARED_FLOOR).sqrt()
        with_margin = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        is_right = nn.functional.one_hot(label, len(self.weight)).to(torch.bool)
        return self.scale * torch.where(is_right, with_margin, cosine)

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        """Give the loss of each sample, ``(batch,)``; a sample whose label is -1 has none, and its loss is 0."""
        logits = self.logits(embedding, label.clamp(min=0))
        return nn.functional.cross_entropy(logits, label, ignore_index=-1, reduction="none")
