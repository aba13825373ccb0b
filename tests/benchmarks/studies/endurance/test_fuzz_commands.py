"""Odd command lines: the same ones again for the same numbers, and no fault of the program goes unseen."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.endurance.fuzz_commands import Typing, commands, make_files, odd_command_lines
from asd_edge.benchmarks.studies.endurance.fuzzing import Failure, fuzz

FAULTY = '''
import pathlib, sys

def fault(kind: str = ""):
    """Fail."""
    if kind == "raise":
        raise ValueError("nobody foresaw this")
    if kind == "outside":
        pathlib.Path(__file__).with_name("written").touch()
    if kind == "named":
        pathlib.Path("../named").touch()
    sys.exit(7 if kind == "code" else 0)
'''


@pytest.fixture
def typing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typing:
    folder = tmp_path / "plugin" / "plugin-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[asd_edge.commands]\nfault = faulty_plugin:fault\n")
    (tmp_path / "plugin" / "faulty_plugin.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    make_files(tmp_path / "whole")
    (tmp_path / "scratch").mkdir()
    return Typing(tmp_path / "whole", tmp_path / "scratch", 30.0)


def failures(typing: Typing, *words: str) -> tuple[Failure, ...]:
    line = "\0".join(words).encode()
    return fuzz("one", [line], typing, 1, mutate=lambda _, seeds: seeds[0]).failures


def test_what_the_program_must_not_do_is_found(typing: Typing) -> None:
    (raised,) = failures(typing, "fault", "--kind", "raise")
    assert (raised.kind, "nobody foresaw this" in raised.example) == ("foreign", True)
    (outside,) = failures(typing, "fault", "--kind", "outside")
    assert "written outside" in outside.example
    (code,) = failures(typing, "fault", "--kind", "code")
    assert "exit code 7" in code.example
    assert not (typing.scratch.parent / "plugin" / "written").exists()


def test_what_the_program_may_do_is_no_fault(typing: Typing) -> None:
    for words in (
        ("fault",),
        ("fault", "--kind", "named"),
        ("info", "logmel"),
        ("info", "bank.npz"),
        ("nothing",),
        ("--debug", "info"),
    ):
        assert failures(typing, *words) == (), words


def test_every_command_is_tried_with_its_options() -> None:
    known = {command.words: command for command in commands()}
    for words in (("listen",), ("enroll",), ("info",), ("bench",), ("bench", "compare"), ("export", "logmel")):
        assert words in known
    assert ("--hop", True) in known["listen",].options
    assert ("--no-cache", False) in known["enroll",].options
    assert not any(words[0] == "study" for words in known)


def test_the_same_numbers_make_the_same_lines_and_others_make_others() -> None:
    make = odd_command_lines(commands())
    lines = [make(random.Random(number), []) for number in range(200)]
    assert lines == [make(random.Random(number), []) for number in range(200)]
    assert len(set(lines)) > 150
    assert os.sep.encode() in b"".join(lines)


@pytest.mark.long
def test_odd_lines_are_borne(typing: Typing) -> None:
    """On a busy computer, a command may take longer to end than a hang."""
    typing.ctrl_c_after_s = 0.4
    report = fuzz("commands", [b""], typing, 50, 7, odd_command_lines(commands()))
    assert [each for each in report.failures if each.kind != "hang"] == []
    assert report.accepted + report.refused > 40
