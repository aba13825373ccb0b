"""How a process of Python is started that imports nothing from the folder in which a user happens to be.

``python -m`` and ``python -c`` put the current folder first on the path of imports, so that a file ``queue.py`` which
lies there would be run in the place of Python's own.
"""

from __future__ import annotations

import sys

_WITHOUT_THE_CURRENT_FOLDER = "import sys; sys.path[:] = [path for path in sys.path if path]\n"
"""``sys`` is built in and comes from no folder; the current one stands on the path as an empty text."""


def module_command(module: str, *arguments: object) -> list[str]:
    """The command that runs a module as a program.

    Args:
        module: The full name of the module.
        arguments: The arguments of the program.
    """
    return code_command(f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)", *arguments)


def code_command(code: str, *arguments: object) -> list[str]:
    """The command that runs a program given as its text.

    Args:
        code: The text of the program.
        arguments: The arguments of the program.
    """
    return [sys.executable, "-c", _WITHOUT_THE_CURRENT_FOLDER + code, *map(str, arguments)]
