"""Settings are options, help and documentation at once."""

import inspect
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from asd_edge.calibration.command_line import options
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, option_of, settings


def _channel(text: str) -> int | str:
    return text if text == "mix" else int(text)


@settings
class Hearing:
    """How to hear."""

    bank: Annotated[Path, Setting("The path of the bank.")]
    hop_s: Annotated[float, Setting("The time between windows in seconds.", above=0.0, at_most=3600.0)] = 10.0
    input: Annotated[tuple[Path, ...], Setting("A file; it can be repeated.")] = ()
    append: Annotated[bool, Setting("Whether windows are added.")] = False
    cache: Annotated[bool, Setting("Whether a cache is kept.", option="--cache/--no-cache")] = True
    channel: Annotated[int | str, Setting("The channel.", parse=_channel)] = 1
    minutes: Annotated[float | None, Setting("The minutes to take.", default="all of them", at_least=1.0)] = None
    secret: Annotated[int, Setting("The number for Python alone.", hidden=True)] = 7


@settings
class QuickHearing(Hearing):
    """How to hear quickly."""

    hop_s: float = 5.0


def _run(*arguments: str, kind: type = Hearing) -> object:
    made: list[object] = []

    def command(hearing: kind, note: Annotated[str, typer.Option("--note")] = "") -> None:  # type: ignore[valid-type]
        """Hear."""
        made.extend([hearing, note])

    app = typer.Typer(add_completion=False)
    app.command()(options(command))
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if isinstance(result.exception, InputError):
        raise result.exception
    return made or result


def test_options_make_the_settings() -> None:
    given = ("--bank", "a.npz", "--hop", "2.5", "--input", "x", "--input", "y", "--append", "--no-cache")
    assert _run(*given, "--channel", "mix", "--note", "n") == [
        Hearing(Path("a.npz"), 2.5, (Path("x"), Path("y")), append=True, cache=False, channel="mix"),
        "n",
    ]


def test_what_is_not_given_is_the_default_of_the_class() -> None:
    assert _run("--bank", "a.npz") == [Hearing(Path("a.npz")), ""]
    assert _run("--bank", "a.npz", kind=QuickHearing) == [QuickHearing(Path("a.npz"), hop_s=5.0), ""]


def test_help_has_every_sentence_and_default_and_nothing_for_python_alone() -> None:
    shown = _run("--help", kind=QuickHearing).output  # type: ignore[attr-defined]
    for words in (
        "The path of the bank.",
        "[required]",
        "--hop",
        "[default: 5.0]",
        "Valid: above 0 and at most 3600.",
        "[default: (all of them)]",
        "--note",
    ):
        assert words in shown
    assert "secret" not in shown
    assert "--no-append" not in shown


def test_the_documentation_of_the_class_lists_its_fields() -> None:
    assert QuickHearing.__doc__ == (
        "How to hear quickly.\n\nAttributes:\n"
        "    bank: The path of the bank.\n"
        "    hop_s: The time between windows in seconds. Valid: above 0 and at most 3600. Default: 5.\n"
        "    input: A file; it can be repeated.\n"
        "    append: Whether windows are added. Default: no.\n"
        "    cache: Whether a cache is kept. Default: yes.\n"
        "    channel: The channel. Default: 1.\n"
        "    minutes: The minutes to take. Valid: at least 1. Default: all of them.\n"
        "    secret: The number for Python alone. Default: 7."
    )


def test_the_signature_has_types_and_defaults_alone() -> None:
    shown = str(inspect.signature(QuickHearing))
    assert shown.startswith("(bank: pathlib.Path, hop_s: float = 5.0, input: tuple[pathlib.Path, ...] = (), ")
    assert "Setting" not in shown


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 3600.5, float("nan")])
def test_a_number_out_of_bounds_is_one_error_everywhere(hop_s: float) -> None:
    with pytest.raises(InputError, match="--hop is out of its bounds") as from_python:
        QuickHearing(Path("a.npz"), hop_s=hop_s)
    with pytest.raises(InputError) as from_options:
        _run("--bank", "a.npz", "--hop", str(hop_s), kind=QuickHearing)
    assert str(from_options.value) == str(from_python.value)
    assert from_python.value.valid == "above 0 and at most 3600"


def test_a_bound_of_what_may_be_left_out() -> None:
    assert Hearing(Path("a"), minutes=1.0).minutes == 1.0
    with pytest.raises(InputError, match="--minutes"):
        Hearing(Path("a"), minutes=0.5)


def test_the_name_of_an_option() -> None:
    assert [option_of(Hearing, name) for name in ("hop_s", "cache", "bank")] == ["--hop", "--cache", "--bank"]


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Hearing(Path("a")).hop_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("hop_s", "10", "a number"),
        ("bank", 3, "a path"),
        ("input", "a.wav", "a list, each item a path"),
        ("append", "yes", "True or False"),
        ("minutes", "all", "a number or None"),
        ("channel", 1.5, "a whole number or text"),
    ],
)
def test_a_value_of_another_type_is_told_with_what_would_be_valid(field: str, value: object, valid: str) -> None:
    with pytest.raises(InputError) as told:
        QuickHearing(**{"bank": "a.npz", field: value})  # type: ignore[arg-type]
    assert told.value.what == f"QuickHearing cannot use this value of {field}."
    assert told.value.got == f"{value!r} ({type(value).__name__})"
    assert told.value.valid == valid


def test_text_is_a_path_and_a_list_is_a_tuple_where_the_field_says_so() -> None:
    given = Hearing("a.npz", input=["x", Path("y")])  # type: ignore[arg-type]
    assert given == Hearing(Path("a.npz"), input=(Path("x"), Path("y")))


@settings
class Checked:
    """Settings with a check of their own."""

    low: Annotated[int, Setting("The lower one.")] = 0
    high: Annotated[int, Setting("The higher one.")] = 1

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InputError("The lower one is the higher one.")


@settings
class CheckedToo(Checked):
    """Settings that inherit the check."""

    high: int = 5


def test_a_check_of_the_class_above_holds_below() -> None:
    assert CheckedToo(4).high == 5
    for kind in (Checked, CheckedToo):
        with pytest.raises(InputError, match="higher"):
            kind(6)
