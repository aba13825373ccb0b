"""Data sets in the layout of DCASE Task 2: a folder for each machine, and all the rest in the names of the files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, cast

from asd_edge.calibration.errors import InputError

Domain = Literal["source", "target"]
Split = Literal["train", "test"]
Label = Literal["normal", "anomaly"]

SPLITS: tuple[Split, ...] = ("train", "test")
_NAME = re.compile(
    r"section_(?P<section>\d{2})_(?P<domain>source|target)_(?P<split>train|test)_(?P<label>normal|anomaly)"
    r"_(?P<index>\d+)_(?P<attributes>.+)\.wav"
)
_LAYOUT = "section_00_<source|target>_<train|test>_<normal|anomaly>_<index>_<attributes|noAttribute>.wav"
_NO_ATTRIBUTES = "noAttribute"


@dataclass(frozen=True)
class Clip:
    """One recording of a machine and what its name says of it."""

    path: Path
    machine: str
    section: int
    domain: Domain
    split: Split
    label: Label
    index: int
    attributes: str
    """of the machine's operation, as the file name spells them; empty where it says ``noAttribute``"""


def read_data_set(folder: str | Path) -> dict[str, tuple[Clip, ...]]:
    """List the machines of a data set and their clips.

    Hidden files are passed over, and so is everything beside the machines' ``train`` and ``test`` folders, such as
    tables of attributes.

    Args:
        folder: The folder that holds a folder for each machine.

    Returns:
        Clips by machine, training first, all in name order. Every machine has training clips; test clips may be
        missing.

    Raises:
        InputError: There is no such folder, it holds no machine, or it does not fit the layout: the message names the
            first file that broke the rule.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            "There is no folder of recordings at this path.",
            got=folder,
            valid="a folder with a folder for each machine, <machine>/{train,test}/",
            next_step="check the path",
        )
    machines = [item for item in _visible(folder) if item.is_dir()]
    if not machines or (folder / "train").is_dir():
        raise InputError(
            "The folder is a machine's own." if machines else "The folder holds no machine.",
            got=folder,
            valid="a folder with a folder for each machine, <machine>/{train,test}/",
            next_step="name the folder above it" if machines else "check the path",
        )
    return {machine.name: _read_machine(machine) for machine in machines}


def _read_machine(machine: Path) -> tuple[Clip, ...]:
    clips = {split: [_parse(path, split) for path in _visible(machine / split)] for split in SPLITS}
    if not clips["train"]:
        raise InputError(
            "The machine has no training clips.",
            got=machine / "train",
            valid=f"files named {_LAYOUT}",
            next_step="put its normal sound there, or name a folder in which every folder is a machine",
        )
    return (*clips["train"], *clips["test"])


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _parse(path: Path, split: Split) -> Clip:
    match = _NAME.fullmatch(path.name)
    if match is None or not path.is_file():
        _refuse("The file's name does not fit the layout of DCASE Task 2.", path, _LAYOUT)
    if match["split"] != split:
        _refuse(f"A file of '{match['split']}' lies in '{split}'.", path, f"files with _{split}_ in their names")
    if split == "train" and match["label"] == "anomaly":
        _refuse("There is an anomaly among the training clips.", path, "normal sound only: nothing else is learned")
    attributes = match["attributes"]
    return Clip(
        path=path,
        machine=path.parent.parent.name,
        section=int(match["section"]),
        domain=cast(Domain, match["domain"]),
        split=split,
        label=cast(Label, match["label"]),
        index=int(match["index"]),
        attributes="" if attributes == _NO_ATTRIBUTES else attributes,
    )


def _refuse(what: str, path: Path, valid: str) -> NoReturn:
    raise InputError(what, got=path, valid=valid, next_step="rename it or move it out of this folder")
