"""Command lines that nobody meant, by the ten thousand: every command with odd values for its options."""

import contextlib
import errno
import io
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz, show
from asd_edge.calibration.errors import InputError
from asd_edge.runtime.cli import main, program

_CTRL_C_AFTER_S = 0.4
"""Whatever still runs then is told to end by Ctrl-C, as what is tried is the command line and not the work."""
_EXIT_CODES = {0, 1, 2, 130}
_FAULTS = ("did not expect", "Exception in thread")
"""The words of the message about an error that nobody foresaw, and those of Python about one in a thread."""
_MOST_OPTIONS, _MOST_ADDED = 6, 2
_BANK, _SOUND = "bank.npz", "sound.wav"
_WHOLE = (
    ("info", "logmel"),
    ("info", _BANK),
    ("score", _SOUND, "--bank", _BANK),
    ("listen", "--bank", _BANK, "--input", _SOUND),
    ("enroll", "--bank", "new.npz", "--input", _SOUND),
    ("enroll", "--bank", _BANK, "--input", _SOUND, "--append"),
)
_SHARE_OF_WHOLE = 0.3
"""So many command lines would do what they say, but for up to two odd options: they come furthest."""
_NUMBERS = (
    *("0", "-0", "1", "-1", "2", "+3", "0.5", "10", "1024", "65536", "2000000", "9" * 20, "1" * 5000),
    *("1e-999", "1e999", "nan", "inf", "-inf", "NaN", "0x10", "1_000", "1,5", "\uff11", "1 ", "1e5", "--1"),
)
_WORDS = (
    *("", " ", "-", "--", "---", "-h", "--help", "--version", "--debug", "--json", "mix", "auto", "cpu", "cuda", "all"),
    *("logmel", "nearest", "gmm", "3/5", "5/3", "1/1", "json", "json:", "json:out.jsonl", "terminal", "terminal:x"),
    *("simulated:", "simulated:seed=nan", "simulated:duration=15", "simulated:duration=-1", "simulated:x", "files:."),
    *("rtsp://user:pass@host/x?y#z", "://", ":", "C:\\x", "%s%n{0}", "$(x)", "=1+1", "@x", "'", '"', "[red]", ":ok:"),
    *("\x1b[2J", "a\nb", "\r", "\t", "\u202egnp", "\udce9"),
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    *("a" * 300, "a/" * 3000 + "a", "\u6cf5", "*", "?"),
)
_PATHS = (
    *(".", "..", "/dev/null", "/dev/null/x", "/proc/self/mem", "/proc/nothing/x", "folder", "folder/", "loop", "new.x"),
    *("missing/x.npz", "missing.npz", "missing.wav", "missing.onnx", "empty.npz", "empty.wav", "empty.onnx"),
    "noise.npz",
    *("noise.wav", "noise.onnx", "caf\udce9.wav", "._x.wav", _BANK, _SOUND, f"./{_BANK}", f"folder/../{_SOUND}"),
)
_WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree"}
"""The events of Python's audit that change a folder; their first argument is a path, as is the second of some."""
_HARMLESS = ("/dev/", "/proc/")


@dataclass(frozen=True)
class Command:
    """A command and what it may be given."""

    words: tuple[str, ...]
    options: tuple[tuple[str, bool], ...]
    """the names of options, each with whether a value follows"""
    arguments: int


def commands() -> list[Command]:
    """All commands of the program that are installed, with their options, except studies.

    Those measure this computer in processes of their own for minutes, and some fuzz.
    """
    group = program()
    found: list[Command] = []
    with group.make_context("asd-edge", [], resilient_parsing=True) as context:
        for name in group.list_commands(context):
            found += _commands_below((name,), group.resolve_command(context, [name])[1], context)
    return found


