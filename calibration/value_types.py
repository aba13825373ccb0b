"""Whether a value is of the type that an annotation promises, so that a wrong one is told where it is given.

Python does not look at annotations: ``Model("pump.onnx", threads="2")`` would fail deep inside with words that nobody
understands. `settings` looks at every field with these functions, and `checked` at every argument of a function. A
class can say how one gets an instance, in an attribute ``how_to_get``, which the error then ends with.
"""

import collections.abc
import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from asd_edge.calibration.errors import InputError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_WORDS = {
    float: "a number",
    int: "a whole number",
    str: "text",
    bool: "True or False",
    Path: "a path",
    type(None): "None",
}
_LONGEST = 80
"""More characters of a wrong value would hide the message around it."""


def checked(function: _Function) -> _Function:
    """Look at the arguments of a function before it runs.

    Raises (where the function is called):
        InputError: An argument is of another type than its annotation says.
    """
    signature = inspect.signature(function)
    kinds: dict[str, Any] = {}

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not kinds:
            kinds.update(get_type_hints(function, include_extras=True))
        given = signature.bind(*args, **kwargs)  # what is missing or too much is Python's own error
        for name, value in given.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name not in kinds:
                continue
            if value is not parameter.default:
                require_type(value, kinds[name], name, function.__qualname__.removesuffix(".__init__"))
        return function(*args, **kwargs)

    return run  # type: ignore[return-value]


def require_type(value: object, kind: Any, name: str, owner: str) -> None:
    """Refuse a value of another type.

    Args:
        value: The value that was given.
        kind: The annotation: a class, a union, a literal, or a sequence of these.
        name: What the value is called where it was given.
        owner: The class or function that it was given to.

    Raises:
        InputError: The value does not fit the annotation.
    """
    if not fits(value, kind):
        shown = repr(value)
        shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 4]} ..."
        raise InputError(
            f"{owner} cannot use this value of {name}.",
            got=f"{shown} ({type(value).__name__})",
            valid=in_words(kind),
            next_step=_how_to_get(kind) or f"see help({owner})",
        )


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of the type of an annotation.

    A whole number is a number too, and text names a path. An annotation that is no class, such as the name of one that
    is imported later, fits every value.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return fits(value, parts[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is not None and issubclass(origin, (list, tuple, collections.abc.Sequence)):
        items = isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes))
        each = next((part for part in parts if part is not Ellipsis), Any)
        return items and all(fits(item, each) for item in value)  # type: ignore[attr-defined]
    if origin is collections.abc.Callable:
        return callable(value)
    return _is_a(value, kind if origin is None else origin)


def _is_a(value: object, kind: Any) -> bool:
    if kind in (float, int):
        number = numbers.Real if kind is float else numbers.Integral
        return isinstance(value, number) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, (str, os.PathLike))
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def _how_to_get(kind: Any) -> str:
    """What a class of this project says about how one comes to an instance, in its attribute `how_to_get`."""
    own = getattr(kind, "how_to_get", "")
    return own or next((said for part in get_args(kind) if (said := _how_to_get(part))), "")


def in_words(kind: Any) -> str:
    """What an annotation means, for messages: ``a number``, ``text or None``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return in_words(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(in_words(part) for part in parts))
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is not None and issubclass(origin, collections.abc.Iterable):
        return f"a list, each item {in_words(next(part for part in parts if part is not Ellipsis))}"
    if origin is collections.abc.Callable:
        return "a function"
    name = getattr(kind if origin is None else origin, "__name__", str(kind))
    return _WORDS.get(kind, f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}")
