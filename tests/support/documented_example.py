"""The examples in the documentation of a module, so that they are tested as they stand there."""

from __future__ import annotations

import textwrap
from types import ModuleType
from typing import Any

MOST_LINES = 25
"""An example that is longer is no longer read."""


def run_example(module: ModuleType, name: str) -> Any:
    """Run the first literal block of a module's documentation, and return what it calls by a name."""
    _, _, rest = (module.__doc__ or "").partition("::\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line)
    code = textwrap.dedent("\n".join(lines)).strip()
    assert len(code.splitlines()) <= MOST_LINES
    found: dict[str, Any] = {"__name__": "example"}
    exec(code, found)
    return found[name]
