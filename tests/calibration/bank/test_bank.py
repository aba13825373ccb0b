import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from normal_sound import normalised, references_of
from numpy.typing import NDArray
from scipy import stats

from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.bank import Bank, collected, load_bank, make_bank
from asd_edge.calibration.bank.bank_file import BANK_FORMAT, OLDEST_FORMAT
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.bank.threshold import GammaFit
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording, References, Timeline, domains_of
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.nearest import NearestNeighbour
from asd_edge.calibration.scorers.registry import require_scorer, scorer_names

INFO = BankInfo(
    model_sha256="c0ffee" + "0" * 58,
    model="logmel (logmel.onnx)",
    window_s=10.0,
    hop_s=5.0,
    name="Pumpe №3, größer",
    device="USB microphone",
    channel="mix",
    created="2025-01-02T03:04:05Z",
    updated="2025-01-02T04:04:05Z",
    refused={"clipped": 3, "gap": 1},
    recordings=(Recording("a" * 64, "sounds/one.wav"), Recording("b" * 64, "sounds/two.wav")),
)


def small_bank(references: int = 12, dim: int = 2, hop_s: float = 10.0, info: BankInfo = INFO) -> Bank:
    """Two recordings with windows every `hop_s`."""
    rng = np.random.default_rng(references)
    first = references // 2
    timeline = Timeline(
        np.repeat(np.array([0, 1], np.int32), [first, references - first]),
        np.concatenate([np.arange(first), np.arange(references - first)]) * hop_s,
        info.window_s,
    )
    embeddings = rng.standard_normal((references, dim)).astype(np.float32)
    domains = domains_of(info.recordings, timeline.recordings)
    errors = rng.gamma(5.0, size=references) if require_scorer(info.scorer).rebuilds else None
    return make_bank(info, References(embeddings, timeline, domains, errors))


def reduced_bank() -> Bank:
    bank, reduction = reduce_bank(small_bank(60, 5, 5.0, replace(INFO, max_references=20)))
    assert reduction is not None
    return bank


def arrays_of(bank: Bank) -> dict[str, NDArray[Any]]:
    """By the names in the file."""
    arrays: dict[str, NDArray[Any]] = {
        "embeddings": bank.references.embeddings,
        "recordings": bank.references.timeline.recordings,
        "starts_s": bank.references.timeline.starts_s,
        "reference_scores": bank.reference_scores,
    }
    if bank.references.reconstruction_errors is not None:
        arrays["reconstruction_errors"] = bank.references.reconstruction_errors
    if bank.left_out is not None:
        arrays["left_out_recordings"] = bank.left_out.timeline.recordings
        arrays["left_out_starts_s"] = bank.left_out.timeline.starts_s
        arrays["left_out_scores"] = bank.left_out.scores
    if bank.fitted is not None:
        arrays |= {f"scorer_{name}": array for name, array in bank.fitted.arrays().items()}
    return arrays


def same(one: Bank, other: Bank) -> bool:
    ours, theirs = arrays_of(one), arrays_of(other)
    return (
        one.info == other.info
        and one.references.timeline.window_s == other.references.timeline.window_s
        and one.references.domains.tolist() == other.references.domains.tolist()
        and list(ours) == list(theirs)
        and all(ours[name].dtype == theirs[name].dtype and np.array_equal(ours[name], theirs[name]) for name in ours)
    )


@pytest.mark.parametrize(("references", "dim", "hop_s"), [(12, 2, 10.0), (40, 381, 5.0), (3, 2, 10.0), (1, 2, 10.0)])
def test_what_was_saved_is_loaded(tmp_path: Path, references: int, dim: int, hop_s: float) -> None:
    bank, path = small_bank(references, dim, hop_s), tmp_path / "pump.npz"
    bank.save(path)
    loaded = load_bank(path)
    assert same(loaded, bank)
    assert list(tmp_path.iterdir()) == [path]
    if references < 10:
        with pytest.raises(BankError, match="too few windows"):
            loaded.scorer()
        return
    query = ModelOutput(np.full(dim, 0.3, np.float32))
    assert loaded.scorer().score(query) == NearestNeighbour(bank.references.embeddings).score(query)


