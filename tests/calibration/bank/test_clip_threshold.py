"""The threshold of clips, which are decided by the largest score of their windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from normal_sound import apart, random_embeddings, references_of
from numpy.typing import NDArray
from scipy import stats

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.bank import Bank, make_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.clip_threshold import clip_threshold, stretch_maxima
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.contract.references import Timeline
from asd_edge.calibration.errors import BankError, InputError

INFO = BankInfo("0" * 64, "test", 10.0, 10.0)


def clips(count: int, starts_s: list[float]) -> Timeline:
    """So many recordings with windows of 10 s at these times."""
    numbers = np.repeat(np.arange(count, dtype=np.int32), len(starts_s))
    return Timeline(numbers, np.tile(np.array(starts_s, np.float64), count), 10.0)


def bank_of(timeline: Timeline, info: BankInfo = INFO) -> Bank:
    embeddings = random_embeddings(np.random.default_rng(1), len(timeline.starts_s), 4)
    return make_bank(info, references_of(embeddings, timeline))


def window_threshold(bank: Bank, percentile: float = 90.0) -> float:
    return bank.threshold_at(percentile, AlarmRule(), 10.0).value


def fitted(maxima: NDArray[np.float64], percentile: float = 90.0) -> float:
    shape, _, scale = stats.gamma.fit(maxima, floc=0)
    return float(stats.gamma.ppf(percentile / 100.0, shape, scale=scale))


@pytest.mark.parametrize("percentile", [50.0, 90.0, 97.3])
def test_clips_of_one_window_have_the_threshold_of_windows_to_the_bit(percentile: float) -> None:
    bank = bank_of(apart(40))
    assert clip_threshold(bank, 1, percentile) == window_threshold(bank, percentile)
    assert clip_threshold(bank, 1) == bank.info.threshold


def test_it_is_the_percentile_of_a_fit_to_the_largest_score_of_each_clip() -> None:
    """Clips of 12 s have a window at 0 and one at 2 s."""
    bank = bank_of(clips(30, [0.0, 2.0]))
    maxima = bank.normal_scores.reshape(30, 2).max(axis=1)
    assert clip_threshold(bank, 2) == pytest.approx(fitted(maxima), rel=1e-6)
    assert clip_threshold(bank, 2, 75.0) == pytest.approx(fitted(maxima, 75.0), rel=1e-6)
    assert clip_threshold(bank, 2) > window_threshold(bank)


def test_one_normal_clip_in_ten_lies_above_it_whatever_the_number_of_windows() -> None:
    """With the threshold of windows it would be one in five of clips of two, and two in five of clips of five."""
    rng = np.random.default_rng(0)
    normal, new = (rng.standard_normal((count, 6)).astype(np.float32) for count in (600, 6000))
    for windows in (2, 5):
        timeline = clips(600 // windows, [10.0 * index for index in range(windows)])
        bank = make_bank(INFO, references_of(normal, timeline))
        z = (normal - normal.mean(axis=0)) / normal.std(axis=0)
        z_new = (new - normal.mean(axis=0)) / normal.std(axis=0)
        scores = np.array([np.linalg.norm(z - each, axis=1).min() for each in z_new])
        largest = scores.reshape(-1, windows).max(axis=1)
        assert np.mean(largest > clip_threshold(bank, windows)) == pytest.approx(0.1, abs=0.03)
        assert np.mean(largest > window_threshold(bank)) > 0.17


def test_stretches_by_hand() -> None:
    """Rows are in any order; a window that nothing could be compared with is passed over, and so is what is left."""
    timeline = Timeline(
        np.array([1, 0, 0, 1, 0, 0, 0, 2], np.int32), np.array([10.0, 40.0, 0.0, 0.0, 10.0, 30.0, 20.0, 0.0]), 10.0
    )
    scores = np.array([5.0, 9.0, 1.0, 3.0, 2.0, 7.0, np.inf, 8.0])
    # Recording 0 in order of time: 1, 2, (inf), 7, 9; recording 1: 3, 5; recording 2: 8.
    assert stretch_maxima(scores, timeline, 1).tolist() == [1.0, 2.0, 7.0, 9.0, 3.0, 5.0, 8.0]
    assert stretch_maxima(scores, timeline, 2).tolist() == [2.0, 9.0, 5.0]
    assert stretch_maxima(scores, timeline, 3).tolist() == [7.0]
    assert stretch_maxima(scores, timeline, 5).tolist() == []


def test_long_recordings_are_cut_into_stretches_as_long_as_the_clip() -> None:
    """A microphone that listened for an hour."""
    bank = bank_of(clips(1, [10.0 * index for index in range(360)]))
    maxima = bank.normal_scores.reshape(120, 3).max(axis=1)
    assert clip_threshold(bank, 3) == pytest.approx(fitted(maxima), rel=1e-6)


def test_windows_that_were_left_out_of_the_references_count_too() -> None:
    whole = bank_of(clips(40, [0.0, 10.0]), replace(INFO, max_references=30))
    small, _ = reduce_bank(whole)
    assert small.left_out is not None
    timeline = small.references.timeline.with_more(small.left_out.timeline)
    order = np.lexsort((timeline.starts_s, timeline.recordings))
    maxima = small.normal_scores[order].reshape(40, 2).max(axis=1)
    assert clip_threshold(small, 2) == pytest.approx(fitted(maxima), rel=1e-6)


@pytest.mark.parametrize("timeline", [clips(40, [0.0]), clips(9, [0.0, 10.0])])
def test_clips_longer_than_what_was_enrolled_count_as_windows_that_know_nothing_of_each_other(
    timeline: Timeline,
) -> None:
    """So do they where too few stretches were enrolled: two windows stay under a score with 0.9 = 0.949 x 0.949."""
    bank = bank_of(timeline)
    assert clip_threshold(bank, 2) == window_threshold(bank, 100.0 * np.sqrt(0.9))
    assert clip_threshold(bank, 2) > window_threshold(bank)


def test_what_there_is_no_threshold_for() -> None:
    with pytest.raises(BankError, match="too few windows"):
        clip_threshold(bank_of(apart(5)), 2)
    for percentile in (0.0, 100.0, float("nan")):
        with pytest.raises(BankError, match="no threshold at that percentile"):
            clip_threshold(bank_of(clips(20, [0.0, 10.0])), 2, percentile)
    with pytest.raises(InputError, match="at least one window"):
        clip_threshold(bank_of(apart(20)), 0)
