"""BEATs that is trained further, in part or as a whole.

What is trained are the weights as `load_beats` folds them, not those of the checkpoint. They span the same functions
and a little more: the gate of the position bias has rows of its own where the checkpoint sums four of the query's, and
the positional convolution is no longer normed by its taps. Keys have no bias, whose gradient is zero anyway.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.calibration.wording import counted
from asd_edge.export.beats.checkpoint import read_checkpoint
from asd_edge.export.beats.encoder import Beats, load_beats, position_bias

LAST_LAYERS = 4
"""The number of layers that are trained together with the positional convolution: [MM], section 2.1."""
UNFREEZE = ("last4", "all")


class TrainableBeats(nn.Module):
    """``(batch, samples) -> (batch, patches, dim)``, with a gradient for the weights that are trained.

    Args:
        encoder: The encoder, in which ``requires_grad`` says which weights are trained.
        table: The relative position bias of each bucket and head, ``(buckets, heads)``, where it is trained.
        max_distance: The distance in patches from which on all keys share a bucket of the table.
    """

    def __init__(self, encoder: Beats, table: Tensor | None = None, max_distance: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.table = None if table is None else nn.Parameter(table)
        self.max_distance = max_distance

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode ``(batch, samples)`` in [-1, 1]."""
        if self.table is None:
            return self.encoder(waveform)  # type: ignore[no-any-return]
        bias = {"position_bias": self._expanded(self.table)}
        return torch.func.functional_call(self.encoder, bias, (waveform,))  # type: ignore[no-any-return]

    def finished(self) -> Beats:
        """Give the encoder with the trained weights, in the form in which `load_beats` gives it."""
        if self.table is not None:
            self.encoder.position_bias = self._expanded(self.table.detach())
        return self.encoder.requires_grad_(False)

    def _expanded(self, table: Tensor) -> Tensor:
        return position_bias(table, self.encoder.patches, self.max_distance)


def load_trainable(checkpoint: Path, unfreeze: str, samples: int) -> TrainableBeats:
    """Load BEATs to train it further.

    Args:
        checkpoint: The checkpoint as Microsoft publishes it.
        unfreeze: ``last4``, the last four layers and the positional convolution; or ``all``, which is every weight
            behind the log-mel spectrogram, the table of relative positions among them.
        samples: The length of the window in samples at 16 kHz.

    Raises:
        InputError: `unfreeze` is not one of `UNFREEZE`, or the window is shorter than a patch.
        ModelError: The checkpoint cannot be used, or has fewer layers than are to be trained.
    """
    check_unfreeze(unfreeze)
    encoder = load_beats(checkpoint, samples=samples)
    if len(encoder.layers) < LAST_LAYERS:
        raise ModelError(
            f"The checkpoint has fewer than {LAST_LAYERS} layers to train.",
            got=f"{counted(len(encoder.layers), 'layer')}",
            valid=f"{LAST_LAYERS} layers or more, as every published BEATs has",
            next_step="give another --checkpoint",
        )
    if unfreeze == "last4":
        for part in (encoder.position, *encoder.layers[-LAST_LAYERS:]):
            part.requires_grad_(True)
        return TrainableBeats(encoder)
    encoder.requires_grad_(True)
    if encoder.position_bias is None:
        return TrainableBeats(encoder)
    config, weights = read_checkpoint(checkpoint)
    table = weights["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    return TrainableBeats(encoder, table, config.max_distance)


def check_unfreeze(unfreeze: str) -> None:
    """Refuse a value that is not one of `UNFREEZE`.

    Raises:
        InputError: The value is another.
    """
    if unfreeze not in UNFREEZE:
        raise InputError(
            "BEATs cannot be unfrozen like that.",
            got=unfreeze,
            valid="last4, the last four layers and the positional convolution, or all",
            next_step="try --unfreeze last4",
        )
