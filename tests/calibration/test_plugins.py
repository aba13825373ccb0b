"""Parts are found by their entry points."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError


def test_parts_of_this_package_are_listed_by_name() -> None:
    assert set(plugins.names("commands")) >= {"demo", "enroll", "evaluate"}
    assert plugins.names("commands") == sorted(plugins.names("commands"))


def test_an_unknown_name_is_told_with_all_that_there_are() -> None:
    with pytest.raises(InputError, match=r"There is no command of that name") as error:
        plugins.load("commands", "dance", "asd-edge")
    assert error.value.got == "dance"
    assert "enroll" in error.value.valid


def test_a_part_is_imported_when_it_is_used() -> None:
    from asd_edge.runtime.commands.info import info

    assert plugins.load("commands", "info", "asd-edge") is info


GROUP = '''
import nothing_that_is_there

group = typer.Typer(no_args_is_help=True, help="Do one of these things.")
other = typer.Typer()

@other.callback(invoke_without_command=True)
def measure():
    """Measure this or that
    in turns.

    More about it.
    """

@options
def alone(settings):
    """Do this."""
'''


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("group", "Do one of these things."),
        ("other", "Measure this or that\nin turns."),
        ("alone", "Do this."),
        ("missing", ""),
    ],
)
def test_what_a_part_says_of_itself_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "parts_of_a_test.py").write_text(GROUP)
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint(name, f"parts_of_a_test:{name}", "asd_edge.commands")
    assert plugins.summary(point) == said


@pytest.mark.parametrize("module", ["not_installed", "not_installed.part"])
def test_a_part_whose_package_is_not_installed_says_so(module: str) -> None:
    point = EntryPoint("gone", f"{module}:gone", "asd_edge.commands")
    assert plugins.summary(point) == "Not available: not_installed is not installed."
