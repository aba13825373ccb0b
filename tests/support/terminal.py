"""The program at a terminal of its own."""

from __future__ import annotations

import os


def at_terminal(words: list[object], answer: bytes) -> tuple[int, str]:
    """Run a program at a terminal of its own and answer its first question; its exit code and all that it showed."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execv(str(words[0]), list(map(str, words)))
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, answer)
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # the terminal's other end is closed
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), " ".join(shown.decode().split())