def banks() -> list[Bank]:
    """One with each scorer, with and without domains, one made smaller, and one saved on the way."""
    recordings = tuple(
        replace(recording, domain=domain)
        for recording, domain in zip(INFO.recordings, ("source", "target"), strict=True)
    )
    infos = [replace(INFO, scorer=scorer) for scorer in scorer_names()]
    apart = [replace(info, recordings=recordings) for info in infos]
    unlearned = collected(INFO, small_bank().references)
    return [*(small_bank(30, 4, info=info) for info in [*infos, *apart]), reduced_bank(), unlearned]


@pytest.mark.parametrize("index", range(2 * len(scorer_names()) + 2))
def test_whatever_scorer_it_has_a_loaded_bank_scores_as_before(tmp_path: Path, index: int) -> None:
    bank = banks()[index]
    bank.save(tmp_path / "pump.npz")
    loaded = load_bank(tmp_path / "pump.npz")
    assert same(loaded, bank)
    np.testing.assert_array_equal(loaded.normal_scores, bank.normal_scores)
    assert loaded.independent_windows == bank.independent_windows
    if bank.ready:
        query = ModelOutput(np.full(bank.references.embeddings.shape[1], 0.3, np.float32), 2.0)
        assert loaded.scorer().score(query) == bank.scorer().score(query)


def test_a_bank_saved_on_the_way_keeps_its_windows_and_says_how_to_go_on(tmp_path: Path) -> None:
    bank = small_bank(40, 5)
    collected(bank.info, bank.references).save(tmp_path / "pump.npz")
    loaded = load_bank(tmp_path / "pump.npz")
    assert not loaded.ready
    np.testing.assert_array_equal(loaded.references.embeddings, bank.references.embeddings)
    for ask in (loaded.scorer, lambda: loaded.threshold_at(90.0, AlarmRule(), 5.0)):
        with pytest.raises(BankError, match="cut off") as raised:
            ask()
        assert "40 windows, all kept" in raised.value.got
        assert "--append" in raised.value.next_step
    assert same(make_bank(loaded.info, loaded.references), bank)


SCORE_WITHOUT_SCIKIT_LEARN = """
import sys
sys.modules["sklearn"] = None  # whoever imports it gets an ImportError
import numpy as np
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.contract.model_output import ModelOutput
for path in sys.argv[1:]:
    print(load_bank(path).scorer().score(ModelOutput(np.full(4, 0.3, np.float32), 2.0)))
"""


