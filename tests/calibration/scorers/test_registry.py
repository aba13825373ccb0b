"""The scorers by name, what all of them have in common, and one from outside."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_sound import random_embeddings, references_of, scores_of

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.scorers.registry import check_can_fit, fit_scorer, require_scorer, scorer_names
from asd_edge.calibration.scorers.scorer import ScorerSpec


@pytest.mark.parametrize("name", scorer_names())
@pytest.mark.parametrize("references", [10, 200])
def test_every_scorer_is_restored_from_its_arrays(name: str, references: int) -> None:
    rng = np.random.default_rng(1)
    domains = ["source"] * (references - 5) + ["target"] * 5
    known = references_of(
        random_embeddings(rng, references, 6), domains=domains, errors=rng.gamma(5.0, size=references)
    )
    queries, errors = random_embeddings(rng, 10, 6), rng.gamma(5.0, size=10)
    scorer, scores = fit_scorer(name, known)
    assert scores.shape == (references,)
    assert np.isfinite(scores).all()
    restored = require_scorer(name).restore(scorer.arrays(), known)
    assert scores_of(restored, queries, errors) == scores_of(scorer, queries, errors)


@given(st.sampled_from(scorer_names()), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_score_is_never_below_0(name: str, seed: int) -> None:
    """The Gamma distribution of the threshold begins there."""
    rng = np.random.default_rng(seed)
    errors = rng.gamma(5.0, size=12)
    known = references_of(random_embeddings(rng, 12, 3), errors=errors)
    scorer, scores = fit_scorer(name, known)
    assert (scores >= 0.0).all()
    assert all(score >= 0.0 for score in scores_of(scorer, known.embeddings, errors))


@pytest.mark.parametrize("name", [name for name in scorer_names() if name != "nearest-cosine"])
def test_what_is_far_off_scores_higher_than_any_normal_window(name: str) -> None:
    rng = np.random.default_rng(2)
    embeddings, errors = random_embeddings(rng, 60, 8), rng.gamma(5.0, size=60)
    scorer, scores = fit_scorer(name, references_of(embeddings, errors=errors))
    strange = embeddings[:5] + 20.0 * embeddings.std(axis=0)
    assert min(scores_of(scorer, strange, 10.0 * errors.max() * np.ones(5))) > scores.max()


@pytest.mark.parametrize("name", [name for name in scorer_names() if name != "reconstruction"])
def test_an_embedding_that_is_not_a_number_scores_so(name: str) -> None:
    rng = np.random.default_rng(3)
    embeddings = random_embeddings(rng, 30, 3)
    domains = ["source"] * 20 + ["target"] * 10
    scorer, _ = fit_scorer(name, references_of(embeddings, domains=domains, errors=rng.gamma(5.0, size=30)))
    broken = np.array([[np.nan, 1.0, 2.0]], np.float32)
    assert np.isnan(scores_of(scorer, broken, np.ones(1))).all()


def test_a_name_that_is_none_lists_all_that_are() -> None:
    with pytest.raises(InputError, match="no scorer of that name") as raised:
        require_scorer("neighbour")
    assert raised.value.got == "neighbour"
    assert raised.value.valid == ", ".join(scorer_names())


def test_the_scorers_of_this_package() -> None:
    known = ["gmm", "mahalanobis", "nearest", "nearest-cosine", "nearest-ldn"]
    assert scorer_names() == [*known, "reconstruction", "reconstruction+mahalanobis"]


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package from outside with the scorer that `ScorerSpec` shows, and with one that is broken in many ways."""
    text = inspect.cleandoc(ScorerSpec.__doc__ or "")
    example = re.search(r"::\n\n(.*?)\n\nThe line in", text, re.DOTALL)
    assert example is not None
    code = textwrap.dedent(example[1])
    assert len(code.splitlines()) < 25
    (tmp_path / "from_mean.py").write_text(f"{code}\nTEXT = 'no scorer'\n")
    info = tmp_path / "from_mean-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: from-mean\nVersion: 1.0\n")
    points = "from-mean = from_mean:SPEC\nno-scorer = from_mean:TEXT\nelsewhere = not_installed:SPEC\n"
    (info / "entry_points.txt").write_text(f"[asd_edge.scorers]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("from_mean", None)


def test_the_example_of_a_scorer_works_from_outside(other_package: Path) -> None:
    assert scorer_names()[-3:] == ["elsewhere", "from-mean", "no-scorer"]
    check_can_fit("from-mean", rebuilds=False, max_references=None)
    embeddings = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 3.0]], np.float32)
    scorer, scores = fit_scorer("from-mean", references_of(embeddings))
    # Without each of them, the mean of the others is (3, 1.5), (2, 1.5) and (1, 0).
    assert scores == pytest.approx([np.hypot(3.0, 1.5), 1.5, np.hypot(3.0, 3.0)])
    assert scorer.score(ModelOutput(np.array([5.0, 5.0], np.float32))) == pytest.approx(5.0)


