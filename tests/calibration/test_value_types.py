"""Wrong types are told where they are given, in words."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import checked, fits, in_words


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (float, (1, 1.5, np.float32(2.0), float("nan")), ("1", None, True, [1.0])),
        (int, (1, np.int64(3)), (1.0, "1", True)),
        (bool, (True, False), (1, "yes", None)),
        (str, ("a", ""), (b"a", Path("a"), 1)),
        (Path, (Path("a"), "a"), (3, None, ["a"])),
        (str | Path | None, ("a", Path("a"), None), (3, ["a"])),
        (Literal["mix"] | int, ("mix", 2), ("left", 2.5)),
        (Sequence[str], (["a"], ("a", "b"), []), ("abc", [1], None)),
        (tuple[Path, ...], (("a", Path("b")), []), ("a", (1,))),
        (Callable[[str], None], (print,), ("print",)),
        (threading.Event, (threading.Event(),), (None, "event")),
        (Annotated[int, "said"], (1,), ("1",)),
        (Any, (1, None, "a"), ()),
        ("a class that is read later", (1, None), ()),
    ],
)
def test_what_fits(kind: Any, good: tuple[object, ...], bad: tuple[object, ...]) -> None:
    assert all(fits(value, kind) for value in good)
    assert not any(fits(value, kind) for value in bad)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (float, "a number"),
        (int | None, "a whole number or None"),
        (str | Path, "text or a path"),
        (tuple[Path, ...], "a list, each item a path"),
        (Literal["mix"] | int, "'mix' or a whole number"),
        (threading.Event, "an Event"),
        (Callable[[], None] | None, "a function or None"),
    ],
)
def test_kinds_in_words(kind: Any, words: str) -> None:
    assert in_words(kind) == words


class Engine:
    @checked
    def __init__(self, path: str | Path, threads: int = 0, *, stop: "Callable[[], bool] | None" = None) -> None:
        self.given = (path, threads, stop)


@checked
def count(items: Sequence[str], *more: int) -> Iterator[int]:
    return iter([len(items), *more])


def test_a_function_that_is_checked_takes_what_fits() -> None:
    assert Engine("a.onnx", 2).given == ("a.onnx", 2, None)
    assert Engine(path=Path("a"), stop=None).given == (Path("a"), 0, None)
    assert list(count(["a"], 5)) == [1, 5]


def test_a_function_that_is_checked_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError) as told:
        Engine("a.onnx", threads="2")  # type: ignore[arg-type]
    assert str(told.value).splitlines() == [
        "Engine cannot use this value of threads.",
        "  got:   '2' (str)",
        "  valid: a whole number",
        "  next:  see help(Engine)",
    ]
    with pytest.raises(InputError, match="count cannot use this value of items"):
        count("letters")
    with pytest.raises(InputError, match="stop"):
        Engine("a", stop=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing"):
        Engine()  # type: ignore[call-arg]


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(InputError) as told:
        count(["a"] * 500 + [3])  # type: ignore[list-item]
    assert len(told.value.got) < 100