def test_loading_and_scoring_never_need_scikit_learn(tmp_path: Path) -> None:
    ready = [bank for bank in banks() if bank.ready and bank.references.embeddings.shape[1] == 4]
    paths = [tmp_path / f"{index}.npz" for index in range(len(ready))]
    for bank, path in zip(ready, paths, strict=True):
        bank.save(path)
    command = [sys.executable, "-W", "error", "-c", SCORE_WITHOUT_SCIKIT_LEARN, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    query = ModelOutput(np.full(4, 0.3, np.float32), 2.0)
    assert [float(line) for line in done.stdout.split()] == [bank.scorer().score(query) for bank in ready]


def test_saving_again_replaces_the_bank(tmp_path: Path) -> None:
    path = str(tmp_path / "pump.npz")
    small_bank(40, 20).save(path)
    small_bank(12, 2).save(path)
    assert same(load_bank(path), small_bank(12, 2))


def test_a_bank_learns_from_its_references() -> None:
    bank = small_bank(60, 5, 5.0)
    # Window 7 is in the first recording and shares sound with windows 6 and 8. It is measured by the others alone.
    x = bank.references.embeddings.astype(np.float64)
    others = np.delete(x, [6, 7, 8], axis=0)
    variance = (57 * others.var(axis=0) + x.var(axis=0)) / 58  # with one window of the usual variance
    expected = np.sqrt((np.square(others - x[7]) / variance).sum(axis=1)).min()
    assert bank.normal_scores[7] == pytest.approx(expected, rel=1e-5)
    # The distribution is fitted to scores by the deviations of all windows.
    z = normalised(x, x)
    shares = bank.references.timeline.overlaps()
    as_in_asp = [np.linalg.norm(z[~shares[i]] - z[i], axis=1).min() for i in range(60)]
    shape, _, scale = stats.gamma.fit(as_in_asp, floc=0)
    assert bank.info.threshold == pytest.approx(stats.gamma.ppf(0.9, shape, scale=scale), rel=1e-6)
    assert bank.independent_windows == 30
    assert bank.ready


def test_the_fit_in_the_given_info_is_replaced() -> None:
    stale = replace(INFO, gamma_shape=1.0, gamma_scale=2.0, threshold=3.0)
    assert small_bank(12, info=stale).info == small_bank(12).info
    assert small_bank(5, info=stale).info.threshold is None


# Thresholds


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.9])
def test_threshold_at_a_percentile(percentile: float) -> None:
    bank, rule = small_bank(20), AlarmRule(2, 3)
    found = bank.threshold_at(percentile, rule, 5.0)
    gamma = GammaFit(bank.info.gamma_shape or 0.0, bank.info.gamma_scale or 0.0)
    assert found.value == pytest.approx(stats.gamma.ppf(percentile / 100.0, gamma.shape, scale=gamma.scale), rel=1e-9)
    assert found.percentile == percentile
    # What it does depends on how many of the twenty scores lie above, whatever distribution is fitted to them.
    assert found.false_alarms == bank.ranked.false_alarms(bank.ranked.rank_of(found.value), rule, 5.0)
    assert found.extrapolated == (found.value > bank.normal_scores.max())
    assert found.windows == pytest.approx(20.0, rel=0.3)


@pytest.mark.parametrize("wish", [0.01, 1.0, 20.0])
def test_threshold_for_a_rate_of_false_alarms(wish: float) -> None:
    bank, rule = small_bank(20), AlarmRule(3, 5)
    found = bank.threshold_for(wish, rule, 10.0)
    assert found.false_alarms.mean == pytest.approx(wish, rel=1e-3)
    assert found.value == pytest.approx(bank.ranked.value_at((1.0 - found.percentile / 100.0) * (found.windows + 1.0)))
    # Of twenty scores the highest is exceeded by one window in 21: too often for 3/5, unless twenty a day are borne.
    assert found.extrapolated == (wish < 20.0)
    assert not bank.threshold_for(1.0, AlarmRule(8, 10), 10.0).extrapolated


@pytest.mark.parametrize("percentile", [0.0, 100.0, -5.0, 120.0, float("nan")])
def test_a_percentile_that_is_none_is_refused(percentile: float) -> None:
    with pytest.raises(BankError, match="no threshold at that percentile") as raised:
        small_bank().threshold_at(percentile, AlarmRule(), 5.0)
    assert raised.value.valid == "above 0 and below 100"


def test_a_wish_that_no_threshold_fulfils_is_refused() -> None:
    with pytest.raises(InputError, match="No threshold gives"):
        small_bank().threshold_for(1e6, AlarmRule(), 5.0)


def test_too_few_windows_say_how_many_are_missing() -> None:
    bank = small_bank(7)
    assert not bank.ready
    assert (bank.info.gamma_shape, bank.info.gamma_scale, bank.info.threshold) == (None, None, None)
    asks: list[Callable[[], object]] = [
        lambda: bank.threshold_at(90.0, AlarmRule(), 5.0),
        lambda: bank.threshold_for(1.0, AlarmRule(), 5.0),
    ]
    for ask in asks:
        with pytest.raises(BankError, match="too few windows") as raised:
            ask()
        assert raised.value.got == "7 windows that do not overlap (7 in all)"
        assert raised.value.valid == "10 or more: 100 s of sound"
        assert "at least 30 s" in raised.value.next_step


