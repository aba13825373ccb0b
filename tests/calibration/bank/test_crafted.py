"""Files that were made to look like banks: refused where they are read, before they cost memory, with what is wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asd_edge.calibration.bank.bank import Bank, load_bank, make_bank
from asd_edge.calibration.bank.bank_arrays import arrays_of
from asd_edge.calibration.bank.bank_file import write_bank_file
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.contract.references import Recording, References, Timeline
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.calibration.scorers.registry import require_scorer

Values, Arrays = dict[str, Any], dict[str, NDArray[Any]]
INFO = BankInfo(
    "c0ffee" + "0" * 58, "logmel", 10.0, 10.0, recordings=(Recording("a", "a.wav"), Recording("b", "b.wav"))
)
WINDOWS, DIM = 40, 3


def bank_of(scorer: str = "nearest") -> Bank:
    rng = np.random.default_rng(0)
    info = replace(INFO, scorer=scorer, max_references=20 if require_scorer(scorer).compares else None)
    errors = rng.gamma(5.0, size=WINDOWS) if require_scorer(scorer).rebuilds else None
    numbers = np.repeat(np.array([0, 1], np.int32), WINDOWS // 2)
    timeline = Timeline(numbers, 10.0 * np.arange(WINDOWS, dtype=np.float64), 10.0)
    domains = np.full(WINDOWS, "", np.str_)
    embeddings = rng.standard_normal((WINDOWS, DIM)).astype(np.float32)
    return reduce_bank(make_bank(info, References(embeddings, timeline, domains, errors), probe=embeddings[:4]))[0]


def parts(bank: Bank) -> tuple[Values, Arrays]:
    arrays = arrays_of(bank.references, bank.reference_scores, bank.left_out, bank.fitted, bank.probe)
    return asdict(bank.info) | {"fitted": True}, arrays


def written(path: Path, change: Callable[[Values, Arrays], object], scorer: str = "nearest") -> Path:
    """A bank with something changed, and digests that are right: nobody but who reads it can notice."""
    values, arrays = parts(bank_of(scorer))
    change(values, arrays)
    write_bank_file(path, values, arrays)
    return path


def set_value(name: str, value: object) -> Callable[[Values, Arrays], object]:
    return lambda values, _: values.update({name: value})


def set_recording(**changes: object) -> Callable[[Values, Arrays], object]:
    return lambda values, _: values["recordings"][0].update(changes)


def set_array(name: str, make: Callable[[NDArray[Any]], Any]) -> Callable[[Values, Arrays], object]:
    def change(_: Values, arrays: Arrays) -> None:
        arrays[name] = np.asarray(make(arrays[name]))

    return change


def poke(name: str, value: float) -> Callable[[Values, Arrays], object]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        changed = array.copy()
        changed.flat[-1] = value
        return changed

    return set_array(name, change)


def drop(*names: str) -> Callable[[Values, Arrays], object]:
    return lambda _, arrays: [arrays.pop(name) for name in names]


def test_what_is_changed_below_is_a_bank_before(tmp_path: Path) -> None:
    bank = load_bank(written(tmp_path / "bank.npz", lambda values, arrays: None))
    assert bank.left_out is not None
    assert (len(bank.references), len(bank.left_out.scores), bank.ready) == (20, 20, True)


CRAFTED: dict[str, tuple[Callable[[Values, Arrays], object], str]] = {
    "a digest that is none": (set_value("model_sha256", "logmel"), "model_sha256"),
    "a digest that is a number": (set_value("model_sha256", 7), "model_sha256"),
    "a model that is a list": (set_value("model", ["logmel"]), "model"),
    "a window of no length": (set_value("window_s", 0.0), "window_s"),
    "a window of a negative length": (set_value("window_s", -10), "window_s"),
    "a window of a year": (set_value("window_s", 3e7), "window_s"),
    "a window that is text": (set_value("window_s", "10"), "window_s"),
    "a window that is true": (set_value("window_s", True), "window_s"),
    "a hop that is nothing": (set_value("hop_s", None), "hop_s"),
    "a huge hop": (set_value("hop_s", 10**400), "hop_s"),
    "a name that is a number": (set_value("name", 3), "name"),
    "a name of a megabyte": (set_value("name", "n" * 10**6), "name"),
    "a channel that is none": (set_value("channel", "left"), "channel"),
    "a channel that is a number": (set_value("channel", 1), "channel"),
    "a scorer that is a list": (set_value("scorer", []), "scorer"),
    "no reference at most": (set_value("max_references", 0), "max_references"),
    "half a reference at most": (set_value("max_references", 0.5), "max_references"),
    "times that are numbers": (set_value("created", 2026), "created"),
    "refused windows that are a list": (set_value("refused", [1]), "refused"),
    "a negative number of refused windows": (set_value("refused", {"gap": -1}), "refused"),
    "refused windows that are text": (set_value("refused", {"gap": "1"}), "refused"),
    "recordings that are text": (set_value("recordings", "ab"), "recordings"),
    "recordings that are numbers": (set_value("recordings", [1, 2]), "recordings"),
    "a recording without an id": (lambda values, _: values["recordings"][0].pop("id"), "id"),
    "a recording whose source is a number": (set_recording(source=1), "source"),
    "a domain of ten thousand characters": (set_recording(domain="d" * 10_000), "domain"),
    "two recordings of one id": (set_recording(id="b"), "recordings"),
    "a shape of the fit that is text": (set_value("gamma_shape", "2"), "gamma_shape"),
    "a negative shape of the fit": (set_value("gamma_shape", -2.0), "gamma_shape"),
    "half a fit": (set_value("gamma_scale", None), "gamma_scale"),
    "a threshold of 0": (set_value("threshold", 0), "threshold"),
    "a format that is text": (set_value("format", "3"), "format"),
    "a format that is true": (set_value("format", True), "format"),
    "a format that is a fraction": (set_value("format", 2.5), "format"),
    "fitted perhaps": (set_value("fitted", "yes"), "scorer"),
    "not fitted, with a threshold": (set_value("fitted", False), "reference_scores"),
    "embeddings in double precision": (set_array("embeddings", lambda a: a.astype(np.float64)), "embeddings"),
    "embeddings that are whole numbers": (set_array("embeddings", lambda a: a.astype(np.int32)), "embeddings"),
    "embeddings that are text": (set_array("embeddings", lambda a: a.astype("U8")), "embeddings"),
    "embeddings with three axes": (set_array("embeddings", lambda a: a[None]), "embeddings"),
    "one number as embeddings": (set_array("embeddings", lambda a: a[0, 0]), "embeddings"),
    "no embeddings": (set_array("embeddings", lambda a: a[:0]), "references"),
    "embeddings without dimensions": (set_array("embeddings", lambda a: a[:, :0]), "dim"),
    "one embedding less": (set_array("embeddings", lambda a: a[1:]), "references"),
    "other dimensions": (set_array("embeddings", lambda a: a[:, 1:]), "dim"),
    "an infinite embedding": (poke("embeddings", np.inf), "not a number"),
    "an embedding that is no number": (poke("embeddings", np.nan), "not a number"),
    "a negative recording": (poke("recordings", -1), "recordings"),
    "a recording that there is not": (poke("recordings", 2), "recordings"),
    "recordings in 64 bits": (set_array("recordings", lambda a: a.astype(np.int64)), "recordings"),
    "recordings in two axes": (set_array("recordings", lambda a: a[:, None]), "recordings"),
    "a start that is no number": (poke("starts_s", np.nan), "starts_s"),
    "a start beyond all time": (poke("starts_s", 1e300), "starts_s"),
    "a score that is no number": (poke("reference_scores", np.nan), "reference_scores"),
    "a negative score": (poke("reference_scores", -1.0), "reference_scores"),
    "a score too many": (set_array("reference_scores", lambda a: np.append(a, 1.0)), "reference_scores"),
    "no scores": (set_array("reference_scores", lambda a: a[:0]), "reference_scores"),
    "scores left away": (drop("reference_scores"), "reference_scores"),
    "starts left away": (drop("starts_s"), "starts_s"),
    "reconstruction errors of half the windows": (
        lambda _, arrays: arrays.update(reconstruction_errors=np.ones(10)),
        "reconstruction_errors",
    ),
    "reconstruction errors of one part only": (
        lambda _, arrays: arrays.update(reconstruction_errors=np.ones(20)),
        "fit together",
    ),
    "left out without scores": (drop("left_out_scores"), "left_out"),
    "left out without times": (drop("left_out_starts_s"), "left_out_starts_s"),
    "a left out recording that there is not": (poke("left_out_recordings", 7), "left_out_recordings"),
    "a left out score that is negative": (poke("left_out_scores", -1.0), "left_out_scores"),
    "more held than left out": (set_array("left_out_embeddings", lambda a: np.repeat(a, 2, axis=0)), "left out"),
    "held in other dimensions": (set_array("left_out_embeddings", lambda a: a[:, 1:]), "dim"),
    "half of the moments": (lambda _, arrays: arrays.update(forgotten_mean=np.zeros(DIM)), "forgotten"),
    "negative squares": (
        lambda _, arrays: arrays.update(forgotten_mean=np.zeros(DIM), forgotten_squares=-np.ones(DIM)),
        "forgotten_squares",
    ),
    "a probe in other dimensions": (set_array("probe", lambda a: a[:, 1:]), "dim"),
    "a mean in other dimensions": (set_array("scorer_mean", lambda a: a[1:]), "dim"),
    "a mean that is no number": (poke("scorer_mean", np.nan), "mean"),
    "a deviation of 0": (poke("scorer_deviation", 0.0), "deviation"),
    "a negative deviation": (poke("scorer_deviation", -1.0), "deviation"),
    "no deviation": (drop("scorer_deviation"), "deviation"),
    "a spread for fewer references": (set_array("scorer_spread", lambda a: a[1:]), "references"),
    "a spread of 0": (poke("scorer_spread", 0.0), "spread"),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_types_shapes_sizes_and_values_are_checked(tmp_path: Path, what: str) -> None:
    change, word = CRAFTED[what]
    path = written(tmp_path / "bank.npz", change)
    with pytest.raises(BankError, match="no bank, or it is damaged") as raised:
        load_bank(path)
    assert word in raised.value.what
    assert raised.value.got == str(path)


SCORERS: dict[str, tuple[str, Callable[[Values, Arrays], object], str]] = {
    "a whitening that is no square": (
        *("mahalanobis", set_array("scorer_whitening_0", lambda a: a[1:])),
        "whitening_0",
    ),
    "an infinite whitening": ("mahalanobis", poke("scorer_whitening_0", np.inf), "whitening_0"),
    "no whitening": ("mahalanobis", drop("scorer_whitening_0"), "whitening"),
    "no domain": ("mahalanobis", drop("scorer_whitening_0", "scorer_centre_0"), "centre_0"),
    "one domain too many": (
        *("mahalanobis", lambda _, arrays: arrays.update(scorer_centre_1=arrays["scorer_centre_0"])),
        "centre",
    ),
    "weights above 1": ("gmm", poke("scorer_log_weights_0", 1.0), "log_weights_0"),
    "a component too many": ("gmm", set_array("scorer_log_weights_0", lambda a: np.append(a, -1.0)), "components"),
    "no component": (
        "gmm",
        lambda _, arrays: arrays.update(
            scorer_log_weights_0=arrays["scorer_log_weights_0"][:0],
            scorer_centres_0=arrays["scorer_centres_0"][:0],
            scorer_variances_0=arrays["scorer_variances_0"][:0],
        ),
        "components",
    ),
    "a variance of 0": ("gmm", poke("scorer_variances_0", 0.0), "variances_0"),
    "one deviation of two": (
        "reconstruction+mahalanobis",
        set_array("scorer_deviations", lambda a: a[:1]),
        "deviations",
    ),
    "a reconstruction error that is negative": (
        "reconstruction",
        poke("reconstruction_errors", -1.0),
        "reconstruction",
    ),
    "no reconstruction errors held": (
        "nearest-cosine",
        lambda _, arrays: arrays.update(left_out_reconstruction_errors=np.ones(20)),
        "fit together",
    ),
}


@pytest.mark.parametrize("what", SCORERS)
def test_what_a_scorer_keeps_is_what_it_says(tmp_path: Path, what: str) -> None:
    scorer, change, word = SCORERS[what]
    with pytest.raises(BankError, match="no bank, or it is damaged") as raised:
        load_bank(written(tmp_path / "bank.npz", change, scorer))
    assert word in raised.value.what


def test_a_bank_whose_parts_disagree_is_not_saved(tmp_path: Path) -> None:
    bank, path = bank_of(), tmp_path / "bank.npz"
    bank.save(path)
    before = path.read_bytes()
    unlike = replace(bank, reference_scores=bank.reference_scores[:-1])
    strange = replace(bank, reference_scores=-bank.reference_scores)
    homeless = replace(bank, info=replace(bank.info, recordings=bank.info.recordings[:1]))
    for broken in (unlike, strange, homeless):
        with pytest.raises(BankError, match="is not saved"):
            broken.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"hop_s": -1.0}, "hop_s"), ({"refused": {"gap": -1}}, "refused"), ({"model_sha256": "short"}, "model_sha256")],
)
def test_a_description_is_checked_where_it_is_made(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        replace(INFO, **changes)


# What is read is bounded before it is read


def npy(shape: object, dtype: str = "<f4", data: bytes = b"") -> bytes:
    """A part of the archive whose header says whatever is wanted."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def text(values: str) -> bytes:
    made = io.BytesIO()
    np.save(made, np.array(values))
    return made.getvalue()


