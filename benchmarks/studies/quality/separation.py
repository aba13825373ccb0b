"""How well a small separator takes two machines apart.

Clips of one machine are the foreground, those of another the background, so that both parts of every mixture are known.
The separator trains on three clips of four; what is measured are mixtures of the others. Beside it stand the mixture
itself, the prior that pseudo-labels are made by, which knows nothing of either machine, and a filter that knows the
median spectrum of each from the same clips that the separator learned from.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from asd_edge.benchmarks.probes.host import describe_host
from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.settings import Setting, settings
from asd_edge.calibration.wording import counted
from asd_edge.export.separation.mixtures import Mixtures, Source, Sources
from asd_edge.export.separation.separator import load_separator
from asd_edge.export.separation.settings import MixSettings, SeparatorSettings
from asd_edge.export.separation.steady_part import split_by_steadiness
from asd_edge.export.separation.tf_locoformer import Stft
from asd_edge.export.separation.training import separator_job, si_sdr
from asd_edge.export.training.clips import read_training_clips
from asd_edge.export.training.job import train

EPOCHS, MIXTURES = 5, 400
_BATCH, _LEARNING_RATE, _SEGMENT_S = 4, 2e-3, 1.0
HELD_OUT = MixSettings(mixtures=100, segment_s=4.0, seed=1_000_000)
"""The mixtures to measure are longer than the pieces, so that these are put together as they are of whole clips."""
_EVERY = 4
"""Of so many clips of a machine, one is held out."""
_FRAME, _HOP = 1024, 256

log = logging.getLogger(__name__)
Separate = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@settings
class SeparationSettings:
    """Which machines to take apart, and how to train."""

    data: Annotated[Path, Setting("A folder in the layout of DCASE Task 2.")]
    foreground: Annotated[str, Setting("The machine whose sound is wanted.")] = "slider"
    background: Annotated[str, Setting("The machine whose sound is mixed into it.")] = "drone"
    seeds: Annotated[
        tuple[int, ...],
        Setting(
            "A seed of the first weights, the mixtures and their order; the option can be repeated.",
            "--seed",
            at_least=0,
            at_most=2**32 - 1,
        ),
    ] = (0, 1, 2)
    epochs: Annotated[int, Setting("How often to go through the mixtures.", at_least=1, at_most=1000000)] = EPOCHS
    mixtures: Annotated[int, Setting("The mixtures of an epoch.", at_least=1, at_most=100000000)] = MIXTURES


@dataclass(frozen=True)
class Gain:
    """How well a method separates the mixtures that were held out."""

    method: str
    si_sdr_db: NDArray[np.float32]
    """the SI-SDR of every mixture's parts, ``(mixtures, 2)``, foreground first"""
    mixture_db: NDArray[np.float32]
    """the same of the mixture itself, in the place of each part"""

    @property
    def improvement_db(self) -> NDArray[np.float32]:
        """How much better each mixture became, mean over its parts: ``(mixtures,)``."""
        return np.asarray((self.si_sdr_db - self.mixture_db).mean(axis=1))


def split_clips(data: Path, foreground: str, background: str) -> tuple[Sources, Sources]:
    """Divide the clips into those to learn from and those that are held out.

    Args:
        data: The folder in the layout of DCASE Task 2.
        foreground: The machine whose sound is wanted.
        background: The machine whose sound is mixed into it.

    Raises:
        InputError: There is no such machine, or too few clips.
    """
    found = read_training_clips(data, (foreground, background))
    known, held = [], []
    for machine in (foreground, background):
        clips = [Source(each.clip.path, each.sha256) for each in found[machine]]
        held.append(tuple(clips[_EVERY - 1 :: _EVERY]))
        known.append(tuple(clip for place, clip in enumerate(clips) if place % _EVERY != _EVERY - 1))
    return Sources(*known), Sources(*held)