def test_windows_that_share_sound_do_not_count_twice() -> None:
    # Nine windows every 5 s hold five that share no sound.
    assert not small_bank(18, hop_s=4.7).ready
    bank = small_bank(18, hop_s=5.0)
    assert bank.independent_windows == 10
    assert bank.ready


@pytest.mark.parametrize("copies", [2, 12])
def test_one_sound_over_and_over_makes_no_threshold(tmp_path: Path, copies: int) -> None:
    different = np.random.default_rng(1).standard_normal((24 // copies, 50)).astype(np.float32)
    starts_s = 10.0 * np.arange(24, dtype=np.float64)
    timeline = Timeline(np.zeros(24, np.int32), starts_s, 10.0)
    bank = make_bank(INFO, references_of(np.tile(different, (copies, 1)), timeline))
    assert not bank.ready
    with pytest.raises(BankError, match="all the same sound") as raised:
        bank.threshold_at(90.0, AlarmRule(), 5.0)
    assert "24 windows" in raised.value.got
    # It is kept all the same: other sound may be added to it.
    bank.save(tmp_path / "pump.npz")
    assert same(load_bank(tmp_path / "pump.npz"), bank)


def test_another_model_is_refused_and_both_are_named() -> None:
    bank = small_bank()
    bank.check_model(INFO.model_sha256, "whatever it calls itself")
    with pytest.raises(BankError, match="another model") as raised:
        bank.check_model("badd1e" + "0" * 58, "beats-asp (beats.onnx)")
    for part in ("beats-asp (beats.onnx)", "badd1e", INFO.model, "c0ffee"):
        assert part in raised.value.got


# Damage


@pytest.mark.parametrize("flip", ["all bits", "one bit"])
def test_a_byte_that_changed_is_found_or_changes_nothing(tmp_path: Path, flip: str) -> None:
    bank, path = small_bank(info=replace(INFO, name="p")), tmp_path / "pump.npz"
    bank.save(path)
    whole = path.read_bytes()
    masks = np.full(len(whole), 0xFF)
    if flip == "one bit":
        masks = 1 << np.random.default_rng(1).integers(0, 8, len(whole))
    found = 0
    tried = range(flip == "one bit", len(whole), 2)
    for position in tried:
        mask = masks[position]
        changed = bytearray(whole)
        changed[position] ^= int(mask)
        path.write_bytes(changed)
        try:
            loaded = load_bank(path)
        except BankError:
            found += 1
        else:
            assert same(loaded, bank), f"byte {position}"
    # What may change unseen are dates, permissions and the like in the headers of the archive.
    assert found > 0.8 * len(tried)


def test_a_bank_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pump.npz"
    small_bank().save(path)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 41), *range(len(whole) - 30, len(whole))):
        path.write_bytes(whole[:length])
        with pytest.raises(BankError, match="no bank, or it is damaged"):
            load_bank(path)


class Bomb:
    """Unpickled, it makes a file: proof that a pickle was executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_in_a_bank_is_ever_unpickled(tmp_path: Path) -> None:
    went_off, path = tmp_path / "went off", tmp_path / "pump.npz"
    bomb = Bomb(went_off)
    pickle.loads(pickle.dumps(bomb))
    assert went_off.exists()
    went_off.unlink()

    small_bank().save(path)
    with np.load(path) as file:
        members = dict(file)
    objects = np.empty(12, object)
    objects[:] = [bomb] * 12

    path.write_bytes(pickle.dumps({"embeddings": bomb, "info": bomb}))
    with pytest.raises(BankError, match="no bank, or it is damaged"):
        load_bank(path)
    for name in members:
        np.savez(path, **(members | {name: objects}))
        with pytest.raises(BankError, match="no bank, or it is damaged"):
            load_bank(path)
    assert not went_off.exists()


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, NDArray[Any]]], None]) -> None:
    """Change a saved bank's info and arrays, leaving the archive itself sound."""
    with np.load(path) as file:
        members = dict(file)
    info = json.loads(str(members.pop("info")))
    change(info, members)
    np.savez(path, info=np.array(json.dumps(info)), **members)


