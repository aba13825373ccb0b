"""Banks that are read anew while their machines are listened to, in a thread of its own, so that no sound waits.

That is done when it is wished, and when the file of a bank has changed, as by an answer to an alarm.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator, Sequence

from asd_edge.calibration.bank.bank import load_bank
from asd_edge.calibration.errors import in_one_line
from asd_edge.runtime.pipeline.machine import Machine, stamp_of
from asd_edge.runtime.sources.source import Event

log = logging.getLogger(__name__)

Wishes = queue.SimpleQueue[bool]
"""True, put in, asks that banks be read anew. A handler of a signal may do so anywhere, as it waits for no lock."""
Notes = queue.SimpleQueue[tuple[int, Event]]
"""Events that come from no source, each with the position of its machine in the list."""


LOOK_EVERY_S = 3.0
"""How often it is looked whether the file of a bank has changed, in seconds: one call of the system for each bank."""


@contextlib.contextmanager
def banks_read_anew(machines: Sequence[Machine], wishes: Wishes | None) -> Iterator[Notes]:
    """Read the banks of machines anew when that is wished or their files have changed, while this context lasts.

    Args:
        machines: The machines. Those whose bank came from no file keep it.
        wishes: Where the wishes come from; none where there are none.

    Yields:
        What is told about it.
    """
    notes: Notes = queue.SimpleQueue()
    if wishes is None:
        if all(machine.bank_file is None for machine in machines):
            yield notes
            return
        wishes = queue.SimpleQueue()
    thread = threading.Thread(target=_read_anew, args=(machines, wishes, notes), name="reload", daemon=True)
    thread.start()
    try:
        yield notes
    finally:
        wishes.put(False)


def _read_anew(machines: Sequence[Machine], wishes: Wishes, notes: Notes) -> None:
    stamps = [machine.bank_stamp for machine in machines]
    while (wish := _next(wishes)) is not False:
        for position, machine in enumerate(machines):
            if machine.bank_file is None:
                continue
            stamp = stamp_of(machine.bank_file)
            if wish or stamp != stamps[position]:
                stamps[position] = stamp
                notes.put((position, _renewed(machine)))


def _next(wishes: Wishes) -> bool | None:
    """The next wish; none where there was none for a while, and it is time to look at the files."""
    try:
        return wishes.get(timeout=LOOK_EVERY_S)
    except queue.Empty:
        return None


def _renewed(machine: Machine) -> Event:
    """Give a machine the bank that its file holds now; the event tells that, or why it keeps the one it has."""
    if machine.bank_file is None:
        raise ValueError("the bank of the machine came from no file")
    try:
        machine.use(load_bank(machine.bank_file))
    except Exception as error:
        log.debug("The bank %s cannot be used.", machine.bank_file, exc_info=True)
        reason = f"{in_one_line(error)}; the bank that was read before is used on"
        return Event("not_reloaded", machine.source.name, 0.0, reason)
    windows = len(machine.bank.normal_scores)
    reason = f"the bank was read anew: {windows} normal windows, threshold {machine.threshold.value:.4g}"
    return Event("reloaded", machine.source.name, 0.0, reason, threshold=machine.threshold.value)
