"""The command line of settings: the options that Typer reads are made of the fields of classes of settings."""

import dataclasses
import functools
import inspect
import re
import shutil
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from asd_edge.calibration.settings import (
    Setting,
    default_of,
    fields_of,
    meaning,
    option_name,
    plain,
    text_of,
)

_METAVARS = {Path: "PATH", str: "TEXT", int: "NUMBER", float: "NUMBER"}
"""What stands for the value of an option in the help, in words that are not Python's."""
_NARROWEST_WITH_BOXES = 72
"""The columns of a terminal in which the help's boxes still have room for whole words beside the longest option."""


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Make a function of settings one of options, as Typer reads it.

    Every parameter that is annotated with a class of `settings` becomes the options of its fields; other parameters
    stay as they are. Required options come first, and the help shows each under the first sentence of the class that
    declares it.
    """
    import typer

    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            parameters += [
                _parameter(field, setting, _title(_declaring(kind, field.name)), typer)
                for field, setting in fields_of(kind)
                if setting is not None and not setting.hidden
            ]
        else:
            parameters.append(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=parameter.default, annotation=hints[name]
                )
            )
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        made = {name: _made(kind, given) for name, kind in groups.items()}
        command(**made, **{name: value for name, value in given.items() if name in hints and name not in made})

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # the signature is this function's own
    return run


def single_command(name: str, function: Callable[..., None]) -> Any:
    """Make a command of its own of a function of options, for a group whose commands are found when they are wanted.

    Args:
        name: The name of the command.
        function: The function, as `options` makes it.
    """
    import typer
    from typer.main import get_command

    alone = typer.Typer(add_completion=False)
    alone.command()(function)
    command = get_command(alone)
    command.name = name
    return fit_to_terminal(command)


def fit_to_terminal(command: Any) -> Any:
    """Let the help of a command be plain text where a terminal is too narrow for boxes, which would cut words.

    Args:
        command: The command, or a group of them, as Typer makes it.
    """
    if shutil.get_terminal_size().columns < _NARROWEST_WITH_BOXES:
        for each in (command, *filter(None, getattr(command, "commands", {}).values())):
            each.rich_markup_mode = None
    return command


def _title(kind: type) -> str:
    """What the help writes over the options of a class: its documentation up to the first colon or full stop."""
    return re.split(r"[:.]\s|[:.]$", inspect.cleandoc(kind.__doc__ or "").partition("\n")[0])[0]


def _declaring(kind: type, name: str) -> type:
    """The class that declares a field, of those that a class of settings inherits from."""
    return [cls for cls in kind.__mro__ if name in inspect.get_annotations(cls)][-1]


def _parameter(field: "dataclasses.Field[Any]", setting: Setting, title: str, typer: Any) -> inspect.Parameter:
    """The option of one field, under a title of the help."""
    default = default_of(field)
    required = default is dataclasses.MISSING
    kind = _option_type(field, setting)
    shown_as_it_is = setting.parse is None and setting.default is None and type(default) is kind
    shown: bool | str = False
    if not required and kind is not bool:
        told = setting.default if setting.default is not None else text_of("" if default is None else default)
        shown = True if shown_as_it_is and told else told or False
    if setting.argument:
        about = typer.Argument(help=meaning(setting), show_default=shown)
    else:
        about = typer.Option(
            option_name(field.name, setting),
            help=meaning(setting),
            show_default=shown,
            rich_help_panel=title,
            metavar=_METAVARS.get(get_args(kind)[0] if get_args(kind) else kind),
        )
    value = inspect.Parameter.empty if required else (default if shown_as_it_is or kind is bool else None)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=value,
        annotation=Annotated[kind if required or kind is bool else Union[kind, None], about],  # noqa: UP007
    )


def _option_type(field: "dataclasses.Field[Any]", setting: Setting) -> Any:
    """What Typer reads: the field's type without None, a list for a sequence, text where the setting reads it."""
    kind = plain(field.type)
    if get_origin(kind) in (Union, types.UnionType):
        others = [each for each in get_args(kind) if each is not type(None)]
        kind = others[0] if len(others) == 1 else str
    repeated = isinstance(get_origin(kind), type) and issubclass(get_origin(kind), (tuple, list))
    if setting.parse is not None:
        return list[str] if repeated else str
    if repeated:
        return list[get_args(kind)[0]]  # type: ignore[misc]  # read by Typer
    return kind if kind in (bool, int, float, str, Path) else str


def _made(kind: type, given: dict[str, Any]) -> Any:
    """The settings of what was given; where nothing was, the field's default holds."""
    values = {}
    for field, setting in fields_of(kind):
        value = given.get(field.name)
        if setting is None or setting.hidden or value is None or value == []:
            continue
        if setting.parse is not None:
            value = [setting.parse(text) for text in value] if isinstance(value, list) else setting.parse(value)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