@pytest.mark.parametrize("index", [0, 1, 2, 6, 2 * len(scorer_names())])
def test_an_array_that_was_edited_is_found(tmp_path: Path, index: int) -> None:
    path, bank = tmp_path / "pump.npz", banks()[index]
    for name in arrays_of(bank):
        bank.save(path)

        def edit(info: dict[str, Any], arrays: dict[str, NDArray[Any]], name: str = name) -> None:
            arrays[name][-1] += 1

        rewrite(path, edit)
        with pytest.raises(BankError, match="digest"):
            load_bank(path)

        def remove(info: dict[str, Any], arrays: dict[str, NDArray[Any]], name: str = name) -> None:
            del arrays[name]

        rewrite(path, remove)
        with pytest.raises(BankError, match=name):
            load_bank(path)


def test_a_bank_with_a_scorer_that_is_not_installed_names_it(tmp_path: Path) -> None:
    path = tmp_path / "pump.npz"
    small_bank().save(path)
    rewrite(path, lambda info, _: info.update(scorer="from-elsewhere"))
    with pytest.raises(BankError, match="made with the scorer from-elsewhere, which is not installed here") as raised:
        load_bank(path)
    assert raised.value.got == str(path)
    assert "nearest" in raised.value.valid


@pytest.mark.parametrize(
    ("version", "what", "advice"),
    [(BANK_FORMAT + 1, "a newer version", "upgrade"), (OLDEST_FORMAT - 1, "an older version", "enroll again")],
)
def test_another_format_says_what_to_do_whatever_else_it_holds(
    tmp_path: Path, version: int, what: str, advice: str
) -> None:
    path = tmp_path / "pump.npz"
    small_bank().save(path)

    def renew(info: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        info.clear()
        info["format"] = version
        arrays.clear()

    rewrite(path, renew)
    with pytest.raises(BankError, match=what) as raised:
        load_bank(path)
    assert f"bank format {version}" in raised.value.got
    assert advice in raised.value.next_step


def test_fields_that_this_version_does_not_know_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "pump.npz"
    small_bank().save(path)
    rewrite(path, lambda info, _: info.update(colour="green"))
    assert same(load_bank(path), small_bank())


@pytest.mark.parametrize("missing", ["model_sha256", "window_s", "recordings", "format"])
def test_a_field_that_is_missing_is_damage(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "pump.npz"
    small_bank().save(path)
    rewrite(path, lambda info, _: info.pop(missing))
    with pytest.raises(BankError, match="no bank, or it is damaged"):
        load_bank(path)


def test_other_files_are_no_banks(tmp_path: Path) -> None:
    path = tmp_path / "other"
    np.savez(path.with_suffix(".npz"), x=np.zeros(3))
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".txt").write_text("not a bank\n" * 1000)
    path.with_suffix(".empty").touch()
    for other in tmp_path.iterdir():
        with pytest.raises(BankError, match="no bank, or it is damaged") as raised:
            load_bank(other)
        assert raised.value.got == str(other)


def test_a_missing_bank_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="no bank at this path") as raised:
        load_bank(tmp_path / "pump.npz")
    assert raised.value.got == str(tmp_path / "pump.npz")
    assert "asd-edge enroll" in raised.value.next_step
    with pytest.raises(BankError, match="is a folder"):
        load_bank(tmp_path)


# Disks that fail


def test_saving_into_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write pump\.npz: No such file or directory"):
        small_bank().save(tmp_path / "missing" / "pump.npz")
    assert list(tmp_path.iterdir()) == []


