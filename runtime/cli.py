"""The `asd-edge` program: mounts the commands that the rooms declare, and turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from asd_edge import __version__
from asd_edge.calibration import plugins
from asd_edge.calibration.command_line import single_command
from asd_edge.calibration.errors import InputError

_PANELS = {
    "asd_edge.runtime": "On the device",
    "asd_edge.export": "On the workstation",
    "asd_edge.benchmarks": "Measure",
}
_PANEL_OF_OTHERS = "From other packages"
_ORDER = ("demo", "devices", "doctor", "enroll", "listen", "score", "info")
"""The order in which a newcomer meets the commands; the others follow by name."""
_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m"}
_NO_COLOUR = "\x1b[0m"


class _Commands(TyperGroup):
    """The commands by their entry points: the help reads their first lines, and only the one that runs is imported."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        found = plugins.entry_points("commands")
        first = [name for name in _ORDER if name in found]
        self._points = {name: found[name] for name in dict.fromkeys([*first, *found])}
        self.commands = dict.fromkeys(self._points)  # type: ignore[assignment]  # names for "did you mean"

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self._points)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        point = self._points.get(cmd_name)
        if point is None:
            return None
        room = ".".join(point.module.split(".")[:2])
        return TyperCommand(cmd_name, help=plugins.summary(point), rich_help_panel=_PANELS.get(room, _PANEL_OF_OTHERS))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and self._runnable(str(name)), rest

    def _runnable(self, name: str) -> Any:
        """A command with its options; one whose package is missing raises what Python says about that when it runs."""
        try:
            loaded = self._points[name].load()
        except ModuleNotFoundError as error:
            loaded = _unavailable(error)
        if not isinstance(loaded, typer.Typer):
            return single_command(name, loaded)
        command = get_command(loaded)
        command.name = name
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read the output has left, as `| head` does: no error. Typer would make the exit code 1 of it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="No microphone at hand? asd-edge demo. At a machine: asd-edge devices, then enroll, then listen.",
)


def _unavailable(error: ModuleNotFoundError) -> typer.Typer:
    """A command in place of one that cannot be imported: it shows in the help, and running it raises the reason."""
    stand_in = typer.Typer(add_completion=False)

    def run() -> None:
        raise error

    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    stand_in.command(help=f"Not available: {error.name} is not installed.", context_settings=settings)(run)
    return stand_in


def _version(wanted: bool) -> None:
    if wanted:
        print(f"asd-edge {__version__}")  # noqa: T201
        raise typer.Exit


@_app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version of the program."
    ),
    debug: bool = typer.Option(
        False,
        "--debug",
        help="Tell more on the way, and show a traceback with errors; it may stand after a command, too.",
    ),
) -> None:
    """Hears when a machine goes wrong: learns its normal sound on the device and tells when the sound changes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.

    Args:
        arguments: The words after the program's name; those of this process when left out.

    Raises:
        SystemExit: The program has ended, with the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    # A service is stopped with SIGTERM: it ends like Ctrl-C, with everything saved and told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _told_on_standard_error(logging.DEBUG if debug else logging.INFO):
            _app(words, prog_name="asd-edge")
    except InputError as error:
        if debug:
            raise
        _fail(str(error))
    except ModuleNotFoundError as error:
        if debug:
            raise
        extra = _extra_with(error.name or "", words[:1])
        package = f"'asd-edge[{extra}]'" if extra else str(error.name)
        problem = InputError(
            f"This command needs {error.name}, which is not installed.",
            got=f"no module named {error.name}",
            valid=f"asd-edge with the extra '{extra}'" if extra else f"a Python with {error.name}",
            next_step=f"pip install {package}",
        )
        _fail(str(problem))


class _PlainSentences(logging.Handler):
    """Writes what the program has to say to standard error, a sentence a line; warnings have a colour on a terminal.

    Standard error is looked up each time, because a live view takes its place while it is shown.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text, colour = self.format(record), _COLOURS.get(record.levelno)
            if colour and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
                text = f"{colour}{text}{_NO_COLOUR}"
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001  a message that cannot be written must not stop the program
            self.handleError(record)


@contextlib.contextmanager
def _told_on_standard_error(level: int) -> Iterator[None]:
    """Write what this project logs to standard error; other libraries stay as loud as they were."""
    logger, handler = logging.getLogger("asd_edge"), _PlainSentences()
    level_before = logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)


def _fail(message: str) -> None:
    print(f"asd-edge: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(1)


def _extra_with(module: str, command: Sequence[str]) -> str | None:
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
    return next((extra for extra in extras if extra in command), extras[0] if extras else None)
