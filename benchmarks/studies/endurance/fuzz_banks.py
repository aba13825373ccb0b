"""Bank files that nobody meant, by the ten thousand: read, scored with, added to and saved as `listen` and `enroll` do.

Half of the inputs are files with changed bytes, of which checksums find most. The other half were made by hand, so to
say: something in the description or in an array is changed, and every checksum and digest is right.
"""

import contextlib
import copy
import functools
import io
import json
import random
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz, show
from asd_edge.benchmarks.studies.endurance.mutations import ODD_VALUES, change_value, mutate_bytes
from asd_edge.calibration.alarm import AlarmRule
from asd_edge.calibration.bank.answers import Answer, Answered
from asd_edge.calibration.bank.bank import Bank, load_bank, make_bank
from asd_edge.calibration.bank.bank_file import pack_bank
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.bank.coreset import reduce_bank
from asd_edge.calibration.bank.sessions import NO_SESSION
from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording, References, Timeline, domains_of
from asd_edge.calibration.scorers.registry import require_scorer, scorer_names
from asd_edge.runtime import known_faults
from asd_edge.runtime.answering.learning import undone

_WINDOWS, _DIMENSIONS = 24, 3
_VALUES: tuple[Any, ...] = (*ODD_VALUES, 255, -1e-300, "mix", "x" * 20_000, {"id": "a"})
_ODD_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-45, 1.5, 2.5, 1e5, 1e12, 1e19, 3e38, -3e38)
_TYPES = ("<f4", "<f8", ">f4", "<f2", "<i4", "<i8", "<u1", "?", "<c8", "<U4", "S3", "<M8[s]")


def whole_banks() -> list[bytes]:
    """A bank with each scorer, with domains and without, one of few references, and one that people answered to."""
    files = []
    for scorer in scorer_names():
        for domains in (("", ""), ("source", "target")):
            bank = _bank(scorer, domains)
            files += [_saved(bank), _saved(_answered(bank))]
            if require_scorer(scorer).compares:
                smaller = replace(bank, info=replace(bank.info, max_references=12))
                files.append(_saved(reduce_bank(smaller)[0]))
    return files


def _bank(scorer: str, domains: tuple[str, str]) -> Bank:
    rng = np.random.default_rng(0)
    recordings = tuple(Recording(name, f"{name}.wav", domain) for name, domain in zip("ab", domains, strict=True))
    numbers = np.repeat(np.array([0, 1], np.int32), _WINDOWS // 2)
    references = References(
        rng.standard_normal((_WINDOWS, _DIMENSIONS)).astype(np.float32),
        Timeline(numbers, 10.0 * np.arange(_WINDOWS, dtype=np.float64), 10.0),
        domains_of(recordings, numbers),
        rng.gamma(5.0, size=_WINDOWS) if require_scorer(scorer).rebuilds else None,
    )
    info = BankInfo("0" * 64, "fuzzed", 10.0, 10.0, scorer=scorer, recordings=recordings)
    return make_bank(info, references, probe=references.embeddings[:4])


def _answered(bank: Bank) -> Bank:
    """The bank after an alarm that was none, shadow days and a fault."""
    references = bank.references
    answers = tuple(Answer(kind, "2026-01-01T00:00:00+00:00", 2, 1) for kind in ("normal", "days", "fault"))
    errors = references.reconstruction_errors
    rows = np.arange(8)
    answered = (
        Answered.nothing(10.0, _DIMENSIONS, errors is not None)
        .with_normal(0, references.timeline.at(rows[:2]), np.ones(2, np.bool_), np.full(2, NO_SESSION, np.int32))
        .with_normal(1, references.timeline.at(rows[2:]), np.zeros(6, np.bool_), np.ones(6, np.int32))
        .with_fault(2, references.embeddings[:2], None if errors is None else errors[:2])
    )
    return make_bank(replace(bank.info, answers=answers), references, probe=bank.probe, answered=answered)


def _saved(bank: Bank) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        bank.save(path := Path(folder, "bank.npz"))
        return path.read_bytes()


def mutate_bank(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change the bytes of a bank's file, or what it says while all its digests are right."""
    if rng.random() < 0.5:
        return mutate_bytes(rng, seeds)
    values, whole = _parts(rng.choice(seeds))
    values, arrays = copy.deepcopy(values), dict(whole)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if rng.random() < 0.4:
            change_value(rng, values, (*_VALUES, *scorer_names()))
        elif arrays:
            _change_arrays(rng, arrays)
    file = io.BytesIO()
    pack_bank(file, values, arrays)
    return file.getvalue()


@functools.cache
def _parts(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    values = json.loads(str(arrays.pop("info")))
    del values["arrays"]
    return values, arrays


def _change_arrays(rng: random.Random, arrays: dict[str, NDArray[Any]]) -> None:
    """Change one array: its values, its shape, its type, its name, or whether it is there."""
    name = rng.choice(list(arrays))
    array, way = arrays[name], rng.choice((0, 1, 2, 3, 4, 5, 5, 5, 5, 5))
    if way == 0:
        del arrays[name]
    elif way == 1:
        arrays[rng.choice(list(arrays))] = array
    elif way == 2:
        with warnings.catch_warnings(), contextlib.suppress(ValueError):  # not every text is a number
            warnings.simplefilter("ignore")
            arrays[name] = array.astype(rng.choice(_TYPES))
    elif way == 3:
        shapes = (array[None], array[..., None], array[:0], array[1:], array.T, array.reshape(-1), array[..., :0])
        arrays[name] = rng.choice(shapes) if array.ndim else array[None]
    elif way == 4 and array.ndim:
        arrays[name] = np.repeat(array, rng.choice((2, 3)), axis=rng.randrange(array.ndim))
    elif array.size and array.dtype.kind in "fi":
        changed = array.copy()
        odd = _ODD_FLOATS if array.dtype.kind == "f" else (-1, 2, 7, 2**31 - 1, -(2**31))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            changed.reshape(-1)[rng.randrange(array.size)] = rng.choice(odd)
        arrays[name] = changed


@dataclass
class Using:
    """Does with a bank all that is done with one."""

    folder: Path

    def __call__(self, content: bytes) -> None:
        """Write the content to a file and read it as a bank.

        Raises:
            InputError: The content cannot be used.
        """
        path = self.folder / "bank.npz"
        path.write_bytes(content)
        bank = load_bank(path)
        with np.errstate(all="ignore"):  # numbers may be as large as they are
            dimensions = bank.references.embeddings.shape[1]
            rebuilds = bank.references.reconstruction_errors is not None
            output = ModelOutput(np.ones(dimensions, np.float32), 1.0 if rebuilds else None)
            bank.save(self.folder / "again.npz")
            bank.threshold_at(95.0, AlarmRule(), 10.0)
            bank.scorer().score(output)
            growing = GrowingReferences(bank)
            growing.add(Recording("another", ""), 0.0, output)
            info, references = growing.so_far(bank.info)
            reduce_bank(make_bank(info, references, growing.left_out, bank.probe, bank.answered))
            known_faults(bank)
            for number in range(len(bank.info.answers)):
                undone(bank, number, path)


def fuzz_banks(wanted: FuzzSettings) -> None:
    """Whether any bank file, however it was made, can do more than be used or refused."""
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz(
            "banks", whole_banks(), Using(Path(folder)), wanted.inputs, wanted.seed, mutate_bank, keep=wanted.keep
        )
    show(report)