DESCRIBED = text('{"format": 3, "arrays": {"embeddings": "0"}}')
PROMISES: dict[str, dict[str, bytes]] = {
    "embeddings of terabytes": {"info.npy": DESCRIBED, "embeddings.npy": npy((10**9, 381))},
    "embeddings of a negative length": {"info.npy": DESCRIBED, "embeddings.npy": npy((-1, 3))},
    "embeddings of a length beyond 64 bits": {"info.npy": DESCRIBED, "embeddings.npy": npy((2**70, 3))},
    "a description of gigabytes": {"info.npy": npy((), "<U1000000000")},
    "a description of empty characters": {"info.npy": npy((10**15,), "<U0")},
    "a description that is many": {"info.npy": npy((2,), "<U1", b"{\0\0\0}\0\0\0")},
    "a description that is a number": {"info.npy": npy((), "<f4", b"\0\0\0\0")},
    "objects": {"info.npy": DESCRIBED, "embeddings.npy": npy((4,), "|O", b"\0" * 32)},
    "a shape that is a call": {"info.npy": DESCRIBED, "embeddings.npy": npy("exit()")},
    "a header in the depths": {"info.npy": DESCRIBED, "embeddings.npy": npy("(" * 3000 + ")" * 3000)},
    "a description in the depths": {"info.npy": text("[" * 100_000)},
    "a description that is a list": {"info.npy": text("[]")},
    "a description with a number that is none": {"info.npy": text('{"format": NaN}')},
    "digests that are a list": {"info.npy": text('{"format": 3, "arrays": [1]}')},
    "digests that are numbers": {"info.npy": text('{"format": 3, "arrays": 3}')},
    "a number with ten thousand digits": {"info.npy": text('{"format": ' + "9" * 10_000 + "}")},
    "no description": {"embeddings.npy": npy((0, 3))},
    "other files": {"info.npy": DESCRIBED, "../../etc/passwd": b"x"},
}


