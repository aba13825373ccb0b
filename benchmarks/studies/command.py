"""The command `asd-edge study`: it lists the studies that are installed, and runs one of them."""

from importlib.metadata import EntryPoint
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from asd_edge.calibration import plugins
from asd_edge.calibration.command_line import options, single_command

_GROUP = "studies"
_OUR_STUDIES = "asd_edge.benchmarks.studies."


class _Studies(TyperGroup):
    """The studies as commands. Help reads their first lines from their files; only the one that runs is imported."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return plugins.names(_GROUP)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        point = plugins.entry_points(_GROUP).get(cmd_name)
        if point is None:
            return None
        return TyperCommand(cmd_name, help=plugins.summary(point), rich_help_panel=_panel(point))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and _runnable(str(name)), rest


study = typer.Typer(cls=_Studies, no_args_is_help=True, add_completion=False)


@study.callback()
def _study() -> None:
    """Measure one thing of this program on this computer, as the figures of the documentation were measured.

    Each study has its own options: asd-edge study soak --help.
    """


def _panel(point: EntryPoint) -> str:
    """The heading under which the help lists a study: the folder that it is in."""
    if not point.module.startswith(_OUR_STUDIES):
        return "From other packages"
    return point.module.removeprefix(_OUR_STUDIES).partition(".")[0].capitalize()


def _runnable(name: str) -> Any:
    """The command of a study, whose options are its settings."""
    return single_command(name, options(plugins.load(_GROUP, name, "asd-edge study")))
