"""Sound servers that this process is connected to, and one that has no connection left."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_CLOSED_S = 0.3
"""A PulseAudio that has no connection left closes a new one at once; an ordinary one waits for our first word."""


def connected_servers() -> list[str]:
    """The addresses of the servers that this process is connected to, as PulseAudio writes them."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not entry.readlink().name.startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as connection:
                if connection.type != socket.SOCK_STREAM:
                    continue
                if connection.family == socket.AF_UNIX and isinstance(peer := connection.getpeername(), str) and peer:
                    found.append(f"unix:{peer}")
                elif connection.family in {socket.AF_INET, socket.AF_INET6}:
                    host, port = connection.getpeername()[:2]
                    found.append(f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}")
        except OSError:
            continue  # not connected, or closed meanwhile
    return list(dict.fromkeys(found))


def no_connection_left() -> bool:
    """Whether PulseAudio runs here and has no connection left: it then closes a new one at once, without a word."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    server = os.environ.get("PULSE_SERVER", "").removeprefix("unix:") or f"{runtime}/pulse/native"
    for path in (server, "/run/pulse/native"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CLOSED_S)
            try:
                connection.connect(path)
            except OSError:
                continue
            try:
                return connection.recv(1) == b""
            except ConnectionResetError:
                return True
            except OSError:
                return False
    return False
