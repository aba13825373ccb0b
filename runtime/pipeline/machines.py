"""Opening the machines that are listened to: the bank of each, the model that made it, and its source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asd_edge.calibration.audio.windowing import Windowing
from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.errors import BankError, DeviceError, InputError, WrongDeviceError
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.machine import Machine, check_hop, stamp_of
from asd_edge.runtime.pipeline.machine_settings import MachineSettings
from asd_edge.runtime.request import shown
from asd_edge.runtime.sources.awaited import Awaited
from asd_edge.runtime.sources.opening import open_source
from asd_edge.runtime.sources.source import Source


def open_machines(
    machines: Sequence[MachineSettings], models: ModelsSettings, settings: ListenSettings
) -> list[Machine]:
    """Load the banks of machines, start each model once, and open microphones and files.

    Args:
        machines: Which machines, each with its bank and its source.
        models: Which models; every bank finds the one that made it.
        settings: How the machines are listened to.

    Raises:
        DeviceError: A live source is not there, and its machine requires it to be.
        InputError: A bank, a model or a source cannot be used, for any of the machines.
    """
    stamps = [stamp_of(each.bank) for each in machines]
    banks = [load_bank(each.bank) for each in machines]
    started = {model.sha256: model for model in models.start()}
    names = [machine_name(bank, each.bank) for bank, each in zip(banks, machines, strict=True)]
    names = [name if names.count(name) == 1 else str(each.bank) for name, each in zip(names, machines, strict=True)]
    chosen = []
    for name, bank in zip(names, banks, strict=True):
        with _told_of(name, machines):
            chosen.append(_model_of(bank, started))
            settings.threshold(bank)  # nothing is wrong with any bank when the first microphone is opened
    opened = []
    for name, bank, each, stamp, model_of_bank in zip(names, banks, machines, stamps, chosen, strict=True):
        with _told_of(name, machines):
            source = _source_of(each, bank, settings.windowing(model_of_bank, bank))
            opened.append(Machine(source, model_of_bank, bank, settings, name, each.bank, stamp))
    return opened


def _source_of(machine: MachineSettings, bank: Bank, windowing: Windowing) -> Source:
    """The source of a machine; one that is waited for where it is live and not there."""

    def opened() -> Source:
        source = open_source(machine.device, machine.input, windowing.channel, bank.info.device, machine.realtime)
        check_hop(source, windowing)
        return source

    try:
        return opened()
    except DeviceError as error:
        if machine.require_devices or isinstance(error, WrongDeviceError):
            raise
        asked_for = machine.device or (shown(machine.input[0]) if machine.input else bank.info.device)
        return Awaited(opened, asked_for, error)


def machine_name(bank: Bank, path: Path) -> str:
    """What a machine is called: the name that people gave it, or else the name of its bank's file."""
    return bank.info.name or path.name


def _model_of(bank: Bank, models: Mapping[str, Model]) -> Model:
    """The model that made the bank, or another file of it."""
    refusals = []
    candidates = [models[same]] if (same := bank.info.model_sha256) in models else list(models.values())
    for model in candidates:
        try:
            bank.check_model(model.sha256, model.description, model.probe)
        except BankError as error:
            refusals.append(error)
        else:
            return model
    raise refusals[0]


@contextlib.contextmanager
def _told_of(name: str, machines: Sequence[MachineSettings]) -> Iterator[None]:
    """Say which machine an error is about, where there are several."""
    try:
        yield
    except InputError as error:
        if len(machines) > 1:
            error.what = f"{name}: {error.what}"
        raise