@pytest.mark.parametrize("what", PROMISES)
def test_promises_that_the_file_does_not_keep(tmp_path: Path, what: str) -> None:
    with pytest.raises(BankError, match="no bank, or it is damaged"):
        load_bank(archive(tmp_path / "bank.npz", PROMISES[what]))


LOAD = """
import resource, sys
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import BankError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_bank(sys.argv[1])
except BankError as error:
    print(error.what)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    """A bank in which everything agrees, compressed a thousandfold."""
    values, arrays = parts(bank_of())
    arrays["embeddings"] = np.zeros((500_000, 64), np.float32)
    stored = tmp_path / "stored.npz"
    write_bank_file(stored, values, arrays)
    with zipfile.ZipFile(stored) as file:
        packed = archive(
            tmp_path / "packed.npz", {name: file.read(name) for name in file.namelist()}, zipfile.ZIP_DEFLATED
        )
    stored.unlink()
    assert packed.stat().st_size < 1_000_000
    done = subprocess.run([sys.executable, "-c", LOAD, str(packed)], capture_output=True, text=True, check=True)
    said, kilobytes = done.stdout.splitlines()
    assert "is compressed" in said
    assert int(kilobytes) < 30_000


def test_parts_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Many entries of the archive's list that point at the same megabyte."""
    path = archive(tmp_path / "bank.npz", {"info.npy": DESCRIBED, "embeddings.npy": npy((250_000,), data=bytes(10**6))})
    with zipfile.ZipFile(path, "a") as file:
        for number in range(50):
            entry = zipfile.ZipInfo(f"scorer_{number}.npy")
            like = file.getinfo("embeddings.npy")
            entry.header_offset, entry.CRC = like.header_offset, like.CRC
            entry.file_size = entry.compress_size = like.file_size
            file.filelist.append(entry)
        file._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(BankError, match="its parts are 51"):
        load_bank(path)


