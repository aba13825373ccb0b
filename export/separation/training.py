"""Training a separator on mixtures whose parts are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from asd_edge.calibration.atomic_files import check_writable
from asd_edge.calibration.audio.channels import Channel
from asd_edge.export.separation.mixtures import MixSettings, Mixtures, Sources
from asd_edge.export.separation.separator import SIZES, SYSTEM, Separator, save_separator
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer
from asd_edge.export.training.run_folder import RunFolder
from asd_edge.export.training.trainer import TrainSettings, computer, train

SEPARATOR_TRAINING = TrainSettings(epochs=10, batch=8, learning_rate=1e-3, weight_decay=1e-2, falling=True)
"""AdamW, its rate and its weight decay are those of the authors' program; falling to zero takes the place of a
rate that is halved when validation stands still."""
MIXING = MixSettings()
_LEAST = 1e-8
"""Energy that is added to both sides of a ratio, so that silence gives a number."""


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al., ICASSP 2019, equation 3), in decibels.

    With s the target, e the estimate and a = <e, s> / |s|^2: 10 log10(|a s|^2 / |a s - e|^2).

    Args:
        estimate: ``(..., samples)``.
        target: ``(..., samples)``.

    Returns:
        ``(...)``.
    """
    scale = (estimate * target).sum(dim=-1, keepdim=True) / (target.square().sum(dim=-1, keepdim=True) + _LEAST)
    projected = scale * target
    signal, distortion = projected.square().sum(dim=-1), (projected - estimate).square().sum(dim=-1)
    return 10.0 * torch.log10((signal + _LEAST) / (distortion + _LEAST))


class SeparatorTraining(nn.Module):
    """The network with its loss, the negative SI-SDR, mean over both parts.

    The order of the parts is fixed, foreground before background, as they differ in kind: there is no permutation to
    search, unlike between two speakers.

    Args:
        size: Of the network.
    """

    def __init__(self, size: LocoformerSettings) -> None:
        super().__init__()
        self.network = TfLocoformer(size)

    def forward(self, mixture: Tensor, parts: Tensor) -> dict[str, Tensor]:
        """The losses of ``(batch, samples)`` with parts ``(batch, 2, samples)``, in decibels."""
        foreground, background = -si_sdr(self.network(mixture), parts).mean(dim=0)
        return {
            "loss": 0.5 * (foreground + background),
            "foreground": foreground.detach(),
            "background": background.detach(),
        }


def train_separator(
    sources: Sources,
    output: Path,
    size: LocoformerSettings = SIZES["small"],
    mixing: MixSettings = MIXING,
    training: TrainSettings = SEPARATOR_TRAINING,
    *,
    channel: Channel = 1,
    accelerator: str = "auto",
    workers: int = 0,
    resume: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Separator:
    """Train a separator, from sources to a file that `load_separator` reads.

    Args:
        sources: What is mixed; `find_sources` finds what a data set offers.
        output: The ``.pt`` file to write. Beside it, ``<name>.run`` keeps the run.
        size: Of the network.
        mixing: How mixtures are made.
        training: How.
        channel: Of the sound files.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        workers: Processes that mix ahead.
        resume: Go on with a run that was stopped; it begins where there is none.
        tell: Called with what is being done.

    Returns:
        The separator, on the CPU.

    Raises:
        InputError: The output cannot be written, or as `train` says.
        SoundError: A clip has become unreadable meanwhile.
    """
    check_writable(output)
    fabric = computer(accelerator)
    made_of = {
        "system": SYSTEM,
        "size": asdict(size),
        "mixing": asdict(mixing),
        "training": asdict(training),
        "data": {
            "sha256": sources.digest(),
            "foregrounds": len(sources.foregrounds),
            "backgrounds": len(sources.backgrounds),
            "channel": str(channel),
        },
    }
    tell(f"{SYSTEM}: {mixing.mixtures} mixtures of {mixing.segment_s:g} s in an epoch")
    run = RunFolder(output.with_suffix(".run"), made_of, resume)
    mixtures = Mixtures(sources, mixing, channel)
    module = cast(SeparatorTraining, train(lambda: SeparatorTraining(size), mixtures, training, run, fabric, workers))
    save_separator(output, module.network, size, mixing.samples)
    return Separator(module.network, mixing.samples)
