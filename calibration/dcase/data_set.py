"""Data sets in the layout of DCASE Task 2, 2020 to 2025: a folder for each machine, the rest in the files' names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn, cast

from asd_edge.calibration.dcase.attributes import Attributes, AttributeTable, attributes_in_name, read_attribute_table
from asd_edge.calibration.errors import InputError

Domain = Literal["source", "target", ""]
"""The domain of a clip; empty where its name does not say: in 2020, which knew no domains, and in evaluation sets since
2022."""
Split = Literal["train", "test", "supplemental"]
Label = Literal["normal", "anomaly", "noise", ""]
"""What a clip holds; noise is sound of the surroundings without the machine, and empty means that its name does not
say."""

SPLITS: tuple[Split, ...] = ("train", "test", "supplemental")
_FOLDERS: dict[str, Split] = {
    "train": "train",
    "test": "test",
    "source_test": "test",
    "target_test": "test",
    "supplemental": "supplemental",
}
"""The folders of a machine and the split that each holds: 2021 kept the domains of the test apart."""

_ATTRIBUTES = "[_<attributes|noAttribute>].wav"
_LAYOUT: dict[Split, str] = {
    "train": f"section_00_<source|target>_train_normal_<index>{_ATTRIBUTES} or normal_id_00_<index>.wav (2020)",
    "test": f"section_00_<source|target>_test_<normal|anomaly>_<index>{_ATTRIBUTES}, section_00_<index>.wav without "
    "a label, or <normal|anomaly>_id_00_<index>.wav (2020)",
    "supplemental": f"section_00_<words with 'machine' or 'noise'>_<index>{_ATTRIBUTES}",
}
_INDEX = r"_(?P<index>\d+)(?:_(?P<attributes>.*))?\.wav"
_SUPPLEMENTAL = re.compile(rf"section_(?P<section>\d{{2}})_(?:[a-z]+_)*?(?P<sound>machine|noise)(?:_[a-z]+)*{_INDEX}")
_PATTERNS = (
    re.compile(
        rf"section_(?P<section>\d{{2}})_(?:source|target)_(?P<split>train|test)_(?P<label>normal|anomaly){_INDEX}"
    ),
    re.compile(r"section_(?P<section>\d{2})(?:_(?:source|target))?(?:_(?P<split>test))?_(?P<index>\d+)\.wav"),
    re.compile(r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>\d{2})_(?P<index>\d+)\.wav"),
    _SUPPLEMENTAL,
)


@dataclass(frozen=True)
class Clip:
    """One recording of a machine and what is known about it."""

    path: Path
    """The path of the sound file."""
    machine: str
    """The machine's own name: that of its folder, with the section where the folder holds several."""
    section: int
    """The number of the section."""
    domain: Domain
    """The domain, where the name says it."""
    split: Split
    """Whether the clip is one to train on, to test with, or of supplemental sound."""
    label: Label
    """Whether the clip is normal, anomalous or noise, where the name says it."""
    index: int
    """The number of the clip in its name."""
    attributes: Attributes = ()
    """The attributes of the machine's operation as (parameter, value) pairs; none where they are not told."""

    @property
    def machine_type(self) -> str:
        """The name of the machine's folder, which several sections share."""
        return self.path.parent.parent.name

    @property
    def section_name(self) -> str:
        """The section as the challenge spells it: ``section_00``, in 2020 ``id_00``."""
        return f"{'section' if self.path.name.startswith('section') else 'id'}_{self.section:02d}"


def domain_of(path: str | Path) -> Domain:
    """The domain that a file's name says; empty where the name says none, or is no name of DCASE Task 2."""
    match = re.match(r"section_\d{2}_(source|target)_", Path(path).name)
    return cast(Domain, match[1]) if match else ""


