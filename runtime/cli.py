"""The `asd-edge` program: mounts the commands that the rooms declare, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

_GROUP = "asd_edge.commands"
_PANELS = {
    "asd_edge.runtime": "On the device",
    "asd_edge.export": "On the workstation",
    "asd_edge.benchmarks": "Measure",
}
_ORDER = ("demo", "devices", "doctor", "enroll", "listen", "score", "info")
"""The way of a newcomer; other commands follow by name."""


class _Commands(TyperGroup):
    """Commands by entry point: running one imports it alone, and help imports none of what they need to run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        found = {point.name: point for point in importlib.metadata.entry_points(group=_GROUP)}
        first = [name for name in _ORDER if name in found]
        self._points = {name: found[name] for name in [*first, *sorted(found.keys() - set(first))]}
        self.commands = dict.fromkeys(self._points)  # type: ignore[assignment]  # names for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self._points)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        point = self._points.get(cmd_name)
        if point is None:
            return None
        try:
            loaded = point.load()
        except ModuleNotFoundError as error:
            loaded = _unavailable(error)
        if isinstance(loaded, typer.Typer):
            command = get_command(loaded)
        else:
            single = typer.Typer(add_completion=False)
            single.command()(loaded)
            command = get_command(single)
        command.name = cmd_name
        room = ".".join(point.module.split(".")[:2])
        command.rich_help_panel = _PANELS.get(room)  # type: ignore[attr-defined]
        return command


_app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="No microphone at hand? asd-edge demo. At a machine: asd-edge devices, then enroll, then listen.",
)


def _unavailable(error: ModuleNotFoundError) -> typer.Typer:
    """Stand in for a command that cannot be imported: it shows in the help, and running it raises the reason."""
    stand_in = typer.Typer(add_completion=False)

    def run() -> None:
        raise error

    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    stand_in.command(help=f"Not available: {error.name} is not installed.", context_settings=settings)(run)
    return stand_in


def _version(wanted: bool) -> None:
    if wanted:
        print(f"asd-edge {importlib.metadata.version('asd-edge')}")  # noqa: T201
        raise typer.Exit


@_app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show a traceback with errors; also after any command."),
) -> None:
    """Hears when a machine goes wrong: learns its normal sound on the device and tells when the sound changes."""


def main() -> None:
    """Run the program. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    # A service is stopped with SIGTERM: it ends like Ctrl-C, with everything saved and told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from asd_edge.calibration.errors import InputError

    try:
        _app()
    except InputError as error:
        if debug:
            raise
        _fail(str(error))
    except BrokenPipeError:
        # Whoever read the output has left, as `| head` does: not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModuleNotFoundError as error:
        if debug:
            raise
        extra = _extra_with(error.name or "")
        package = f"'asd-edge[{extra}]'" if extra else str(error.name)
        problem = InputError(
            f"This command needs {error.name}, which is not installed.",
            got=f"no module named {error.name}",
            valid=f"asd-edge with the extra '{extra}'" if extra else f"a Python with {error.name}",
            next_step=f"pip install {package}",
        )
        _fail(str(problem))


def _fail(message: str) -> None:
    print(f"asd-edge: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(1)


def _extra_with(module: str) -> str | None:
    """The extra of this distribution that would install a module: the command's own, if it has one of its name."""
    wanted = module.partition(".")[0].replace("_", "-").lower()
    extras: list[str] = []
    for requirement in importlib.metadata.requires("asd-edge") or []:
        parts = re.match(r"([\w.-]+)(?:\[([^]]*)\])?.*extra == ['\"]([^'\"]+)", requirement)
        if parts is None:
            continue
        name, inner, extra = parts.groups()
        if name.lower() == wanted or (name == "asd-edge" and set((inner or "").split(",")) & set(extras)):
            extras.append(extra)
    return next((extra for extra in extras if extra in sys.argv[1:2]), extras[0] if extras else None)
