"""The `asd-edge` program: mounts the commands that the rooms declare, and turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from asd_edge import __version__
from asd_edge.calibration import plugins
from asd_edge.calibration.command_line import fit_to_terminal, single_command
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.wording import visible, visible_lines
from asd_edge.runtime.ending import INTERRUPTED, give_up_output, hanging, leave
from asd_edge.runtime.failure_text import DEBUG_VARIABLE, clear_error
from asd_edge.runtime.json_objects import json_line

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
_UNTIL_STOPPED = "listen"
"""The command that runs until it is stopped, so that SIGTERM is its ordinary end even while it starts."""
_WRONG_USAGE: Any = typer.BadParameter.__mro__[2]
"""click's ClickException, wherever Typer keeps its click: some releases bring one of their own."""


class _Commands(TyperGroup):
    """The commands by their entry points: the help reads their first lines, and only the one that runs is imported."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        found = plugins.entry_points("commands")
        first = [name for name in _ORDER if name in found]
        self._points = {name: found[name] for name in dict.fromkeys([*first, *found])}
        self.commands = dict.fromkeys(self._points)  # type: ignore[assignment]  # names for "did you mean"
        fit_to_terminal(self)

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
        return fit_to_terminal(command)


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

    Whatever goes wrong is told in one clear message; ``--debug``, or the environment variable ``ASD_EDGE_DEBUG``, shows
    a traceback before it.

    Args:
        arguments: The words after the program's name; those of this process when left out.

    Raises:
        SystemExit: The program has ended, with the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    debug = "--debug" in options or os.environ.get(DEBUG_VARIABLE, "0") not in {"", "0"}
    words = [word for word in options if word != "--debug"] + given[len(options) :]
    # A service is stopped with SIGTERM: it ends like Ctrl-C, with everything saved and told.
    terminated = threading.Event()

    def terminate(number: int, frame: FrameType | None) -> None:
        terminated.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGTERM, terminate)
    _prepare_output()
    try:
        with _told_on_standard_error(logging.DEBUG if debug else logging.INFO):
            _run(words)
            sys.stdout.flush()
        code = 0
    except typer.Exit as left:
        code = left.exit_code
    except SystemExit as left:
        if not isinstance(left.code, int):
            raise
        # Rich ends the program with 1 where the help's reader has left.
        code = 0 if isinstance(left.__context__, BrokenPipeError) else left.code
    except (KeyboardInterrupt, typer.Abort):
        code = 0 if terminated.is_set() and words[:1] == [_UNTIL_STOPPED] else INTERRUPTED
    except _WRONG_USAGE as error:
        code = _tell_usage(error, words)
    except Exception as error:  # noqa: BLE001  nobody shall meet a traceback who did not ask for one
        code = 0 if isinstance(error, BrokenPipeError) and _reader_has_left() else _tell_failure(error, words, debug)
    finally:
        _forget_unwritten()
    leave(code)


def program() -> Any:
    """The program as click's group of commands, for those who want to know what there is."""
    return get_command(_app)


def _run(words: Sequence[str]) -> None:
    """Run a command; its errors come out as they are, where click would end the program with messages of its own."""
    group = program()
    with group.make_context("asd-edge", list(words)) as context:  # click takes from the list what it has read
        group.invoke(context)


def _prepare_output() -> None:
    """Let nothing that is written fail for what it is: a closed output takes it, and any character has a spelling."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _nowhere() -> Any:
    return Path(os.devnull).open("w", encoding="utf-8")


def _reader_has_left() -> bool:
    """Whether whoever read standard output has left, as `| head` does: that is no error."""
    with contextlib.suppress(OSError, ValueError):
        looked = select.poll()
        looked.register(sys.stdout.fileno(), 0)
        return any(what & (select.POLLERR | select.POLLHUP) for _, what in looked.poll(0))
    return False


def _forget_unwritten() -> None:
    """Give up the outputs that take nothing any more."""
    if hanging():
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            give_up_output(stream)


def _tell_usage(error: Any, words: Sequence[str]) -> int:
    """Say what is wrong with the words that were given, and where the right ones are; the exit code."""
    told = error.format_message()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "asd-edge"
    _write_object(InputError(told, next_step=f"{command} --help"), words, error.exit_code)
    if told and not isinstance(error, typer.BadParameter.__mro__[1]):
        _tell(told)
    elif told and type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(told + "\n")
    elif told:
        _tell(f"{told}\n  next:  {command} --help")
    return int(error.exit_code)


def _tell_failure(error: Exception, words: Sequence[str], debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if debug:
        with contextlib.suppress(OSError):
            sys.stderr.write(visible_lines("".join(traceback.format_exception(error))))
    clear = clear_error(error, words)
    _write_object(clear, words, 1)
    _tell(str(clear))
    return 1


def _write_object(error: InputError, words: Sequence[str], exit_code: int) -> None:
    """Write an error where a program reads objects; standard output may be what is broken, and the exit code tells."""
    wanted = "--json" in words or "--sink=json" in words or ("--sink", "json") in itertools.pairwise(words)
    if not wanted or hanging():
        return
    said = {"what": error.what, "got": error.got, "valid": error.valid, "next_step": error.next_step}
    values = {name: text for name, text in said.items() if text}
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(json_line("error", {**values, "exit_code": exit_code}))
        sys.stdout.flush()


def _tell(message: str) -> None:
    from asd_edge.calibration.console import Console

    with contextlib.suppress(OSError):
        Console(stderr=True).say(f"asd-edge: {message}", indent=9)


class _PlainSentences(logging.Handler):
    """Writes what the program has to say to standard error, a sentence a line; warnings have a colour on a terminal.

    Standard error is looked up each time, because a live view takes its place while it is shown.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The sentence, in which what comes from outside is `visible`."""
        if isinstance(record.args, tuple):
            record.args = tuple(each if isinstance(each, (int, float)) else visible(each) for each in record.args)
        return visible_lines(super().format(record))

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