def _commands_below(words: tuple[str, ...], command: Any, above: Any) -> Iterator[Command]:
    if words == ("study",):
        return
    options = tuple(
        (name, not each.is_flag)
        for each in command.params
        if each.param_type_name == "option"
        for name in (*each.opts, *each.secondary_opts)
    )
    arguments = sum(each.param_type_name == "argument" for each in command.params)
    yield Command(words, options, arguments)
    if hasattr(command, "list_commands"):
        with command.make_context(words[-1], [], parent=above, resilient_parsing=True) as context:
            for name in command.list_commands(context):
                below = command.resolve_command(context, [name])[1]
                yield from _commands_below((*words, name), below, context)


def odd_command_lines(known: Sequence[Command]) -> Callable[[random.Random, Sequence[bytes]], bytes]:
    """What makes command lines of these commands, the words of each separated by zero bytes."""
    by_name = {command.words[0]: command for command in reversed(known)}

    def make(rng: random.Random, _: Sequence[bytes]) -> bytes:
        whole = rng.choice(_WHOLE) if rng.random() < _SHARE_OF_WHOLE else None
        command = rng.choice(known) if whole is None else by_name[whole[0]]
        words = list(command.words if whole is None else whole)
        for _number in range(rng.randrange(_MOST_OPTIONS + 1 if whole is None else _MOST_ADDED + 1)):
            words += _option(rng, command) if rng.random() < 0.9 else [_value(rng)]
        words += [_value(rng) for _number in range(command.arguments) if whole is None and rng.random() < 0.7]
        if rng.random() < 0.05:
            rng.shuffle(words)
        return b"\0".join(word.encode("utf-8", "surrogateescape") for word in words)

    return make


def _option(rng: random.Random, command: Command) -> list[str]:
    if not command.options:
        return [_value(rng)]
    name, takes_value = rng.choice(command.options)
    chance = rng.random()
    if chance < 0.05:
        return [name[:-1]]  # mistyped
    if chance < 0.25:
        return [f"{name}={_value(rng)}"]
    return [name, _value(rng)] if takes_value and chance < 0.95 else [name]


