"""Opening the machines that are listened to: the bank of each, the model that made it, and its source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asd_edge.calibration.bank.bank import Bank, load_bank
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.listen_settings import ListenSettings
from asd_edge.runtime.pipeline.listening import Machine
from asd_edge.runtime.pipeline.machine_settings import MachineSettings
from asd_edge.runtime.sources.opening import open_source


def open_machines(
    machines: Sequence[MachineSettings], models: ModelsSettings, settings: ListenSettings
) -> list[Machine]:
    """Load the banks of machines, start each model once, and open microphones and files.

    Args:
        machines: Which machines, each with its bank and its source.
        models: Which models; every bank finds the one that made it.
        settings: How the machines are listened to.

    Raises:
        InputError: A bank, a model or a source cannot be used, for any of the machines.
    """
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
    for name, bank, each, model_of_bank in zip(names, banks, machines, chosen, strict=True):
        with _told_of(name, machines):
            channel = settings.windowing(model_of_bank, bank).channel
            source = open_source(each.device, each.input, channel, bank.info.device, each.realtime)
            opened.append(Machine(source, model_of_bank, bank, settings, name))
    return opened


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
