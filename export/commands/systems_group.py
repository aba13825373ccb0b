"""The systems of a command as its subcommands, each with the options of its own settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from asd_edge.calibration.command_line import options, single_command
from asd_edge.export.training.job import system_settings, systems


def systems_group(part: str, run: Callable[[str, Any], None], help: str) -> typer.Typer:  # noqa: A002  as Typer calls it
    """Make a command whose subcommands are the systems that entry points name.

    Args:
        part: ``train`` or ``export``.
        run: The function that does the work: it gets the name of the system and its settings.
        help: The help of the command.
    """

    class Systems(TyperGroup):
        """Subcommands that are made when they are asked for, as systems of other packages are found then."""

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return [name for name, _ in systems(part)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
            settings_class = system_settings(cmd_name, part)
            return None if settings_class is None else _subcommand(cmd_name, settings_class, run)

    group = typer.Typer(cls=Systems, no_args_is_help=True, add_completion=False, help=help)
    group.callback()(lambda: None)
    return group


def _subcommand(name: str, settings_class: type, run: Callable[[str, Any], None]) -> Any:
    def command(chosen: Any) -> None:
        run(name, chosen)

    command.__annotations__["chosen"] = settings_class
    command.__doc__ = inspect.cleandoc(settings_class.__doc__ or "").partition("\n\nAttributes:")[0]
    return single_command(name, options(command))
