r"""How text from outside is shown to people, and how a number stands with its noun.

Names of machines, devices and files, the contents of a bank and the descriptions of models come from anywhere. Shown
as they are, an escape sequence would move the cursor of a terminal, a line break would forge a line of a log, and a
mark of writing direction would turn a name around. `visible` shows such characters as Python writes them: ``\x1b``,
``\n``, ``\u202e``. What programs read, such as JSON, stays exact and does not come by here.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""The categories of Unicode whose characters act instead of being seen: control, format, surrogate, and separators of
lines and paragraphs."""
_JOINERS = "\u200c\u200d"
"""Format characters that the spelling of Persian, of Indian languages and of some emoji needs."""
_UNDECODABLE = range(0xDC80, 0xDD00)
"""What Python makes of the bytes of a file name that are no text, each of them one character."""


def visible(text: object) -> str:
    """Text that is safe to show in one line: characters that act instead of being seen are shown as escapes.

    Args:
        text: What comes from outside; what is no text is turned into it.
    """
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_seen, shown))


def visible_lines(text: object) -> str:
    """Text of several lines that is safe to show; line breaks stay, so every value from outside in it is `visible`."""
    return "\n".join(map(visible, str(text).split("\n")))


def _seen(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code in _UNDECODABLE:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def counted(number: float, thing: str, things: str | None = None) -> str:
    """A number with its noun: ``1 alarm``, ``2 alarms``.

    Args:
        number: The number. What is no whole number is shown as ``{number:g}`` shows it.
        thing: The noun for one.
        things: The noun for several; the noun for one with an s when left out.
    """
    shown = f"{number:g}" if isinstance(number, float) else str(number)
    return f"{shown} {thing if number == 1 else things or thing + 's'}"
