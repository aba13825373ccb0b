"""The command `asd-edge train`: the systems that are trained, each with the options of its own settings."""

from __future__ import annotations

from asd_edge.calibration.console import say
from asd_edge.calibration.wording import visible
from asd_edge.export.commands.systems_group import systems_group
from asd_edge.export.training.settings import TrainSettings


def _train(name: str, chosen: TrainSettings) -> None:
    from asd_edge.export.training.job import train as train_system

    written = train_system(chosen)
    if not written:
        return  # one of several processes, of which the first speaks
    say(f"{', '.join(map(visible, written))}: {name}{chosen.variant()}")
    if following := chosen.next_command():
        say(f"Next: asd-edge {visible(following)}")


train = systems_group("train", _train, help="Train a system from normal sound (needs the 'train' extra).")