LIMITED = """
import resource, sys
from pathlib import Path
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import BankError
has = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (has + 40_000_000,) * 2)
try:
    load_bank(sys.argv[1])
except BankError as error:
    print(error.what)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_bank_that_does_not_fit_into_memory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    values, arrays = parts(bank_of())
    arrays["embeddings"] = np.zeros((500_000, 64), np.float32)
    write_bank_file(path, values, arrays)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert "does not fit into the memory" in done.stdout


# Paths


def test_a_pipe_is_told_as_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BankError, match="is a pipe, and a bank cannot be read from one") as raised:
        load_bank(tmp_path / "pipe")
    assert "cat" in raised.value.next_step
    with pytest.raises(BankError, match="is a device"):
        load_bank("/dev/null")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("n" * 300, "too long"),
        ("loop", "symbolic links"),
        ("a\0b", "null byte"),
        ("file/x", "no bank at"),
        ("no", "no"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(BankError, match=why):
        load_bank(tmp_path / name)


AS_ANOTHER = """
import os, sys
from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import BankError
os.setgroups([]); os.setgid(3456); os.setuid(3456)
try:
    load_bank(sys.argv[1])
except BankError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_bank_of_another_user_is_told(tmp_path: Path) -> None:
    bank_of().save(tmp_path / "bank.npz")
    (tmp_path / "bank.npz").chmod(0o600)
    command = [sys.executable, "-c", AS_ANOTHER, str(tmp_path / "bank.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot be read: Permission denied" in done.stdout
    assert "chmod" in done.stdout
