"""Alignment of modalities: how far two sets of vectors are from one distribution.

Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A Kernel Two-Sample Test", Journal of Machine Learning Research 13, 2012.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_WIDTHS = (0.25, 1.0, 4.0)
"""Variances of the Gaussian kernels, relative to the squared median distance: narrower ones see fine differences, wider
ones still have a slope where the sets lie far apart."""


def squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """The square of the maximum mean discrepancy, the biased estimate of equation (5) there.

    With k the mean of Gaussian kernels, ``exp(-|a - b|^2 / (2 w s^2))``, and s the median distance between any two
    vectors of both sets (section 8 there), which counts as a constant::

        mean_ij k(x_i, x_j) - 2 mean_ij k(x_i, y_j) + mean_ij k(y_i, y_j)

    It is 0 or more, and 0 for equal sets.

    Args:
        x: ``(m, dim)``.
        y: ``(n, dim)``.
    """
    both = torch.cat([x, y])
    squared = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist").square()  # (m + n, m + n)
    typical = nn.functional.pdist(both.detach()).median().square().clamp(min=torch.finfo(both.dtype).tiny)
    kernel = torch.stack([torch.exp(-squared / (2.0 * width * typical)) for width in _WIDTHS]).mean(dim=0)
    m = len(x)
    return kernel[:m, :m].mean() - 2.0 * kernel[:m, m:].mean() + kernel[m:, m:].mean()
