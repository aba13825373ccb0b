"""How far apart two sets of vectors are as distributions: the maximum mean discrepancy, as a loss that aligns them.

Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A Kernel Two-Sample Test", Journal of Machine Learning Research 13, 2012.

Both estimates are unbiased: their mean over all samples of one distribution is 0. The biased estimate, equation (5)
there, has a mean of .058 over sets of 16 vectors that are equally distributed, and a loss that cannot fall below that
goes on to push the vectors of each set apart. An estimate may be below 0.

The mean of the unbiased estimates of parts of a batch is an unbiased estimate for the whole batch, and so is its
gradient. A step that is accumulated over 4 parts of 16 windows therefore learns what one over 64 would learn, with more
noise, as no pair of windows from two parts is looked at; to look at those, every window would have to go through the
encoder twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_WIDTHS = (0.25, 1.0, 4.0)
"""The variances of the Gaussian kernels, relative to the squared median distance: narrow ones see fine differences,
wide ones still have a slope where the sets lie far apart."""


def squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """The square of the maximum mean discrepancy of two sets that were drawn independently, equation (3) there.

    With k the mean of Gaussian kernels, ``exp(-|a - b|^2 / (2 w s^2))``, and s the median distance between any two
    vectors of both sets (section 8 there), which counts as a constant::

        mean_{i != j} k(x_i, x_j) - 2 mean_{i, j} k(x_i, y_j) + mean_{i != j} k(y_i, y_j)

    Args:
        x: The first set, ``(m, dim)``, of two vectors or more.
        y: The second set, ``(n, dim)``, of two vectors or more.
    """
    within_x, across, within_y = _kernels(x, y)
    return _mean_of_others(within_x) - 2.0 * across.mean() + _mean_of_others(within_y)


def squared_mmd_of_pairs(x: Tensor, y: Tensor) -> Tensor:
    """The same for two sets whose vectors belong together in pairs, such as two modalities of the same windows.

    x_i and y_i are not independent, so that no term has both (equation (4) there)::

        mean_{i != j} k(x_i, x_j) - k(x_i, y_j) - k(y_i, x_j) + k(y_i, y_j)

    Args:
        x: The first vectors of the pairs, ``(n, dim)``, of two pairs or more.
        y: The second vectors, ``(n, dim)``.
    """
    within_x, across, within_y = _kernels(x, y)
    return _mean_of_others(within_x - across - across.T + within_y)


def _kernels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The kernel of any two vectors of x, ``(m, m)``, of one of x and one of y, ``(m, n)``, and of y, ``(n, n)``."""
    both = torch.cat([x, y])
    squared = torch.cdist(both, both, compute_mode="donot_use_mm_for_euclid_dist").square()  # (m + n, m + n)
    typical = nn.functional.pdist(both.detach()).median().square().clamp(min=torch.finfo(both.dtype).tiny)
    kernel = torch.stack([torch.exp(-squared / (2.0 * width * typical)) for width in _WIDTHS]).mean(dim=0)
    m = len(x)
    return kernel[:m, :m], kernel[:m, m:], kernel[m:, m:]


def _mean_of_others(kernel: Tensor) -> Tensor:
    """The mean of a square matrix without its diagonal, where a vector meets itself."""
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
