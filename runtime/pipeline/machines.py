"""Which machines the options of `listen` mean: a bank each, the model that made it, and a microphone or files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.commands.options import open_model
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.listening import ListenSettings, Machine
from asd_edge.runtime.sources.opening import open_source


@dataclass(frozen=True)
class Wanted:
    """One machine, as options name it."""

    bank: Path
    device: str | None
    """the microphone that the bank remembers when left out"""
    inputs: Sequence[str]
    """paths of files and folders, or one address"""


def wanted_machines(banks: Sequence[Path], devices: Sequence[str], inputs: Sequence[str]) -> list[Wanted]:
    """Put together what belongs together: the first bank and the first device, and so on. One bank takes all files.

    Raises:
        InputError: There are more or fewer devices or files than banks, a bank is there twice, or one of several
            devices goes by its index.
    """
    single = len(banks) == 1
    for option, given in (("--device", devices), ("--input", () if single else inputs)):
        if given and len(given) != len(banks):
            raise InputError(
                f"Every --bank needs its {option}.",
                got=f"{len(banks)} --bank, {len(given)} {option}",
                valid=f"as many of both, in the same order; without {option}, the microphones that the banks remember",
                next_step="asd-edge listen --device A --bank a.npz --device B --bank b.npz",
            )
    places = [bank.resolve() for bank in banks]
    if twice := [bank for bank, place in zip(banks, places, strict=True) if places.count(place) > 1]:
        raise InputError(
            "The same bank was given twice.",
            got=twice[0],
            valid="a bank for each machine",
            next_step="leave one away, or enroll the other machine into a bank of its own",
        )
    if not single and (indices := [device for device in devices if device.isascii() and device.isdigit()]):
        # The sound system leaves off its list what is being recorded from, so that the others move up.
        raise InputError(
            "Several microphones cannot go by their indices, which change as one after the other is opened.",
            got=f"--device {indices[0]}",
            valid="names, or parts of them",
            next_step="see the names with `asd-edge devices`",
        )
    return [
        Wanted(bank, devices[at] if devices else None, inputs if single else inputs[at : at + 1])
        for at, bank in enumerate(banks)
    ]


def open_machines(
    wanted: Sequence[Wanted],
    models: Sequence[str],
    settings: ListenSettings,
    realtime: bool,
    provider: str,
    threads: int,
    cache: bool,
) -> list[Machine]:
    """Load banks, start each model once, and open microphones and files.

    Args:
        wanted: Which machines.
        models: Files; every bank finds the one that made it.
        settings: How to listen.
        realtime: Play files at the pace they were recorded at.
        provider: See `Model`.
        threads: See `Model`.
        cache: See `Model`.

    Raises:
        InputError: Any of it cannot be used, for any of the machines.
    """
    banks = [load_bank(each.bank) for each in wanted]
    started: dict[str, Model] = {}
    for model in dict.fromkeys(models):
        opened = open_model(model, provider, threads, cache)
        started.setdefault(opened.sha256, opened)
    names = [machine_name(bank, each.bank) for bank, each in zip(banks, wanted, strict=True)]
    names = [name if names.count(name) == 1 else str(each.bank) for name, each in zip(names, wanted, strict=True)]
    for name, bank in zip(names, banks, strict=True):
        with _told_of(name, wanted):
            _model_of(bank, started)
            settings.threshold(bank)  # nothing is wrong with any bank when the first microphone is opened
    machines = []
    for name, bank, each in zip(names, banks, wanted, strict=True):
        model_of_bank = _model_of(bank, started)
        with _told_of(name, wanted):
            channel = settings.cut(model_of_bank, bank).channel
            source = open_source(each.device, each.inputs, channel, bank.info.device, realtime)
            machines.append(Machine(source, model_of_bank, bank, settings, name))
    return machines


def machine_name(bank: Bank, path: Path) -> str:
    """What to call a machine: as its people do, or else as its file is called."""
    return bank.info.name or path.name


def _model_of(bank: Bank, models: Mapping[str, Model]) -> Model:
    model = models.get(bank.info.model_sha256) or next(iter(models.values()))
    bank.check_model(model.sha256, model.description)
    return model


@contextlib.contextmanager
def _told_of(name: str, wanted: Sequence[Wanted]) -> Iterator[None]:
    """Say of which machine an error is, where there are several."""
    try:
        yield
    except InputError as error:
        if len(wanted) > 1:
            error.what = f"{name}: {error.what}"
        raise
