"""Whether windows that shall be learned sound like what a bank calls normal, or more as if the machine was not well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.audio.bandwidth import compare_bandwidth
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.threshold import GammaFit
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import References
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import fit_scorer
from asd_edge.calibration.scorers.scorer import Scorer
from asd_edge.calibration.wording import counted
from asd_edge.runtime.pipeline.band_watch import difference_in_words

_PERCENTILE = 97.2
"""Windows are compared with this percentile of normal scores: high enough that few normal windows lie above, and low
enough that the distribution is known there."""
SUSPICIOUS_CHANCE = 0.01
"""Sound is suspicious when so many windows above the threshold would come of as much normal sound with less than this
chance."""
FAR_ABOVE = 2.5
"""One window at so many times the threshold is suspicious alone: of four real machines whose normal sound was split at
random, one had such windows, at five times and more, and nobody would have them learned unheard; the others stayed
below 2.2."""
LEAST_HEARD_S = 40.0
"""A bank of fewer seconds finds nothing strange: what a machine does half a minute later lies at twice the threshold.
Adding to such a bank is what its owner should do."""
WELL_HEARD_S = 100.0
"""From so many seconds on, ten windows of 10 s, the threshold itself is what counts."""
_HEIGHT_BEFORE = 1.3
"""With fewer, every other window of normal sound a minute later was seen above the threshold, but none so far above."""
_CLEARLY = 1.5
"""Windows so many times further above are compared, too: few of them say as much as many that are a little strange."""
_PARTS = 5
"""Into so many parts the enrolled windows are split, of which each is scored by a bank of the others."""
_MOST_SPLIT = 2000
"""Of larger banks the split is left out: it takes as long as learning, and tells less, the more windows there are."""


@dataclass(frozen=True)
class Strangeness:
    """How windows that are to be learned compare with the threshold of the alarm that the bank has so far."""

    enrolled_s: float
    """how many seconds of sound the bank has learned from so far, none of them twice"""
    windows: int
    """how many windows are to be learned"""
    above: int
    """how many score above the threshold"""
    expected: float
    """how many of as many windows of normal sound would"""
    chance: float
    """the chance that normal sound would have as many or more, from 0 to 1; also of those clearly above"""
    far_above: int
    """how many score above `FAR_ABOVE` times the threshold"""
    highest: float
    """the highest score, as a share of the threshold"""
    source: str
    """the file or device of the window with the highest score"""
    start_s: float
    """the start of that window in its recording, in seconds"""
    bandwidth: str = ""
    """in words, that the sound reaches less far up than the bank's, or further; empty where it does not"""

    @property
    def suspicious(self) -> bool:
        """Whether a person should say that the machine is well before these windows are learned."""
        return self.enrolled_s >= LEAST_HEARD_S and (self.chance < SUSPICIOUS_CHANCE or self.far_above > 0)

    def words(self) -> str:
        """What was found, in sentences that end with the question."""
        bandwidth = f"Also, {self.bandwidth}. " if self.bandwidth else ""
        verb = "scores" if self.above == 1 else "score"
        return (
            f"{self.above} of {counted(self.windows, 'window')} {verb} above what this bank calls normal; of a healthy "
            f"machine about {self.expected:.2g} would. The strangest scores {self.highest:.1f} times the threshold of "
            f"the alarm, {self.start_s:.0f} s into {self.source}. {bandwidth}Is the machine well?"
        )


def strangeness(bank: Bank, new: Bank) -> Strangeness | None:
    """Compare windows with what a bank calls normal.

    The share of normal windows above the threshold is estimated from the enrolled windows, as their parts score against
    each other, and is at least what the threshold was chosen for. It is not known better than so many windows tell, so
    the chance is that of a beta-binomial distribution: the binomial one, averaged over what the share may be. Windows
    that share sound count as the independent windows among them.

    Args:
        bank: The bank so far.
        new: The windows that are to be learned, at least one, as an enrolment saves them.

    Returns:
        What was found; none while the bank has no threshold.
    """
    if not bank.ready:
        return None
    from scipy import stats  # only enrolling pays for it

    references, recordings = new.references, new.info.recordings
    before_db, now_db = bank.info.band_levels_db, new.info.band_levels_db
    apart = compare_bandwidth(now_db, before_db) if now_db and before_db else None

    threshold = bank.threshold_at(_PERCENTILE, AlarmRule(), bank.info.hop_s)
    shares = _scores(bank.scorer(), references) / threshold.value
    of_its_own = _shares_of_its_own(bank, threshold.percentile)
    enrolled, windows = bank.independent_windows, references.timeline.independent()
    promised = 1.0 - threshold.percentile / 100.0
    enrolled_s = enrolled * bank.info.window_s
    least = 1.0 if enrolled_s >= WELL_HEARD_S else _HEIGHT_BEFORE
    chances = []
    for height in (least, least * _CLEARLY):
        share = max(promised if height == 1.0 else 0.0, float(np.mean(of_its_own > height)))
        prior = share * enrolled + 0.5, (1.0 - share) * enrolled + 0.5  # Jeffreys' half for what was never seen
        above = int((shares > height).sum()) * windows // len(shares)
        chances.append(float(stats.betabinom.sf(above - 1, windows, *prior)))
    highest = int(np.argmax(shares))
    return Strangeness(
        enrolled_s=enrolled_s,
        windows=len(shares),
        above=int((shares > 1.0).sum()),
        expected=max(promised, float(np.mean(of_its_own > 1.0))) * len(shares),
        chance=min(1.0, len(chances) * min(chances)),
        far_above=int((shares > FAR_ABOVE).sum()),
        highest=float(shares[highest]),
        source=recordings[references.timeline.recordings[highest]].source,
        start_s=float(references.timeline.starts_s[highest]),
        bandwidth="" if apart is None else difference_in_words(apart),
    )


def _shares_of_its_own(bank: Bank, percentile: float) -> NDArray[np.float64]:
    """The scores of enrolled windows by a bank of the others, as shares of its threshold; one 0 where none can be told.

    They are larger than the percentile says where windows are few: the scores that a threshold is fitted to leave a
    window out of its neighbours, not out of the mean and the deviation that all are measured by.
    """
    references = bank.references.taken_as_independent
    if bank.left_out is not None or len(references) > _MOST_SPLIT:
        return np.zeros(1)
    shares = []
    for part in np.array_split(np.arange(len(references)), _PARTS):
        others = references.at(np.setdiff1d(np.arange(len(references)), part))
        try:
            scorer, scores = fit_scorer(bank.info.scorer, others)
        except InputError:
            return np.zeros(1)
        scores = scores[np.isfinite(scores)]
        if not GammaFit.possible(scores):
            return np.zeros(1)
        shares.append(_scores(scorer, references.at(part)) / GammaFit.of(scores).threshold(percentile))
    return np.concatenate(shares)


def _scores(scorer: Scorer, references: References) -> NDArray[np.float64]:
    errors = references.reconstruction_errors
    told = [None] * len(references) if errors is None else errors.tolist()
    return np.array([scorer.score(output) for output in map(ModelOutput, references.embeddings, told)])
