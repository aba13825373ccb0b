"""What new clips are made of: drawn from a seed, at the ratio that was drawn, as loud as real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asd_edge.calibration.dcase.data_set import Clip, Domain
from asd_edge.calibration.errors import InputError
from asd_edge.export.separation.augmentation import Recipe, mixed, plan, recombine
from asd_edge.export.separation.settings import RecipeSettings
from asd_edge.export.training.clips import TrainingClip

WANTED = RecipeSettings(copies=3, snr_min_db=-2.0, snr_max_db=5.0)


def clip(machine: str, index: int, domain: Domain = "source", name: str = "") -> TrainingClip:
    file_name = name or f"section_00_{domain}_train_normal_{index:04d}_vel_6_loc_A.wav"
    path = Path("data") / machine / "train" / file_name
    return TrainingClip(Clip(path, machine, 0, domain, "train", "normal", index), f"{machine} {index}")


MACHINES = {
    "fan": [clip("fan", index, "target" if index == 7 else "source") for index in (0, 1, 2, 7)],
    "pump": [clip("pump", index) for index in range(3)],
}


def test_every_clip_gets_copies_with_names_of_their_own() -> None:
    recipes = plan(MACHINES, WANTED)
    assert len(recipes) == 3 * 7
    fans = [recipe for recipe in recipes if recipe.foreground.clip.machine == "fan"]
    assert [recipe.name for recipe in fans[:3]] == [
        f"section_00_source_train_normal_{index:04d}_vel_6_loc_A.wav" for index in (8, 9, 10)
    ]
    assert fans[-1].name == "section_00_target_train_normal_0019_vel_6_loc_A.wav"
    pumps = [recipe.name for recipe in recipes if recipe.foreground.clip.machine == "pump"]
    assert pumps[0] == "section_00_source_train_normal_0003_vel_6_loc_A.wav"
    assert len({(recipe.foreground.clip.machine, recipe.name) for recipe in recipes}) == 21


def test_names_of_2020_and_without_attributes_are_numbered_too() -> None:
    old = [clip("fan", index, "", f"normal_id_00_{index:08d}.wav") for index in range(2)]
    new = [clip("pump", index, name=f"section_00_source_train_normal_{index:04d}.wav") for index in range(2)]
    recipes = plan({"fan": old, "pump": new}, RecipeSettings())
    assert [recipe.name for recipe in recipes] == [
        "normal_id_00_00000002.wav",
        "normal_id_00_00000003.wav",
        "section_00_source_train_normal_0002.wav",
        "section_00_source_train_normal_0003.wav",
    ]


def test_backgrounds_are_those_of_other_clips() -> None:
    recipes = plan(MACHINES, replace(WANTED, copies=30))
    assert all(recipe.background.sha256 != recipe.foreground.sha256 for recipe in recipes)
    assert {recipe.background.clip.machine for recipe in recipes[:30]} == {"fan", "pump"}
    near = plan(MACHINES, replace(WANTED, copies=30, backgrounds="machine"))
    assert all(recipe.background.clip.machine == recipe.foreground.clip.machine for recipe in near)
    assert {recipe.background.sha256 for recipe in near[:30]} == {"fan 1", "fan 2", "fan 7"}


def test_ratios_fill_their_range() -> None:
    ratios = [recipe.snr_db for recipe in plan(MACHINES, replace(WANTED, copies=50))]
    assert min(ratios) >= -2.0
    assert max(ratios) <= 5.0
    assert np.mean(ratios) == pytest.approx(1.5, abs=0.3)


def test_the_same_seed_gives_the_same_plan_and_more_copies_keep_the_first_ones_content() -> None:
    def content(recipes: list[Recipe]) -> list[tuple[object, ...]]:
        return [(r.foreground, r.background, r.snr_db, r.mixed_in, r.share) for r in recipes]

    assert plan(MACHINES, WANTED) == plan(MACHINES, WANTED)
    assert content(plan(MACHINES, WANTED)) != content(plan(MACHINES, replace(WANTED, seed=1)))
    more = content(plan(MACHINES, replace(WANTED, copies=5)))
    kept = [more[5 * place + copy] for place in range(7) for copy in range(3)]
    assert content(plan(MACHINES, WANTED)) == kept


def test_mixup_is_between_the_domains_of_a_machine() -> None:
    assert all(recipe.mixed_in is None and recipe.share == 1.0 for recipe in plan(MACHINES, WANTED))
    recipes = plan(MACHINES, replace(WANTED, copies=100, mixup=0.25))
    fans = [recipe for recipe in recipes if recipe.foreground.clip.machine == "fan"]
    chosen = [recipe for recipe in fans if recipe.mixed_in is not None]
    assert len(chosen) / len(fans) == pytest.approx(0.25, abs=0.06)
    for recipe in chosen:
        assert recipe.mixed_in is not None
        assert recipe.mixed_in.clip.machine == "fan"
        assert {recipe.mixed_in.clip.domain, recipe.foreground.clip.domain} == {"source", "target"}
        assert 0.5 <= recipe.share < 1.0
    # The pump has no second domain to mix with.
    assert all(recipe.mixed_in is None for recipe in recipes if recipe.foreground.clip.machine == "pump")


def test_a_clip_alone_has_no_background() -> None:
    for machines in ({"fan": MACHINES["fan"][:1]}, {"fan": MACHINES["fan"][:1] * 2}):
        with pytest.raises(InputError, match="no other clip") as raised:
            plan(machines, RecipeSettings())
        assert "fan" in raised.value.got
    with pytest.raises(InputError, match="no other clip") as raised:
        plan({"fan": MACHINES["fan"][:1], "pump": MACHINES["pump"]}, RecipeSettings(backgrounds="machine"))
    assert "--backgrounds any" in raised.value.next_step


def noise(seed: int, samples: int = 4_000) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def squares(sound: np.ndarray) -> float:
    return float(np.square(sound.astype(np.float64)).sum())


@settings(deadline=None, max_examples=30)
@given(st.floats(-20.0, 20.0), st.floats(0.01, 100.0), st.integers(10, 9_000))
def test_a_new_clip_has_the_ratio_and_the_loudness_asked_for(snr_db: float, loudness: float, samples: int) -> None:
    """The parts are found again by least squares; the background is cut off or repeated."""
    foreground, background = noise(1), noise(2, samples)
    made = recombine(foreground, background, snr_db, loudness)
    assert len(made) == 4_000
    assert squares(made) == pytest.approx(loudness, rel=1e-3)
    filled = np.tile(background, 400)[:4_000]
    (a, b), *_ = np.linalg.lstsq(np.stack([foreground, filled], axis=1).astype(np.float64), made, rcond=None)
    assert 10.0 * np.log10(squares(a * foreground) / squares(b * filled)) == pytest.approx(snr_db, abs=0.01)


def test_a_new_clip_stays_within_range() -> None:
    made = recombine(noise(1), noise(2), 0.0, 4_000.0)  # a root mean square of one, whose peaks are beyond
    assert np.abs(made).max() == pytest.approx(1.0)
    assert np.corrcoef(made, noise(1))[0, 1] == pytest.approx(0.5**0.5, abs=0.05)


def test_silence_is_no_reason_to_fail() -> None:
    silence = np.zeros(4_000, np.float32)
    assert not recombine(silence, silence, 3.0, 0.0).any()
    assert np.isfinite(recombine(silence, noise(1), 3.0, 1.0)).all()
    assert np.isfinite(recombine(noise(1), silence, 3.0, 1.0)).all()


def test_mixup_by_hand() -> None:
    """The second is brought to the energy of the first, 25: (0, 10, 0, 0) becomes (0, 5, 0, 0)."""
    one = np.array([3.0, 0.0, 4.0, 0.0], np.float32)
    np.testing.assert_allclose(mixed(one, np.array([0.0, 10.0, 0.0, 0.0], np.float32), 0.8), [2.4, 1.0, 3.2, 0.0])
    np.testing.assert_allclose(mixed(one, np.array([0.0, 1.0], np.float32), 0.5)[[1, 3]], [2.5 / 2**0.5] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"copies": 0},
        {"mixup": 1.1},
        {"mixup": float("nan")},
        {"backgrounds": "all"},
        {"originals": "move"},
        {"seed": -1},
    ],
    ids=str,
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(InputError) as raised:
        replace(WANTED, **wrong)  # type: ignore[arg-type]
    assert f"--{name}" in raised.value.next_step
