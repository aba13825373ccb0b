"""Pages from templates. Every value is escaped, so that a name such as ``<pump & fan>`` is shown and not obeyed.

Characters that would act instead of being seen, such as marks of writing direction, are shown as `visible_lines` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asd_edge.calibration.wording import visible_lines


def render(template: Path, **values: Any) -> str:
    """Fill in a template of Jinja2.

    Args:
        template: The path of the template; others in its folder can be included by name.
        **values: What the template shows. One that it asks for and does not get is an error.

    Returns:
        The text of the page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(values)


def _shown(value: Any) -> Any:
    """A value as it comes into the page; markup that was made here, such as a chart, is no plain string and stays."""
    return visible_lines(value) if type(value) is str else value
