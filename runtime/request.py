"""What a user asks to open, in one text: ``SCHEME:ADDRESS``, such as ``simulated:seed=3`` or ``json:events.jsonl``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeVar

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError

_Part = TypeVar("_Part")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?(.*)", re.DOTALL)
"""A scheme has two characters or more, so that the drive of a Windows path is none."""
_USER = re.compile(r"^[^/?#]*@")
"""The part of an address before its host, which may hold a password."""


@dataclass(frozen=True)
class Request:
    """A wish to open something that an entry point makes."""

    scheme: str
    """the name of the entry point"""
    address: str = field(default="", repr=False)
    """what stands behind the scheme, as the user wrote it; it may hold a password"""

    @property
    def name(self) -> str:
        """The request as it may be shown and kept: without user, password, query and fragment."""
        return shown(f"{self.scheme}:{self.address}" if self.address else self.scheme)

    def values(self, **defaults: float) -> dict[str, float]:
        """Read an address such as ``seed=3,day=1``.

        Args:
            **defaults: The names that the address may set, each with the value that holds where it does not. A name
                whose default is an integer takes integers alone.

        Returns:
            A value for every name.

        Raises:
            InputError: The address has another name, or a value that is no number from 0 on.
        """
        values = dict(defaults)
        for part in filter(None, self.address.split(",")):
            name, _, text = part.partition("=")
            try:
                values[name] = type(defaults[name])(text)
                if not values[name] >= 0:
                    raise ValueError(text)
            except (KeyError, ValueError):
                raise InputError(
                    f"This part of the address of {self.scheme} cannot be used.",
                    got=part,
                    valid=", ".join(f"{each}=NUMBER" for each in defaults) + ", each 0 or more",
                    next_step=f"try {self.scheme}:" + ",".join(f"{each}={value:g}" for each, value in defaults.items()),
                ) from None
        return values


def open_part(group: str, request: Request, kind: type[_Part], option: str) -> _Part:
    """Let an entry point make what was asked for.

    Args:
        group: The group of the entry point, as in `asd_edge.calibration.plugins.names`.
        request: The wish; its scheme is the name of the entry point.
        kind: The class of what is made.
        option: The option that named it, for the message: ``--sink``.

    Raises:
        InputError: There is no entry point of that name, it makes something else, or it cannot make it.
    """
    part = plugins.load(group, request.scheme, option)(request)
    if not isinstance(part, kind):
        raise InputError(
            f"What the entry point makes is no {group.removesuffix('s')}.",
            got=f"{request.scheme}: {type(part).__name__}",
            valid=f"an object of a subclass of asd_edge.runtime.{kind.__name__}",
            next_step="mend the package that brings it",
        )
    return part


def split_scheme(text: str) -> tuple[str, str] | None:
    """Take ``SCHEME:ADDRESS`` or ``SCHEME://ADDRESS`` apart; none where the text does not look like either."""
    found = _SCHEME.fullmatch(text)
    return (found[1], found[2]) if found else None


def shown(text: str) -> str:
    """An address as it may be shown and kept: without user, password, query and fragment."""
    scheme, slashes, rest = text.partition("://")
    if not slashes:
        scheme, _, rest = text.partition(":")
        slashes = ":" if rest else ""
    return scheme + slashes + re.split(r"[?#]", _USER.sub("", rest))[0]
