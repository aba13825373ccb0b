"""Which source a sound server records for us, as long as it does.

PulseAudio and PipeWire move a recording to another source when its own is unplugged, when a user drags it there, or
when the default changes, and the sound just goes on, of another room. ALSA's and PortAudio's ways to them can neither
forbid that nor tell. So the server is asked a few times a second which source each of our recordings is of, over one
connection of our own for all of them, since it serves only 64; and sound counts once it is certain where it came from.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from asd_edge.runtime.sources.capture.boot_clock import now_s

PERIOD_S = 0.2
"""The time between two questions: as long as a block, which so waits for one more."""
CONNECT_S = 2.0
"""A sound server that records for us answers within milliseconds; where it does not, this is not worth waiting for."""
_FIND_S = 0.05
_FIND_LOOKS = 10
"""A recording that a server does not list within half a second of its first block is none of its own."""
_UNSEEN_LOOKS = 15
"""A recording that is not listed for so long, three seconds, is not looked for any longer. It is listed anew, and for a
moment not at all, when ALSA has lost sound."""
_NOWHERE = 2**32 - 1
"""The index of the source of a recording that is between two, PA_INVALID_INDEX."""


class Followed:
    """A recording that is followed.

    Attributes:
        source: The name of the source that it is of; empty until that is known.
        certain_until_s: Sound that came until then, on the clock of `now_s`, is of this source.
        failure: Why the recording is not of this source any more, or why that is not known; empty where neither is so.
    """

    def __init__(self, watch: _Watch, process: int) -> None:
        self._watch = watch
        self.process = process
        self.index = -1
        self.looks = 0
        self.unseen = 0
        self.source = ""
        self.certain_until_s = float("-inf")
        self.failure = ""

    def wait(self) -> bool:
        """Wait until the source is known; whether it is."""
        return self._watch.find(self)

    def close(self) -> None:
        """Follow the recording no more."""
        self._watch.forget(self)


def follow(servers: Sequence[str], process: int) -> Followed | None:
    """Follow the recording of a process.

    Args:
        servers: The addresses of the servers that the process is connected to.
        process: The number of the process.

    Returns:
        What is known of the recording, which goes on becoming known; none where no sound server knows of it, as where
        ALSA records from hardware.
    """
    if not servers:
        return None
    for server in (*servers, None):  # PipeWire's own plugin of ALSA goes another way, but its PulseAudio knows of it
        followed = _watched(server, process)
        if followed.wait():
            return followed
    return None


class _Watch(threading.Thread):
    """A connection to a server, which asks for as long as something is followed.

    Args:
        server: The address of the server; none for that of the environment.
    """

    def __init__(self, server: str | None) -> None:
        super().__init__(name="source watch", daemon=True)
        self._server = server
        self._changed = threading.Condition()
        self.followed: list[Followed] = []
        self.ended = False

    def find(self, followed: Followed) -> bool:
        with self._changed:
            answered = self._changed.wait_for(
                lambda: followed.source or followed.looks >= _FIND_LOOKS or self.ended, CONNECT_S
            )
            if not followed.source:
                self.followed.remove(followed)
            self.ended = self.ended or not answered  # it hangs, and another connection may not
        return bool(followed.source)

    def forget(self, followed: Followed) -> None:
        with self._changed:
            if followed in self.followed:
                self.followed.remove(followed)
            self._changed.notify_all()

    def run(self) -> None:
        failure = "the sound server went away"
        try:
            import pulsectl  # fails with an OSError where there is no libpulse

            with pulsectl.Pulse("asd-edge", server=self._server, connect=False) as pulse:
                pulse.connect(autospawn=False)
                while self._more():
                    self._look(pulse)
        except Exception as error:  # noqa: BLE001  ctypes and the library raise many kinds, all of them end the watch
            failure = f"the sound server cannot be asked where sound comes from: {error}"
        with self._changed:
            self.ended = True
            for followed in self.followed:
                followed.failure = followed.failure or failure
            self._changed.notify_all()

    def _more(self) -> bool:
        """Wait until it is time to ask again; false when nothing is followed any more."""
        with self._changed:
            if self.followed:
                self._changed.wait(PERIOD_S if all(each.source for each in self.followed) else _FIND_S)
        with _watches_lock, self._changed:
            self.ended = self.ended or not self.followed
            return not self.ended

    def _look(self, pulse: Any) -> None:
        asked_s = now_s()
        sources: dict[str, set[int]] = {}
        for output in pulse.source_output_list():
            if output.source != _NOWHERE:
                sources.setdefault(output.proplist.get("application.process.id", ""), set()).add(output.source)
        with self._changed:
            followed = [each for each in self.followed if not each.failure]
        for each in followed:
            found = sources.get(str(each.process), set())
            each.looks += 1
            each.unseen = 0 if found else each.unseen + 1
            if not each.source and len(found) == 1:
                each.index = next(iter(found))
                each.source = _name(pulse, each.index)
            elif each.source and found == {each.index}:
                each.certain_until_s = asked_s
            elif each.source and found:
                other = _name(pulse, next(iter(found - {each.index})))
                each.failure = f"the sound server went over from {each.source} to {other}"
            elif each.source and each.unseen >= _UNSEEN_LOOKS:
                each.failure = "the sound server does not list the recording any more"
        with self._changed:
            self._changed.notify_all()


_watches: dict[str | None, _Watch] = {}
_watches_lock = threading.Lock()


def _watched(server: str | None, process: int) -> Followed:
    """A recording that the watch of a server follows from now on; the watch begins where there is none."""
    with _watches_lock:
        watch = _watches.get(server)
        begins = watch is None or watch.ended
        if watch is None or watch.ended:
            watch = _watches[server] = _Watch(server)
        followed = Followed(watch, process)
        watch.followed.append(followed)
        if begins:
            watch.start()
    return followed


def _name(pulse: Any, index: int) -> str:
    try:
        return str(pulse.source_info(index).name)
    except Exception:  # noqa: BLE001  it is between two sources, or gone again
        return "another source"
