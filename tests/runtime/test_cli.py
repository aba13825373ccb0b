"""The program around its commands: what is logged reaches standard error, and commands of other packages are shown."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from program import Run

from asd_edge import __version__
from asd_edge.runtime.cli import main

COMMAND = '''
import logging

ours = logging.getLogger("asd_edge.somewhere")

def say():
    """Say it."""
    ours.debug("a detail")
    ours.info("reading %s", "[bold]pump[/bold] 3.npz")
    ours.warning("the disk is nearly full")
    logging.getLogger("a_library").info("chatter")
    logging.getLogger("a_library.part").debug("chatter")
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package with a command ``say``, installed as far as Python can see."""
    folder = tmp_path / "plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[asd_edge.commands]\nsay = plugin_of_a_test:say\n")
    (tmp_path / "plugin_of_a_test.py").write_text(COMMAND)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
def test_what_is_logged_is_told_in_plain_sentences_once_however_often_main_ran(run_main: Run) -> None:
    for _ in range(3):
        done = run_main("say")
        assert done.returncode == 0
        assert done.stdout == ""
        assert done.stderr == "reading [bold]pump[/bold] 3.npz\nthe disk is nearly full\n"
    logger = logging.getLogger("asd_edge")
    assert (logger.handlers, logger.level) == ([], logging.NOTSET)


@pytest.mark.usefixtures("plugin")
def test_debug_tells_details_too_but_not_those_of_libraries(run_main: Run) -> None:
    assert run_main("say", "--debug").stderr.startswith("a detail\nreading")
    assert "chatter" not in run_main("--debug", "say").stderr


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("plugin")
def test_a_warning_has_a_colour_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        screen = _Screen()
        monkeypatch.setattr(sys, "stderr", screen)
        with pytest.raises(SystemExit) as left:
            main(["say"])
        assert not left.value.code
        return screen.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert told() == "reading [bold]pump[/bold] 3.npz\n\x1b[33mthe disk is nearly full\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in told()


@pytest.mark.usefixtures("plugin")
def test_commands_of_other_packages_have_a_panel_of_their_own_below(run_main: Run) -> None:
    shown = run_main("--help").stdout
    panels = ["On the device", "On the workstation", "Measure", "From other packages"]
    assert sorted(panels, key=shown.index) == panels
    assert shown.index("From other packages") < shown.index("│ say ")


def test_the_version_is_that_of_the_package(run_main: Run) -> None:
    assert run_main("--version").stdout == f"asd-edge {__version__}\n"
