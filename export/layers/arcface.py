"""ArcFace: classification by angle, with a margin around the right class."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SCALE = 30.0
"""s in [ASP], below equation (8)."""
MARGIN = 0.5
"""m there, in radians."""
_SINE_SQUARED_FLOOR = 1e-7
"""What 1 - cos^2 rounds to nothing in single precision. The root of it has a finite slope, and the angle an error of
3e-4 at the very poles."""


class ArcFace(nn.Module):
    """Cross-entropy of the classes' angles, [ASP] equations (7) and (8); Deng et al., CVPR 2019.

    With c_j the weight vector of class j and y the right class::

        logit_j = s cos(theta_j + m)  for j = y, s cos(theta_j) otherwise      (7)
        cos(theta_j) = e' c_j / (|e| |c_j|)                                    (8)

    The angle itself is never computed, as the slope of arccos is infinite where an embedding lies on the vector of a
    class or opposite to it: cos(theta + m) = cos(theta) cos(m) - sin(theta) sin(m), with a floor under the sine. Value
    and gradient are finite everywhere.

    Args:
        width: Of the embeddings, E.
        classes: How many; two or more.
        scale: s.
        margin: m in radians.
    """

    def __init__(self, width: int, classes: int, scale: float = SCALE, margin: float = MARGIN) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"there must be two classes or more to tell apart, not {classes}")
        self.weight = nn.Parameter(torch.randn(classes, width) * width**-0.5)
        self.scale = scale
        self.margin = margin

    def logits(self, embedding: Tensor, label: Tensor) -> Tensor:
        """The logits of ``(batch, width)`` embeddings with labels ``(batch,)``: ``(batch, classes)``."""
        normalise = nn.functional.normalize
        cosine = nn.functional.linear(normalise(embedding), normalise(self.weight)).clamp(-1.0, 1.0)
        sine = (1.0 - cosine.square()).clamp(min=_SINE_SQUARED_FLOOR).sqrt()
        with_margin = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        is_right = nn.functional.one_hot(label, len(self.weight)).to(torch.bool)
        return self.scale * torch.where(is_right, with_margin, cosine)

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        """The loss of each sample, ``(batch,)``; 0 for one without a label, which is -1."""
        logits = self.logits(embedding, label.clamp(min=0))
        return nn.functional.cross_entropy(logits, label, ignore_index=-1, reduction="none")