def _value(rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.1:
        return "".join(
            chr(rng.choice((rng.randrange(1, 128), rng.randrange(1, 0xD800)))) for _ in range(rng.randrange(12))
        )
    return rng.choice(_NUMBERS if chance < 0.45 else _WORDS if chance < 0.7 else _PATHS)


@dataclass
class Typing:
    """Types command lines into the program, in a folder with files of every kind.

    Args:
        whole: The folder with these files.
        scratch: The only folder below which anything may be written.
        ctrl_c_after_s: After how many seconds a command is told to end.
    """

    whole: Path
    scratch: Path
    ctrl_c_after_s: float = _CTRL_C_AFTER_S
    _watched: bool = False
    _watching: bool = False
    _named: tuple[str, ...] = ()
    _outside: list[str] = field(default_factory=list)

    def __call__(self, content: bytes) -> None:
        """Run the program to its end.

        Raises:
            InputError: The program ended with an exit code that is not 0.
            AssertionError: It ended in another way, told an error that nobody foresaw, or wrote outside its folder.
        """
        self._watch()
        words = content.decode("utf-8", "surrogateescape").split("\0")
        folder = self.scratch / "here"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, folder, symlinks=True)
        os.chdir(folder)
        tempfile.tempdir = str(self.scratch)
        os.environ.update(HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache"), TMPDIR=str(self.scratch))
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "cache")  # PyTorch remembers the first folder for such
        values = {part for word in words for part in (word, word.partition("=")[2], word.partition(":")[2]) if part}
        self._named = tuple(os.path.dirname(os.path.abspath(value)) for value in values)  # noqa: PTH100, PTH120
        said = io.StringIO()
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGINT) if self._watching else None)
        signal.setitimer(signal.ITIMER_REAL, self.ctrl_c_after_s)
        try:
            self._watching = True
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
                code = _exit_code(words)
        except KeyboardInterrupt:  # the program had ended already
            code = 130
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        if self._outside:
            raise AssertionError(f"written outside: {self._outside.pop()}")
        if any(each in said.getvalue() for each in _FAULTS):
            raise AssertionError(said.getvalue()[:400])
        if code not in _EXIT_CODES:
            raise AssertionError(f"exit code {code}")
        if code:
            raise InputError("refused", got=code)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            os.setpgrp()  # Ctrl-C reaches all processes of a group, but not the study
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
            sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        writes = event in _WRITES
        if event == "open":
            _path, mode, flags = arguments
            writes = any(each in (mode or "") for each in "wax+") or bool(
                flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
        if writes:
            for given in {"os.rename": arguments[:2], "os.symlink": arguments[1:2], "os.link": arguments[1:2]}.get(
                event, arguments[:1]
            ):
                self._look(event, given)

    def _look(self, event: str, given: object) -> None:
        """Refuse to write outside the folder, and note it where the command line did not name the path."""
        if isinstance(given, (str, bytes, os.PathLike)):
            path = os.path.abspath(os.fsdecode(given))  # noqa: PTH100  as Path would, it must not open anything
            if f"{path}/".startswith((f"{self.scratch}/", *_HARMLESS)):
                return
            if os.path.dirname(path) not in self._named:  # noqa: PTH120
                self._outside.append(f"{event} {path}")
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def _exit_code(words: list[str]) -> object:
    end_at_once = os._exit
    os._exit = _leave  # type: ignore[assignment]  # the program ends so where a thread still writes
    try:
        main(words)
    except SystemExit as left:
        return left.code
    finally:
        os._exit = end_at_once
    raise AssertionError("the program did not end")


def _leave(code: int) -> NoReturn:
    raise SystemExit(code)


def make_files(folder: Path) -> None:
    """Make a folder with a bank, sound, and things of the same names that are neither."""
    import numpy as np
    import soundfile

    from asd_edge.benchmarks.probes.sounds import machine_bank, machine_sound
    from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
    from asd_edge.runtime import Model

    folder.mkdir()
    machine_bank(folder / _BANK, Model(provider="cpu", threads=1))
    sound = machine_sound(12.0)
    soundfile.write(folder / _SOUND, sound, SAMPLE_RATE_HZ)
    (folder / "folder").mkdir()
    shutil.copy(folder / _SOUND, folder / "folder" / "a.wav")
    for name in ("npz", "wav", "onnx"):
        (folder / f"empty.{name}").touch()
        (folder / f"noise.{name}").write_bytes(np.random.default_rng(0).bytes(3000))
    (folder / "._x.wav").write_bytes(b"no sound")
    (folder / "loop").symlink_to("loop")
    with contextlib.suppress(OSError):  # a file system may want names that are text
        (folder / "caf\udce9.wav").write_bytes((folder / _SOUND).read_bytes())


def fuzz_commands(wanted: FuzzSettings) -> None:
    """Whether any command line, however odd, can do more than be carried out or refused in one clear message."""
    with tempfile.TemporaryDirectory() as folder:
        whole, scratch = Path(folder) / "whole", Path(folder) / "scratch"
        make_files(whole)
        scratch.mkdir()
        known = commands()
        typing = Typing(whole, scratch)
        _load_everything()
        report = fuzz("commands", [b""], typing, wanted.inputs, wanted.seed, odd_command_lines(known), keep=wanted.keep)
    show(report)


def _load_everything() -> None:
    """Import what commands import, as Ctrl-C in the middle of an import leaves half a module behind."""
    import importlib.util

    heavy = ("matplotlib.figure", "onnx", "onnxscript", "sounddevice", "sklearn", "soxr", "scipy.stats", "torch")
    for name in ("jinja2", *heavy):
        with contextlib.suppress(ImportError, OSError):
            if importlib.util.find_spec(name.partition(".")[0]):
                importlib.import_module(name)