def read_data_set(folder: str | Path) -> dict[str, tuple[Clip, ...]]:
    """List the machines of a data set and their clips.

    A folder with several sections (2021, 2022) or ids (2020) holds as many machines, ``fan_00`` and ``fan_01``, or
    ``fan_id_00``. Hidden files are passed over, and so is everything beside a machine's ``train``, ``test`` and
    ``supplemental`` and its tables of attributes.

    Args:
        folder: The folder that holds a folder for each machine.

    Returns:
        The clips by machine: training, test and supplemental clips, each in the order of their names. Every machine
        has training clips; the others may be missing.

    Raises:
        InputError: There is no such folder, it holds no machine, or it does not fit the layout: the message names the
            first file that broke the rule. A table of attributes that does not fit the clips is refused likewise.
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
    return {name: clips for machine in machines for name, clips in _read_folder(machine).items()}


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _read_folder(folder: Path) -> dict[str, tuple[Clip, ...]]:
    """The machines of one folder, one for each section."""
    clips = [_parse(path, split) for name, split in _FOLDERS.items() for path in _visible(folder / name)]
    sections: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: (clip.section, SPLITS.index(clip.split), clip.path.name)):
        sections.setdefault(clip.section_name, []).append(clip)
    untrained = [section for section, found in sections.items() if found[0].split != "train"]
    if untrained or not sections:
        raise InputError(
            "The machine has no training clips.",
            got=f"{folder / 'train'}{f', {untrained[0]}' if len(sections) > 1 else ''}",
            valid=f"files named {_LAYOUT['train']}",
            next_step="put its normal sound there, or name a folder in which every folder is a machine",
        )
    tables = _read_tables(folder, sections)
    machines = {}
    for section, found in sections.items():
        name = folder.name if len(sections) == 1 else f"{folder.name}_{section.removeprefix('section_')}"
        told = _with_table(found, tables[section]) if tables else found
        machines[name] = tuple(replace(clip, machine=name) for clip in told)
    return machines


def _parse(path: Path, split: Split) -> Clip:
    """Read what a clip's name says; the machine has its folder's name until its sections are known."""
    match = _match(path.name)
    if match is None or not path.is_file() or (match.re is _SUPPLEMENTAL) != (split == "supplemental"):
        _refuse("The file's name does not fit the layout of DCASE Task 2.", path, _LAYOUT[split])
    said = match.groupdict()
    if said.get("split") not in {split, None}:
        _refuse(f"A file of '{said['split']}' lies in '{split}'.", path, f"files with _{split}_ in their names")
    label: str = said.get("label") or ""
    if split == "train" and label == "anomaly":
        _refuse("There is an anomaly among the training clips.", path, "normal sound only: nothing else is learned")
    if split == "train" and not label:
        _refuse("A training clip's name does not say that it is normal.", path, _LAYOUT[split])
    if split == "supplemental":
        label = "noise" if said["sound"] == "noise" else "normal"
    return Clip(
        path=path,
        machine=path.parent.parent.name,
        section=int(said["section"]),
        domain=domain_of(path),
        split=split,
        label=cast(Label, label),
        index=int(said["index"]),
        attributes=attributes_in_name(said.get("attributes") or ""),
    )


def _match(name: str) -> re.Match[str] | None:
    return next((match for pattern in _PATTERNS if (match := pattern.fullmatch(name))), None)


def _read_tables(folder: Path, sections: Iterable[str]) -> dict[str, AttributeTable]:
    """The tables of attributes by section: all sections have one, or none has."""
    tables = {f"section_{path.stem[-2:]}": path for path in sorted(folder.glob("attributes_[0-9][0-9].csv"))}
    missing = [section for section in sections if section not in tables]
    if tables and missing:
        raise InputError(
            "Some sections of the machine have a table of attributes, and this one has none.",
            got=f"{folder}: {missing[0]}",
            valid=f"attributes_{missing[0][-2:]}.csv",
            next_step="add it, or move the other tables away to go by the files' names",
        )
    return {section: read_attribute_table(path) for section, path in tables.items()}


def _with_table(clips: Sequence[Clip], table: AttributeTable) -> list[Clip]:
    """Take the attributes from the table.

    A split of which the table lists nothing goes by the files' names: evaluation sets list their training clips only.
    """
    table.require_files({clip.path.stem for clip in clips})
    listed = {clip.split for clip in clips if clip.path.stem in table.rows}
    return [
        replace(clip, attributes=table.of(clip.path.name, _spelled(clip.path.name))) if clip.split in listed else clip
        for clip in clips
    ]


def _spelled(name: str) -> str:
    match = _match(name)
    return (match.groupdict().get("attributes") or "") if match else ""


def _refuse(what: str, path: Path, valid: str) -> NoReturn:
    raise InputError(what, got=path, valid=valid, next_step="rename it or move it out of this folder")
