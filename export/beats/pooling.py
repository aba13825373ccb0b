"""From patch features to one embedding: ``(batch, patches, dim) -> (batch, out)``.

Patches come in one row, all mel blocks of a time block side by side: patch ``p = 8 t + f``. All poolings but the
relative deviation take them as one sequence, as [ASP] does, unless the mel blocks of a time block are made one vector
first (`PoolingOverTime`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError
from asd_edge.export.beats.head_origin import HeadOrigin
from asd_edge.export.training.provenance import parse_origin
from asd_edge.export.weights_file import check_weights, read_weights

MEL_BLOCKS = 8
"""The number of BEATs' patches in one time block: 128 mel bins in blocks of 16."""
VARIANCE_FLOOR = 1e-6
"""The floor under a variance. It keeps the slope and the logarithm of the deviation finite where nothing changes;
features are of order one."""
_TINY = 1e-6
"""A number below the rounding error of features of order one: smaller numbers are taken for zero, or for this one."""
_TRAIN_A_HEAD = "give what `asd-edge train beats-asp` wrote, or choose a pooling that needs no training, such as rdp"


class MeanPooling(nn.Module):
    """The mean over all patches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dimensions = width

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, dim)``."""
        return x.mean(dim=1)


class StatisticsPooling(nn.Module):
    """Mean and deviation over all patches: `AttentiveStatisticsPooling` where every patch has the same weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dimensions = 2 * width

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, 2 dim)``."""
        mean = x.mean(dim=1, keepdim=True)
        return torch.cat([mean.squeeze(1), _deviation((x - mean).square().mean(dim=1))], dim=1)


class AttentiveStatisticsPooling(nn.Module):
    """Attentive statistics pooling, [ASP] equations (2) to (5).

    With x_p the features of patch p::

        alpha_p = softmax_p(v_a' tanh(W_a x_p))                   (2)
        mu      = sum_p alpha_p x_p                               (3)
        sigma   = sqrt(max(sum_p alpha_p (x_p - mu)^2, 1e-6))     (4), with a floor
        z       = [mu; sigma]                                     (5)

    The weights of a new module are random and wait to be trained; `load_head` reads trained ones.

    Args:
        width: The width of the features.
        attention_dim: The width d_a of the attention's inner layer.
    """

    def __init__(self, width: int, attention_dim: int) -> None:
        super().__init__()
        self.dimensions = 2 * width
        # Their names are the paper's, and those in a trained head's file.
        self.W_a = nn.Parameter(torch.randn(attention_dim, width) * width**-0.5)
        self.v_a = nn.Parameter(torch.randn(attention_dim) * attention_dim**-0.5)
        self.origin: HeadOrigin | None = None
        """What the file of the weights said about their training, if it said anything."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pool ``(batch, patches, dim)`` to ``(batch, 2 dim)``; with the attention weights, ``(batch, patches)``."""
        energy = torch.matmul(torch.tanh(nn.functional.linear(x, self.W_a)), self.v_a)  # (batch, patches)
        alpha = energy.softmax(dim=1)
        weights = alpha.unsqueeze(1)
        mean = torch.matmul(weights, x)  # (batch, 1, dim)
        variance = torch.matmul(weights, (x - mean).square()).squeeze(1)
        return torch.cat([mean.squeeze(1), _deviation(variance)], dim=1), alpha


