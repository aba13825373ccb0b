'''Settings: a frozen dataclass is at once the options of a command, their help, and the documentation in Python.

A field says what it means where it is declared, and nowhere else::

    @settings
    class HearSettings:
        """How sound is cut into windows."""

        hop_s: Annotated[
            float, Setting("The time from one window to the next in seconds.", above=0.0, at_most=3600.0)
        ] = 10.0

`asd_edge.calibration.command_line` makes the options of it (``--hop``, with its help and its default),
``help(HearSettings)`` shows the same sentences, and a value out of bounds is the same error wherever it comes from.
Every number has a lower and an upper bound, unless its `Setting` has a function that reads it and sees to that. A
subclass that declares a field anew without saying what it means changes its default alone: ``hop_s: float = 5.0``.

A module that declares settings does not import annotations from ``__future__``, as they are read when the class is
made; and it imports nothing heavy, as ``asd-edge --help`` reads it.
'''

import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, overload

from typing_extensions import dataclass_transform

from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import fits, require_type

_Class = TypeVar("_Class", bound=type)
_UNITS = ("_s",)
"""Units at the end of a field's name, which the option does not carry: ``hop_s`` is ``--hop``."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a field of settings means, as the metadata of its annotation."""

    help: str
    """The sentence that stands in the help and in the documentation."""
    option: str | None = None
    """The names on the command line, such as ``--cache/--no-cache``; made of the field's name when left out."""
    argument: bool = False
    """Whether the value stands on the command line without a name."""
    parse: Callable[[str], object] | None = None
    """The function that reads the value from text; by its type when left out."""
    default: str | None = None
    """The default in words, where the value does not say it."""
    at_least: float | None = None
    """The smallest value that is valid."""
    above: float | None = None
    """The number that every valid value is above."""
    at_most: float | None = None
    """The largest value that is valid."""
    hidden: bool = False
    """Whether the field is no option and for Python alone."""


@overload
def settings(cls: _Class, /) -> _Class: ...
@overload
def settings(*, kw_only: bool) -> Callable[[_Class], _Class]: ...
@dataclass_transform(frozen_default=True)
def settings(cls: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a frozen dataclass whose documentation lists its fields and whose values are looked at when it is made.

    Text becomes a path where the field is a path, and a list becomes a tuple where the field is a tuple.

    Args:
        cls: The class, where the decorator has no arguments.
        kw_only: Whether fields are given by name alone, so that a subclass may add one without a default.

    Raises (where an instance is made):
        InputError: A value is of another type than its field, or out of the bounds that its `Setting` declares.
    """
    if cls is None:
        return functools.partial(_settings, kw_only=kw_only)
    return _settings(cls, kw_only)


def _settings(cls: Any, kw_only: bool) -> Any:
    check = getattr(cls, "__post_init__", None)  # its own, or that of a class above

    def __post_init__(self: Any) -> None:  # noqa: N807
        meanings = declared(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            require_type(value, field.type, field.name, type(self).__name__)
            object.__setattr__(self, field.name, _as_declared(value, field.type))
            if field.name in meanings:
                _require_bounds(value, meanings[field.name], field)
        if check is not None:
            check(self)

    cls.__post_init__ = __post_init__
    made: Any = dataclasses.dataclass(frozen=True, kw_only=kw_only)(cls)
    for name, kind in made.__init__.__annotations__.items():
        made.__init__.__annotations__[name] = plain(kind)  # what a field means is said below the signature
    lines = [
        f"    {field.name}: {meaning(setting)}{_told_default(field, setting)}"
        for field, setting in fields_of(made)
        if setting is not None
    ]
    if lines:
        made.__doc__ = f"{inspect.cleandoc(made.__doc__ or '')}\n\nAttributes:\n" + "\n".join(lines)
    return made


def option_of(kind: type, name: str) -> str:
    """What a field is called on the command line, for messages: ``--hop``.

    Args:
        kind: The class of the settings.
        name: The name of the field.
    """
    return option_name(name, declared(kind)[name]).partition("/")[0]


def declared(kind: type) -> dict[str, Setting]:
    """The meaning of every field that says what it means, as the most special class has it."""
    found: dict[str, Setting] = {}
    for cls in kind.__mro__:
        for name, annotation in inspect.get_annotations(cls).items():
            said = getattr(annotation, "__metadata__", ())
            setting = next((each for each in said if isinstance(each, Setting)), None)
            if setting is not None:
                found.setdefault(name, setting)
    return found


def fields_of(kind: type) -> list[tuple["dataclasses.Field[Any]", Setting | None]]:
    """The fields of a class of settings, each with its meaning; none where it has none."""
    meanings = declared(kind)
    return [(field, meanings.get(field.name)) for field in dataclasses.fields(kind)]


def _as_declared(value: Any, kind: Any) -> Any:
    """Text as a path where the field is a path, and a list as a tuple where it is a tuple."""
    kind = plain(kind)
    if get_origin(kind) in (Union, types.UnionType):
        kind = next((each for each in get_args(kind) if fits(value, each)), kind)
    if kind is Path:
        return Path(value)
    if get_origin(kind) is tuple:
        return tuple(_as_declared(item, get_args(kind)[0]) for item in value)
    return value


def plain(kind: Any) -> Any:
    """An annotation without what is said about it."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """The default of a field; ``dataclasses.MISSING`` where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _told_default(field: "dataclasses.Field[Any]", setting: Setting) -> str:
    default = default_of(field)
    if setting.default is not None:
        return f" Default: {setting.default}."
    if default is dataclasses.MISSING or default is None or default in ("", ()):
        return ""
    return f" Default: {text_of(default)}."


def text_of(value: Any) -> str:
    """A value as people write it: ``yes``, ``10``, ``1 2 4``."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return " ".join(map(text_of, value))
    return str(value)


def option_name(name: str, setting: Setting) -> str:
    """What a field is called on the command line, both names of a switch with a slash: ``--cache/--no-cache``."""
    if setting.option is not None:
        return setting.option
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return "--" + name.replace("_", "-")


def _bounds(setting: Setting) -> str:
    """The bounds of a number in words; empty where there are none."""
    bounds = {"at least": setting.at_least, "above": setting.above, "at most": setting.at_most}
    return " and ".join(f"{words} {text_of(bound)}" for words, bound in bounds.items() if bound is not None)


def meaning(setting: Setting) -> str:
    """What a field means, and the bounds of its values."""
    bounds = _bounds(setting)
    return setting.help + (f" Valid: {bounds}." if bounds else "")


def _require_bounds(value: Any, setting: Setting, field: "dataclasses.Field[Any]") -> None:
    told = _bounds(setting)
    if not told or value is None:
        return
    for each in value if isinstance(value, (tuple, list)) else (value,):
        is_valid = (
            not (isinstance(each, float) and math.isnan(each))
            and (setting.at_least is None or each >= setting.at_least)
            and (setting.above is None or each > setting.above)
            and (setting.at_most is None or each <= setting.at_most)
        )
        if not is_valid:
            option = option_name(field.name, setting).partition("/")[0]
            default = default_of(field)
            hint = f"try {option} {text_of(default)}" if isinstance(default, (int, float)) else f"leave {option} away"
            raise InputError(
                f"{option} is out of its bounds.",
                got=text_of(each),
                valid=told,
                next_step=hint if default is not dataclasses.MISSING else f"see what {option} means with --help",
            )