def test_a_scorer_from_outside_is_listed_only_where_it_can_be_used(other_package: Path) -> None:
    with pytest.raises(InputError, match="rebuilds what it hears") as raised:
        check_can_fit("reconstruction", rebuilds=False, max_references=None)
    assert "from-mean" in raised.value.valid
    assert "elsewhere" not in raised.value.valid
    with pytest.raises(InputError, match="names no ScorerSpec") as raised:
        require_scorer("no-scorer")
    assert raised.value.got == "str: 'no scorer'"
    with pytest.raises(ModuleNotFoundError, match="not_installed"):
        require_scorer("elsewhere")


class Broken:
    """A scorer that keeps what no bank can hold."""

    def score(self, output: ModelOutput) -> float:
        return 0.0

    def arrays(self) -> dict[str, Any]:
        return {"names": ["a"]}


@pytest.mark.parametrize(
    ("gives", "got"),
    [
        (np.zeros(11), "leave-one-out scores: float64 of shape (11,)"),
        (np.zeros((12, 1)), "leave-one-out scores: float64 of shape (12, 1)"),
        (np.zeros(12, np.int64), "leave-one-out scores: int64 of shape (12,)"),
        ([0.0] * 12, "leave-one-out scores: list"),
        (np.full(12, -0.5), "a leave-one-out score of -0.5"),
        (np.zeros(12), "'names': list"),
    ],
)
def test_a_scorer_that_gives_something_else_is_named(
    other_package: Path, monkeypatch: pytest.MonkeyPatch, gives: object, got: str
) -> None:
    import from_mean  # type: ignore[import-not-found]

    spec = replace(from_mean.SPEC, fit=lambda references: (Broken(), gives))
    monkeypatch.setattr(from_mean, "SPEC", spec)
    with pytest.raises(InputError, match="The scorer from-mean gives something of another form") as raised:
        fit_scorer("from-mean", references_of(random_embeddings(np.random.default_rng(0), 12, 2)))
    assert raised.value.got == got


@pytest.mark.parametrize("name", scorer_names())
def test_what_a_scorer_needs_is_asked_before_anything_is_heard(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_can_fit(name, rebuilds=True, max_references=None)
    spec = require_scorer(name)
    if spec.rebuilds:
        with pytest.raises(InputError, match="rebuilds what it hears"):
            check_can_fit(name, rebuilds=False, max_references=None)
    else:
        check_can_fit(name, rebuilds=False, max_references=None)
    if spec.compares:
        check_can_fit(name, rebuilds=True, max_references=50)
    else:
        with pytest.raises(InputError, match="does not look at single references"):
            check_can_fit(name, rebuilds=True, max_references=50)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    if spec.sklearn:
        with pytest.raises(InputError, match="scikit-learn, which is not installed") as raised:
            check_can_fit(name, rebuilds=True, max_references=None)
        assert "pip install 'asd-edge[scorers]'" in raised.value.next_step
    else:
        check_can_fit(name, rebuilds=True, max_references=None)