class RelativeDeviationPooling(nn.Module):
    """Relative deviation pooling, arXiv 2603.04605, section III-E: what stands out in time weighs more.

    With x_t the features at time t and m their mean over time::

        d_t = |x_t - m|
        r_t = d_t / max_t d_t
        w_t = (1 + r_t)^gamma / sum_t (1 + r_t)^gamma
        z   = sum_t w_t x_t

    The paper leaves open what a time is where features come from several mel blocks at once. Here each mel block is a
    sequence of its own, with its own mean, maximum and sum, and the eight results are averaged: mel blocks always
    differ from each other, and that is no deviation over time. Where nothing changes, all times weigh the same.
    `PoolingOverTime` makes one vector of the mel blocks of a time instead, as the public program of the first author
    does.

    Args:
        width: The width of the features.
        gamma: The exponent of deviation; 0 gives the mean. 19 was the paper's best for BEATs over the development
            sets of five years of DCASE.
        mel_blocks: The number of patches in one time block.
    """

    def __init__(self, width: int, gamma: float = 19.0, mel_blocks: int = MEL_BLOCKS) -> None:
        super().__init__()
        self.dimensions = width
        self.gamma = gamma
        self.mel_blocks = mel_blocks

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, dim)``."""
        return torch.matmul(self.weights(x).unsqueeze(1), x).squeeze(1)

    def weights(self, x: Tensor) -> Tensor:
        """The weight of each patch of ``(batch, patches, dim)``: ``(batch, patches)``, of sum 1."""
        batch, patches, width = x.shape
        blocks = x.reshape(batch, patches // self.mel_blocks, self.mel_blocks, width)
        deviation = torch.linalg.vector_norm(blocks - blocks.mean(dim=1, keepdim=True), dim=3)
        relative = deviation / deviation.amax(dim=1, keepdim=True).clamp(min=_TINY)
        raised = (1.0 + relative).pow(self.gamma)  # (batch, times, mel blocks)
        weights: Tensor = raised / (self.mel_blocks * raised.sum(dim=1, keepdim=True))
        return weights.flatten(1)


class GeneralisedMeanPooling(nn.Module):
    """Generalised mean (GeM) of every feature over all patches: (mean_p max(x_p, 0)^p)^(1/p).

    Features below zero count as nothing, as in image retrieval, where it comes from (Radenović et al., *Fine-tuning
    CNN image retrieval with no human annotation*, 2019), and as in arXiv 2603.04605, section III-D: the mean then
    lies between mean and maximum whatever p is. The absolute value did no better there, and a signed power would let
    a strong positive and a strong negative response cancel.

    Args:
        width: The width of the features.
        power: The power p. 1 gives the mean of what is above zero, and a large power the maximum. 10 was the best for
            BEATs in arXiv 2603.04605.
    """

    def __init__(self, width: int, power: float = 10.0) -> None:
        super().__init__()
        self.dimensions = width
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, dim)``."""
        return _generalised_mean(x, torch.full_like(x[:, :, 0], 1.0 / x.shape[1]), self.power)