def measure(method: str, separate: Separate, held_out: Mixtures) -> Gain:
    """Separate every mixture that was held out.

    Args:
        method: The name of the method.
        separate: The method, from ``(samples,)`` to ``(2, samples)``.
        held_out: The mixtures.
    """
    found, before = [], []
    for row in range(len(held_out)):
        mixture, parts = (each[0] for each in held_out[np.array([row])])
        found.append(si_sdr(torch.from_numpy(separate(mixture.numpy())), parts).numpy())
        before.append(si_sdr(mixture, parts).numpy())
    return Gain(method, np.stack(found), np.stack(before))


def median_filter(sources: Sources) -> Separate:
    """Make a Wiener filter that does not change, of the median power spectra of both machines, equally loud.

    Args:
        sources: The clips to take the spectra from.
    """
    transform = Stft(_FRAME, _HOP)
    foreground, background = (_median_spectrum(each, transform) for each in (sources.foregrounds, sources.backgrounds))
    share = foreground / (foreground + background)

    def separate(mixture: NDArray[np.float32]) -> NDArray[np.float32]:
        waveform = torch.from_numpy(mixture)[None]
        part = transform.inverse(share[:, None] * transform(waveform), len(mixture))
        return torch.cat([part, waveform - part]).numpy()

    return separate


def _median_spectrum(sources: Sequence[Source], transform: Stft) -> torch.Tensor:
    """Compute the median power spectrum of clips brought to the same loudness, ``(bins,)``."""
    spectra = []
    for source in sources:
        sound = torch.from_numpy(source.read())
        power = transform(sound[None] / sound.square().mean().sqrt())[0].abs().square()
        spectra.append(power.median(dim=1).values)
    return torch.stack(spectra).median(dim=0).values


def compare(wanted: SeparationSettings, held_out: MixSettings = HELD_OUT) -> list[Gain]:
    """Train a separator for each seed, and measure it and what stands beside it.

    Args:
        wanted: The machines, and how to train.
        held_out: The mixtures to measure.

    Raises:
        InputError: The folder does not fit the layout, or holds too little.
    """
    known, held = split_clips(wanted.data, wanted.foreground, wanted.background)
    mixtures = Mixtures(held, held_out)
    gains = [
        measure("prior: the background is steady", lambda mixture: split_by_steadiness(mixture)[[1, 0]], mixtures),
        measure("prior: the machine is steady", split_by_steadiness, mixtures),
        measure("median spectra of both machines", median_filter(known), mixtures),
    ]
    for seed in wanted.seeds:
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            how = SeparatorSettings(
                data=wanted.data,
                output=Path(folder) / "separator.pt",
                epochs=wanted.epochs,
                batch=_BATCH,
                learning_rate=_LEARNING_RATE,
                mixtures=wanted.mixtures,
                segment_s=_SEGMENT_S,
                seed=seed,
                accelerator="cpu",
            )
            train(how, [separator_job(how, known)])
            separator = load_separator(how.output)
        log.info("seed %d: trained in %.0f s of processor time", seed, time.process_time() - began)
        gains.append(measure(f"small separator, seed {seed}", separator.separate, mixtures))
    return gains


def separation(wanted: SeparationSettings) -> None:
    """How well a small separator takes two machines apart, beside simpler ways."""
    gains = compare(wanted)
    say(describe_host())
    say(f"{wanted.foreground} over {wanted.background}, {counted(len(gains[0].si_sdr_db), 'mixture')}")
    itself = Gain("the mixture itself", gains[0].mixture_db, gains[0].mixture_db)
    rows = []
    for gain in (itself, *gains):
        shown = (*gain.si_sdr_db.mean(axis=0), gain.improvement_db.mean(), np.percentile(gain.improvement_db, 10))
        rows.append((gain.method, *(f"{value:.1f}" for value in shown)))
    print_table(("method", "foreground, dB", "background, dB", "improvement, dB", "its tenth percentile"), rows)
