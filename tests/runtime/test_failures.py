"""Whatever goes wrong, there is one clear message, no traceback and an exit code that says what it was."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program import Run

from asd_edge.runtime.cli import main

COMMAND = '''
import errno, os, sys

def fail(kind: str = "ValueError"):
    """Fail."""
    if kind == "exit":
        sys.exit(3)
    if kind.isdigit():
        raise OSError(int(kind), os.strerror(int(kind)), "a\\x1b[2J\\nb")
    raise getattr(__builtins__, kind, None) or __builtins__[kind]("deep \\x1b[2J down\\n  next:  forged")
'''


@pytest.fixture
def fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package with a command ``fail``, installed as far as Python can see."""
    folder = tmp_path / "plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[asd_edge.commands]\nfail = failing_plugin:fail\n")
    (tmp_path / "failing_plugin.py").write_text(COMMAND)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("ASD_EDGE_DEBUG", raising=False)


def assert_clear(stderr: str, what: str) -> None:
    assert re.fullmatch(r"asd-edge: .+\n  got:   .+\n  valid: .+\n  next:  .+\n", stderr), stderr
    assert what in stderr


@pytest.mark.usefixtures("fail")
@pytest.mark.parametrize(
    "kind", ["ValueError", "AssertionError", "RecursionError", "KeyError", "ImportError", "EOFError", "SystemError"]
)
def test_what_nobody_foresaw_is_one_message_that_says_how_to_report_it(run_main: Run, kind: str) -> None:
    done = run_main("fail", "--kind", kind)
    assert (done.returncode, done.stdout) == (1, "")
    assert_clear(done.stderr, "did not expect")
    assert f"{kind}: " in done.stderr
    assert "--debug (or set ASD_EDGE_DEBUG=1)" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.usefixtures("fail")
def test_the_traceback_is_for_those_who_ask(run_main: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("--debug", "fail"), ("fail", "--debug")):
        shown = run_main(*arguments).stderr
        assert "Traceback" in shown
        assert "\x1b" not in shown
    assert "Traceback" not in run_main("fail").stderr
    monkeypatch.setenv("ASD_EDGE_DEBUG", "1")
    assert "Traceback" in run_main("fail").stderr
    monkeypatch.setenv("ASD_EDGE_DEBUG", "0")
    assert "Traceback" not in run_main("fail").stderr


@pytest.mark.usefixtures("fail")
@pytest.mark.parametrize(
    ("number", "next_step"),
    [
        ("ENOSPC", "free some space"),
        ("EACCES", "ask its owner"),
        ("ENAMETOOLONG", "shorter name"),
        ("ELOOP", "where the link leads"),
        ("EMFILE", "ulimit -n"),
        ("ENOMEM", "ulimit -v"),
        ("ENOTTY", "--debug"),
    ],
)
def test_what_the_system_refuses_is_told_with_what_to_do(run_main: Run, number: str, next_step: str) -> None:
    import errno

    done = run_main("fail", "--kind", getattr(errno, number))
    assert done.returncode == 1
    assert_clear(done.stderr, next_step)


@pytest.mark.usefixtures("fail")
def test_no_memory_and_interruptions_have_their_own_ends(run_main: Run) -> None:
    done = run_main("fail", "--kind", "MemoryError")
    assert done.returncode == 1
    assert_clear(done.stderr, "not enough memory")
    assert run_main("fail", "--kind", "KeyboardInterrupt").returncode == 130
    assert run_main("fail", "--kind", "exit").returncode == 3


def test_wrong_usage_says_what_and_where_to_look(run_main: Run) -> None:
    for arguments, what in (
        (("lisen",), "Did you mean 'listen'?\n  next:  asd-edge --help\n"),
        (("score", "a.wav"), "'--bank'"),
        (("enroll", "--bank", "x.npz", "--hop", "often"), "'--hop'"),
        (("x\x1b[31m\nAA:AB:CD\udce9",), "'x\\x1b[31m"),
    ):
        done = run_main(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("asd-edge: ")
        assert what in done.stderr
        assert "\x1b" not in done.stderr


def shell(program: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = f"set -o pipefail; exec 3>&1; {command}"
    return subprocess.run(
        ["bash", "-c", script.replace("asd-edge", str(program))],
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_full_disk_behind_the_output_is_told(program: Path) -> None:
    done = shell(program, "asd-edge info logmel > /dev/full")
    assert done.returncode == 1
    assert_clear(done.stderr, "No space left on device")
    assert shell(program, "asd-edge --help > /dev/full").returncode == 1
    assert shell(program, "asd-edge info logmel > /dev/full 2> /dev/full").returncode == 1
    assert shell(program, "asd-edge info nothing.npz 2> /dev/full").returncode == 1


def test_a_closed_output_is_no_failure(program: Path) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&-"):
        done = shell(program, f"asd-edge info logmel {closed}")
        assert (done.returncode, done.stderr) == (0, ""), closed


def test_a_reader_that_leaves_at_once_is_no_failure(program: Path) -> None:
    for command in ("--help", "info logmel", "study --help"):
        done = shell(program, f"(sleep 0.5; asd-edge {command}) | true")
        assert (done.returncode, done.stderr) == (0, ""), command


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"}])
def test_any_character_can_be_shown_in_any_encoding(program: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    name = "泵 é ▁.npz"
    done = shell(program, f"asd-edge info '{tmp_path / name}'", **variables)
    assert_clear(done.stderr, "no bank at this path")
    assert shell(program, "asd-edge --help", **variables).returncode == 0


def test_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.npz"
    program = Path(sys.executable).with_name("asd-edge")
    done = subprocess.run([program, "info", name], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert_clear(done.stderr, "caf\\xe9.npz")


def test_main_ends_with_an_exit_code_whatever_stands_on_the_command_line() -> None:
    for words in (
        [],
        ["--version"],
        ["info"],
        ["--", "info", "logmel"],
        [""],
        ["\udce9"],
        ["info", "logmel", "--debug"],
    ):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code in {0, 1, 2}
