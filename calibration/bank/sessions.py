"""Normal scores that know nothing of their day: each session is scored by a bank of all the others.

Sound of tomorrow differs from that of today by more than windows of one day differ from each other. Where a bank has
heard several sessions (its enrolment, and each day of shadow days), the scores that its thresholds rest on are those of
a whole session that is left out, with mean and deviation measured without it. That is leave-one-group-out, as
hierarchical conformal prediction has it (Lee, Barber, Willett, "Distribution-free inference with hierarchical data",
2023): what is new is not a window but a day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.bank.answers import Answered
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import IndexArray, References, Timeline
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import fit_scorer

NO_SESSION = -1
"""The number of windows that are of no session, as those of an alarm: they are compared with, and not left out."""
LARGEST_SHARE = 0.75
"""A session with a larger share of all windows is cut, as too few would be left to score it by."""
_PARTS = 4
"""Into so many parts, each of which follows in time: six hours of a day, in which a machine has its different loads."""


def sessions_of(timeline: Timeline, answered: Answered | None) -> IndexArray | None:
    """The session of each window, (windows,); none where there is but one.

    Args:
        timeline: When the windows were recorded; recordings are counted in order of time.
        answered: Those that came by answers; all others are of the enrolment, session 0.
    """
    if answered is None or not (answered.sessions > 0).any():
        return None
    known = dict(zip(answered.timeline.places, answered.sessions.tolist(), strict=True))
    sessions = np.array([known.get(place, 0) for place in timeline.places], np.intp)
    names, counts = np.unique(sessions[sessions != NO_SESSION], return_counts=True)
    found = np.where(sessions == NO_SESSION, NO_SESSION, _PARTS * np.searchsorted(names, sessions))
    for name, count in zip(names, counts, strict=True):
        if count > LARGEST_SHARE * counts.sum():
            rows = np.flatnonzero(sessions == name)
            in_time = rows[np.lexsort((timeline.starts_s[rows], timeline.recordings[rows]))]
            found[in_time] += np.arange(count) * _PARTS // count
    return found if len(np.unique(found[found != NO_SESSION])) > 1 else None


def scored_by_others(
    scorer: str, references: References, sessions: IndexArray, scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The score of each window by a scorer that knows nothing of its session.

    Args:
        scorer: The name of the scorer.
        references: All normal windows.
        sessions: (references,) the session of each.
        scores: (references,) the leave-one-out scores, which stay where the others of a session are too few to fit a
            scorer to.
    """
    found, timeline = scores.copy(), references.timeline
    errors = references.reconstruction_errors
    for session in np.unique(sessions[sessions != NO_SESSION]):
        rows = np.flatnonzero(sessions == session)
        others = np.flatnonzero(sessions != session)
        others = others[~timeline.overlaps(others, rows).any(axis=1)]
        if not len(others):
            continue
        try:
            fitted, _ = fit_scorer(scorer, references.at(others))
        except InputError:
            continue
        for row in rows.tolist():
            error = None if errors is None else float(errors[row])
            found[row] = fitted.score(ModelOutput(references.embeddings[row], error))
    return np.asarray(found)
