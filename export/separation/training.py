"""Training a separator on mixtures whose parts are known."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import cast

import torch
from torch import Tensor, nn

from asd_edge.calibration.wording import counted
from asd_edge.export.separation.mixtures import Mixtures, Sources, find_sources
from asd_edge.export.separation.separator import NAME, SIZES, save_separator
from asd_edge.export.separation.settings import MixSettings, SeparatorSettings
from asd_edge.export.separation.tf_locoformer import LocoformerSettings, TfLocoformer
from asd_edge.export.training.job import Job, Preparation
from asd_edge.export.training.settings import LoopSettings, values_of

log = logging.getLogger(__name__)

_LEAST = 1e-8
"""The energy that is added to both sides of a ratio, so that silence gives a number."""


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al., ICASSP 2019, equation 3), in decibels.

    With s the target, e the estimate and a = <e, s> / |s|^2: 10 log10(|a s|^2 / |a s - e|^2).

    Args:
        estimate: The sounds that are measured, ``(..., samples)``.
        target: The sounds that they should be, ``(..., samples)``.

    Returns:
        The ratio of each sound, ``(...)``.
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
        size: The size of the network.
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


def jobs(chosen: SeparatorSettings, preparation: Preparation) -> Iterator[Job]:
    """Describe the training of one separator on the sounds that a data set offers to mix.

    Args:
        chosen: The settings: what is trained, and from what.
        preparation: The processor, and what is done about damaged clips.

    Raises:
        InputError: The folder does not fit the layout, or holds nothing to mix.
        SoundError: A clip is damaged, and damaged clips are not skipped.
    """
    log.info("Reading %s ...", chosen.data)
    yield separator_job(chosen, find_sources(chosen.data, chosen.steady, chosen.channel, preparation.damaged))


def separator_job(chosen: SeparatorSettings, sources: Sources, size: LocoformerSettings | None = None) -> Job:
    """Describe the training of a separator on given sources, to a file that `load_separator` reads.

    Args:
        chosen: The settings: how it is trained, and where it is written.
        sources: The sounds that are mixed.
        size: The sizes of the network; those of the settings' `size` when left out.
    """
    network = size or SIZES[chosen.size]

    def write(module: nn.Module) -> None:
        save_separator(chosen.output, cast(SeparatorTraining, module).network, network, chosen.samples)

    provenance = {
        "system": NAME,
        "size": asdict(network),
        "mixing": values_of(chosen, MixSettings),
        "training": values_of(chosen, LoopSettings),
        "data": {
            "sha256": sources.digest(),
            "foregrounds": len(sources.foregrounds),
            "backgrounds": len(sources.backgrounds),
            "channel": str(chosen.channel),
        },
    }
    return Job(
        f"{NAME}, {chosen.size}: {counted(chosen.mixtures, 'mixture')} of {chosen.segment_s:g} s in an epoch",
        chosen.output,
        provenance,
        Mixtures(sources, chosen, chosen.channel),
        lambda: SeparatorTraining(network),
        write,
    )
