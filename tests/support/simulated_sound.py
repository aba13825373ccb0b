"""Files of what simulated machines sound like."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import soundfile

from asd_edge.runtime import Block, SimulatedMachine


def write_simulated(path: Path, *machines: SimulatedMachine) -> Path:
    """Write what machines sound like, one after the other, at 16 kHz."""
    stop = threading.Event()
    blocks = [block.samples for machine in machines for block in machine.sound(stop) if isinstance(block, Block)]
    soundfile.write(path, np.concatenate(blocks), 16_000)
    return path