class DeviationGeneralisedMeanPooling(nn.Module):
    """Generalised mean with the weights of relative deviation pooling, arXiv 2603.04605, section III-F.

    (sum_p w_p max(x_p, 0)^p)^(1/p). Of the paper's methods this has the best results for BEATs on DCASE 2025: Ω of
    0.640 on the development set and 0.624 on the evaluation set, with gamma = 16 and p = 3.
    """

    def __init__(self, width: int, gamma: float = 16.0, power: float = 3.0, mel_blocks: int = MEL_BLOCKS) -> None:
        super().__init__()
        self.dimensions = width
        self.power = power
        self.deviation = RelativeDeviationPooling(width, gamma, mel_blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, dim)``."""
        return _generalised_mean(x, self.deviation.weights(x), self.power)


class PoolingOverTime(nn.Module):
    """Makes one vector of the mel blocks of each time block, and pools these over time.

    Args:
        pooling: The pooling of the vectors, which takes each of them for one mel block.
        concatenated: Whether the features of the mel blocks stand one behind the other, 8 x 768 = 6144 of them, as in
            the public program of the first author of arXiv 2603.04605, which compares embeddings by their cosine. They
            are averaged otherwise.
        mel_blocks: The number of patches in one time block.
    """

    def __init__(self, pooling: nn.Module, concatenated: bool, mel_blocks: int = MEL_BLOCKS) -> None:
        super().__init__()
        self.pooling = pooling
        self.dimensions = cast(int, pooling.dimensions)
        self.concatenated = concatenated
        self.mel_blocks = mel_blocks

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(batch, patches, dim)`` to ``(batch, out)``."""
        batch, patches, width = x.shape
        blocks = x.reshape(batch, patches // self.mel_blocks, self.mel_blocks, width)
        pooled: Tensor = self.pooling(blocks.flatten(2) if self.concatenated else blocks.mean(dim=2))
        return pooled


TRAINED = "asp"
"""The pooling that is nothing without trained weights."""
UNTRAINED: dict[str, Callable[[int, int], nn.Module]] = {
    "mean": lambda width, _: MeanPooling(width),
    "stats": lambda width, _: StatisticsPooling(width),
    "rdp": lambda width, mel_blocks: RelativeDeviationPooling(width, mel_blocks=mel_blocks),
    "gem": lambda width, _: GeneralisedMeanPooling(width),
    "rdp-gem": lambda width, mel_blocks: DeviationGeneralisedMeanPooling(width, mel_blocks=mel_blocks),
}
"""The poolings without weights, made of the width of the features and the number of patches in one time block."""
POOLINGS = (TRAINED, *UNTRAINED)
APART = "apart"
CONCATENATED = "concatenate"
MEL_BLOCK_MODES = (APART, "average", CONCATENATED)
"""What the mel blocks of a time block are before pooling: patches of their own, or one vector for all of them."""


def build_pooling(name: str, width: int, head: Path | None = None, mel_block_mode: str = APART) -> nn.Module:
    """Make the pooling of a name, ready to export.

    Args:
        name: One of `POOLINGS`.
        width: The width of the features.
        head: The trained weights; ``asp`` needs them, and no other pooling takes any.
        mel_block_mode: One of `MEL_BLOCK_MODES`; ``asp`` was trained on mel blocks apart from each other.

    Returns:
        ``(batch, patches, width) -> (batch, out)``, with ``out`` in its attribute ``dimensions``; ``asp`` gives its
        attention weights as a second output.

    Raises:
        InputError: There is no pooling of that name, it cannot take the mel blocks like that, or a head is missing or
            too much.
        ModelError: The head cannot be used (`load_head`).
    """
    if mel_block_mode not in MEL_BLOCK_MODES:
        raise InputError(
            "Mel blocks cannot be taken like that.",
            got=mel_block_mode,
            valid=", ".join(MEL_BLOCK_MODES),
            next_step="choose one of these with --mel-blocks",
        )
    if name not in POOLINGS:
        raise InputError(
            "There is no pooling of that name.",
            got=name,
            valid=", ".join(POOLINGS),
            next_step="choose one of these with --pooling",
        )
    if name == TRAINED:
        if mel_block_mode != APART:
            raise InputError(
                "Attentive statistics pooling was trained on mel blocks apart from each other.",
                got=f"--mel-blocks {mel_block_mode}",
                valid=APART,
                next_step="leave --mel-blocks away, or choose a pooling that needs no training, such as rdp-gem",
            )
        if head is None:
            raise InputError(
                "Attentive statistics pooling needs a trained head.",
                got="no head",
                valid="a .pt file with W_a and v_a",
                next_step=_TRAIN_A_HEAD,
            )
        return load_head(head, width)
    if head is not None:
        raise InputError(
            f"The pooling {name} has nothing to train, so it takes no head.",
            got=head,
            valid="no head",
            next_step=f"leave the head out, or choose --pooling {TRAINED}",
        )
    if mel_block_mode == APART:
        return UNTRAINED[name](width, MEL_BLOCKS)
    concatenated = mel_block_mode == CONCATENATED
    return PoolingOverTime(UNTRAINED[name](MEL_BLOCKS * width if concatenated else width, 1), concatenated)


def load_head(path: Path, width: int) -> AttentiveStatisticsPooling:
    """Load a trained head, the state of an `AttentiveStatisticsPooling`: ``{"W_a": (d_a, width), "v_a": (d_a,)}``.

    Under ``origin``, the file may say what the head was trained on.

    Args:
        path: The ``.pt`` file. Nothing in it is executed.
        width: The width of the features that the head will pool.

    Raises:
        ModelError: The file cannot be read, is not such a head, or was trained on features of another width.
    """
    loaded = dict(read_weights(path, "a trained head", _TRAIN_A_HEAD))
    origin = loaded.pop("origin", None)
    lengths = [
        len(weight)
        for weight, axes in ((loaded.get("W_a"), 2), (loaded.get("v_a"), 1))
        if isinstance(weight, Tensor) and weight.ndim == axes and len(weight) > 0
    ]
    attention_dim = lengths[0] if lengths else 1  # where neither weight is usable, any length refuses them
    shapes = (("W_a", (attention_dim, width)), ("v_a", (attention_dim,)))
    module = AttentiveStatisticsPooling(width, attention_dim)
    module.load_state_dict(check_weights(loaded, iter(shapes), path, _TRAIN_A_HEAD))
    module.origin = None if origin is None else parse_origin(HeadOrigin, origin, path, "train the head again")
    return module.eval().requires_grad_(False)


def _deviation(variance: Tensor) -> Tensor:
    return variance.clamp(min=VARIANCE_FLOOR).sqrt()


def _generalised_mean(x: Tensor, weights: Tensor, power: float) -> Tensor:
    """The mean of ``(batch, patches, dim)`` under weights ``(batch, patches)`` of sum 1: ``(batch, dim)``."""
    positive = x.clamp(min=_TINY)
    # Relative to the largest, no power leaves the range of single precision.
    largest = positive.amax(dim=1, keepdim=True)
    mean = torch.matmul(weights.unsqueeze(1), (positive / largest).pow(power))  # (batch, 1, dim)
    return (largest * mean.pow(1.0 / power)).squeeze(1)
