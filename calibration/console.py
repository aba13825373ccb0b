"""The one console of this project: what is printed through it is plain text, and nothing in it is obeyed.

Rich reads ``[bold]`` as markup and ``AB:CD:EF`` as the code of an emoji, and it passes escape sequences on. Names of
machines and files have such things in them. This console shows all of it as it is, control characters as escapes, and
what shall be bold or coloured is given as a `rich.text.Text` or as a style.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from asd_edge.calibration.wording import visible_lines

_NARROWEST = 20
"""Text is not wrapped at fewer columns, as hardly a word would be whole."""


class Console(RichConsole):
    """A console without markup, emoji codes and highlighting, which shows control characters as escapes.

    It raises BrokenPipeError when its reader has left, where Rich would end the program.

    Args:
        stderr: Whether it writes to standard error instead of standard output.
        width: The number of columns; that of the terminal when left out.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def say(self, text: str | Text, style: str = "", indent: int = 0) -> None:
        """Print sentences. In a terminal lines end between words; elsewhere, a line is as long as it is.

        Words of a string that are longer than the terminal is wide, such as paths, stay whole, so that they can be
        copied.

        Args:
            text: One line or several.
            style: The style of all of it, as Rich has them.
            indent: How many columns the lines that a long string goes on in stand further right than its beginning.
        """
        if isinstance(text, Text):
            self.print(text, style=style, soft_wrap=not self.is_terminal)
            return
        lines = visible_lines(text).split("\n")
        if self.is_terminal:
            lines = [part for line in lines for part in _wrapped(line, max(_NARROWEST, self.width), indent)]
        self.print(Text("\n".join(lines), style), soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text of a string, made visible before it is laid out, so that columns are as wide as what they show."""
        return super().render_str(visible_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is written in the end, in which nothing but Rich's own control codes acts instead of being seen."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the caller what it means that the reader has left."""
        raise  # noqa: PLE0704  called while the error is handled


def say(text: str) -> None:
    """Print sentences on standard output, as `Console.say` does."""
    Console().say(text)


def _wrapped(line: str, width: int, indent: int) -> list[str]:
    begins = len(line) - len(line.lstrip())
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * (begins + indent),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [line]