SAVE_OVER = """
import hashlib, json, os, sys
from pathlib import Path
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import InputError

new, path = load_bank(sys.argv[1]), Path(sys.argv[2])
if len(sys.argv) > 3:
    import resource  # Python itself ignores SIGXFSZ, so that writing more fails with EFBIG
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    new.save(path)
    error = None
except InputError as caught:
    error = str(caught)
print(json.dumps([error, hashlib.sha256(path.read_bytes()).hexdigest(), os.listdir(path.parent)]))
"""


def save_over(*arguments: object, before: str = "") -> tuple[str | None, str, list[str]]:
    """Save the bank of one file over another in a program of its own, after shell commands in its own mounts.

    Returns:
        The error, the digest of the file afterwards, and what lies in its folder.
    """
    command = [sys.executable, "-W", "error", "-c", SAVE_OVER, *map(str, arguments)]
    if before:
        command = ["unshare", "--map-root-user", "--mount", "sh", "-ec", before + '\nexec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    error, digest, listing = json.loads(done.stdout)
    return error, digest, listing


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def new_and_old(tmp_path: Path) -> tuple[Path, Path]:
    """A large bank, and a small one in a folder of its own that it is to replace."""
    new, old = tmp_path / "new.npz", tmp_path / "banks" / "pump.npz"
    old.parent.mkdir()
    small_bank(200, 100).save(new)
    small_bank().save(old)
    return new, old


def test_saving_works_in_a_program_of_its_own(new_and_old: tuple[Path, Path]) -> None:
    # What the tests below would miss if their program failed for another reason.
    new, old = new_and_old
    error, _, listing = save_over(new, old)
    assert error is None
    assert listing == ["pump.npz"]
    assert same(load_bank(old), load_bank(new))


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_save_that_fails_midway_leaves_the_old_bank(new_and_old: tuple[Path, Path], share: float) -> None:
    new, old = new_and_old
    before = sha256(old)
    error, after, listing = save_over(new, old, int(share * new.stat().st_size))
    assert error is not None
    assert "Cannot write pump.npz: File too large" in error
    assert "ulimit" in error
    assert after == before
    assert listing == ["pump.npz"]


@pytest.fixture
def own_mounts(tmp_path: Path) -> None:
    """Skips where a program may not have mounts of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, of util-linux")
    trial = f"mount -t tmpfs tmpfs '{tmp_path}'; exec '{sys.executable}' -c pass"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-ec", trial]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user may not run a program in mounts of its own: {done.stderr.strip()}")


@pytest.mark.usefixtures("own_mounts")
def test_a_full_disk_leaves_the_old_bank(new_and_old: tuple[Path, Path]) -> None:
    new, old = new_and_old
    before, folder = sha256(old), old.parent
    small_disk = f"cp '{old}' '{new}.old'; mount -t tmpfs -o size=64k tmpfs '{folder}'; cp '{new}.old' '{old}'"
    error, after, listing = save_over(new, old, before=small_disk)
    assert error is not None
    assert "Cannot write pump.npz: No space left on device" in error
    assert "free some space" in error
    assert after == before
    assert listing == ["pump.npz"]


@pytest.mark.usefixtures("own_mounts")
def test_a_read_only_disk_is_explained(new_and_old: tuple[Path, Path]) -> None:
    new, old = new_and_old
    before = sha256(old)
    bind = f"mount --bind '{old.parent}' '{old.parent}'; mount -o remount,bind,ro '{old.parent}'"
    error, after, listing = save_over(new, old, before=bind)
    assert error is not None
    assert "Cannot write pump.npz: Read-only file system" in error
    assert "a disk that can be written" in error
    assert after == before
    assert listing == ["pump.npz"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write to any folder")
def test_a_folder_that_may_not_be_written_is_explained(new_and_old: tuple[Path, Path]) -> None:
    _, old = new_and_old
    before = sha256(old)
    old.parent.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"Cannot write pump\.npz: Permission denied") as raised:
            small_bank(20).save(old)
    finally:
        old.parent.chmod(0o700)
    assert "a folder you may write to" in raised.value.next_step
    assert sha256(old) == before
    assert list(old.parent.iterdir()) == [old]
