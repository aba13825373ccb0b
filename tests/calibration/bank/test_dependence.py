"""How long windows stay alike, on processes whose correlation is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from asd_edge.calibration.bank.dependence import Dependence, similarity, with_scores
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.references import References, Timeline

HOP_S = 10.0


def process(windows: int, dim: int, correlation: float, seed: int = 0) -> FloatArray:
    """A Gaussian process of first order in every dimension, stationary from its first window on."""
    noise = np.random.default_rng(seed).standard_normal((windows + 200, dim))
    values = lfilter([np.sqrt(1.0 - correlation**2)], [1.0, -correlation], noise, axis=0)
    return values[200:].astype(np.float32)


def one_recording(windows: int, hop_s: float = HOP_S) -> Timeline:
    return Timeline(np.zeros(windows, np.int32), hop_s * np.arange(windows), HOP_S)


def measured(embeddings: FloatArray, timeline: Timeline) -> Dependence:
    return similarity(References(embeddings, timeline, np.full(len(embeddings), "")))


@pytest.mark.parametrize("correlation", [0.3, 0.5, 0.8])
def test_the_correlation_of_scores_is_the_square_of_that_of_windows(correlation: float) -> None:
    found = measured(process(600, 100, correlation), one_recording(600))
    assert found.correlation == pytest.approx(correlation**2, abs=0.05)
    # Left out up to where the correlation is lost in the scatter of unrelated pairs, a tenth of 1 / sqrt(100).
    expected = np.log(0.01) / np.log(correlation)
    assert found.reach_s / HOP_S == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize("windows", [3, 12, 60, 600])
def test_windows_that_have_nothing_in_common_are_compared_from_where_they_share_no_sound(windows: int) -> None:
    reached = [measured(process(windows, 50, 0.0, seed), one_recording(windows)) for seed in range(20)]
    assert sum(found.reach_s > HOP_S for found in reached) <= 3
    assert np.mean([found.correlation for found in reached]) < 0.02


def test_windows_that_share_sound_are_alike_as_far_as_they_do() -> None:
    # Sums over ten pieces, of which five are shared with the next window, four hops of 2.5 s further none.
    pieces = np.random.default_rng(0).standard_normal((1000, 80)).astype(np.float32)
    windows = np.stack([pieces[start : start + 4].sum(axis=0) for start in range(900)])
    found = measured(windows, one_recording(900, 2.5))
    assert found.correlation == pytest.approx(0.75**2, abs=0.03)
    assert found.reach_s == pytest.approx(10.0)


def test_a_recording_with_a_character_of_its_own_is_left_out_whole() -> None:
    rng = np.random.default_rng(1)
    numbers = np.repeat(np.arange(30), 8).astype(np.int32)
    own = 2.0 * rng.standard_normal((30, 60))
    embeddings = (own[numbers] + rng.standard_normal((240, 60))).astype(np.float32)
    timeline = Timeline(numbers, np.tile(HOP_S * np.arange(8), 30), HOP_S)
    found = measured(embeddings, timeline)
    assert found.reach_s >= 2 * HOP_S
    assert found.correlation == pytest.approx(0.8**2, abs=0.1)


def test_files_of_one_window_each_say_nothing_of_what_follows_what() -> None:
    timeline = Timeline(np.arange(50, dtype=np.int32), np.zeros(50), HOP_S)
    assert measured(process(50, 20, 0.9), timeline) == Dependence(HOP_S, HOP_S, 0.0)


def test_a_gap_is_no_neighbourhood() -> None:
    starts = HOP_S * np.arange(400) + np.where(np.arange(400) >= 200, 5000.0, 0.0)
    timeline = Timeline(np.zeros(400, np.int32), starts, HOP_S)
    halves = np.concatenate([process(200, 100, 0.6, 1), process(200, 100, 0.6, 2)])
    assert measured(halves, timeline).correlation == pytest.approx(0.36, abs=0.06)


def test_scores_that_rise_together_count_though_the_windows_are_not_alike() -> None:
    latent = process(800, 1, 0.6)[:, 0]
    scores = np.exp(0.3 * latent.astype(np.float64))
    scores[::50] = np.inf
    found = with_scores(Dependence(HOP_S, HOP_S, 0.0), scores, one_recording(800))
    assert found.correlation == pytest.approx(0.6 * 768 / 828, abs=0.08)
    few = with_scores(Dependence(HOP_S, HOP_S, 0.1), scores[:20], one_recording(20))
    assert 0.1 <= few.correlation < 0.35


def test_scores_that_never_change_say_nothing() -> None:
    assert with_scores(Dependence(HOP_S, HOP_S, 0.2), np.ones(30), one_recording(30)).correlation == 0.2


def test_another_hop_has_another_correlation() -> None:
    found = Dependence(HOP_S, HOP_S, 0.36)
    assert found.correlation_at(20.0, 10.0) == pytest.approx(0.36**2)
    # Shared sound counts where it is more. What else happens between two windows was not heard.
    assert found.correlation_at(8.0, 10.0) == pytest.approx(0.36)
    assert found.correlation_at(2.0, 10.0) == pytest.approx(0.8)
    assert Dependence(HOP_S, HOP_S, 0.0).correlation_at(2.5, 10.0) == pytest.approx(0.75)
