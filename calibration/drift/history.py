"""What was heard lately, in a bounded memory: single windows of minutes, blocks of hours, spans of days.

Everything is kept as means of normalised embeddings, so that how the sound came from where it was to where it is can be
looked at afterwards, along the direction in which it moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.contract.model_output import FloatArray

_WINDOWS_S, _LEAST_WINDOWS, _MOST_WINDOWS = 1800.0, 60, 400
"""Single windows are kept for half an hour; at least and at most so many of them."""
_BLOCK_S, _LEAST_IN_BLOCK = 120.0, 6
"""The length of a block, and the least number of windows in one."""
BLOCKS = 180
"""So many blocks are kept: six hours at a hop of ten seconds."""
BLOCKS_IN_SPAN = 30
"""So many blocks are a span: an hour at a hop of ten seconds."""
SPANS = 72
"""So many spans are kept: three days."""


_SILENT = np.zeros(1)


class Ring:
    """The latest rows of a kind.

    Args:
        room: How many rows are kept.
        width: The length of a row.
    """

    def __init__(self, room: int, width: int) -> None:
        self._rows: FloatArray = np.zeros((room, width), np.float32)
        self.seen = 0
        """How many rows there have been."""

    def __len__(self) -> int:
        return min(self.seen, len(self._rows))

    def add(self, row: NDArray[np.floating]) -> None:
        """Take the next row."""
        self._rows[self.seen % len(self._rows)] = row
        self.seen += 1

    def latest(self, count: int | None = None, before: int = 0) -> FloatArray:
        """The latest rows in the order in which they came, (rows, width).

        Args:
            count: How many at most; all when left out.
            before: How many of the very latest are left out.
        """
        last = max(0, len(self) - before)
        first = 0 if count is None else max(0, last - count)
        places = (self.seen - len(self) + np.arange(first, last)) % len(self._rows)
        return np.asarray(self._rows[places])

    def clear(self) -> None:
        """Forget all rows."""
        self.seen = 0


@dataclass
class Course:
    """How far the sound has moved on the way from where it was to where it is, as time went by."""

    at: NDArray[np.float64]
    """(pieces,) when each piece of sound ended, in windows before now: 0 is now, and the first the longest ago."""
    share: NDArray[np.float64]
    """(pieces,) the share of the way, 0 before and 1 now."""


class History:
    """What was heard lately.

    Args:
        dimensions: The length of an embedding.
        bands: The number of bands whose levels are known.
        hop_s: The time from one window to the next in seconds.

    Attributes:
        windows, blocks, spans: The normalised embeddings, and their means over blocks and spans.
        levels: (blocks, bands) the mean levels of the bands over the blocks.
        loudness: (blocks of three days, 1) the means of those over the bands.
    """

    def __init__(self, dimensions: int, bands: int, hop_s: float) -> None:
        self.windows = Ring(min(max(_LEAST_WINDOWS, math.ceil(_WINDOWS_S / hop_s)), _MOST_WINDOWS), dimensions)
        self.in_block = max(_LEAST_IN_BLOCK, math.ceil(_BLOCK_S / hop_s))
        self.in_span = BLOCKS_IN_SPAN * self.in_block
        self.blocks = Ring(BLOCKS, dimensions)
        self.levels = Ring(BLOCKS, bands)
        self.loudness = Ring(BLOCKS_IN_SPAN * SPANS, 1)
        self.spans = Ring(SPANS, dimensions)
        self._block: NDArray[np.float64] = np.zeros(dimensions)
        self._block_levels: NDArray[np.float64] = np.zeros(bands)
        self._span: NDArray[np.float64] = np.zeros(dimensions)
        self._in_block = self._in_span = 0

    def add(self, z: FloatArray, levels_db: FloatArray) -> bool:
        """Take the next window.

        Args:
            z: (dim,) its normalised embedding.
            levels_db: (bands,) the levels of its bands.

        Returns:
            Whether a block ended with it.
        """
        self.windows.add(z)
        self._block += z
        self._block_levels += levels_db
        self._in_block += 1
        if self._in_block < self.in_block:
            return False
        self.blocks.add(self._block / self.in_block)
        self.levels.add(self._block_levels / self.in_block)
        self.loudness.add(
            self._block_levels.mean(keepdims=True) / self.in_block if len(self._block_levels) else _SILENT
        )
        self._span += self._block
        self._block[:] = 0.0
        self._block_levels[:] = 0.0
        self._in_block = 0
        self._in_span += 1
        return True

    def end_span(self) -> FloatArray | None:
        """The mean of a span that has just ended, (dim,); none while it goes on."""
        if self._in_span < BLOCKS_IN_SPAN:
            return None
        mean = np.asarray(self._span / self.in_span, np.float32)
        self.spans.add(mean)
        self.begin_span()
        return mean

    def begin_span(self) -> None:
        """Begin a span anew with the next window."""
        self._span[:] = 0.0
        self._in_span = 0

    def course(self, before: FloatArray, way: FloatArray, together: int) -> Course:
        """How far the sound has moved along a way at each moment that is remembered, the older the coarser.

        Args:
            before: (dim,) where the sound was.
            way: (dim,) the way from there to where it is.
            together: How many windows are looked at together.
        """
        unit = way / float(way @ way)
        latest = self.windows.latest()
        latest = latest[len(latest) % together :]
        pieces = latest.reshape(-1, together, latest.shape[1]).mean(axis=1)
        fine = (pieces - before) @ unit
        fine_at = together * np.arange(len(pieces) - 1, -1, -1)
        blocks = self.blocks.latest()
        blocks_at = self._in_block + self.in_block * np.arange(len(blocks) - 1, -1, -1)
        older = blocks_at >= len(latest)
        spans = self.spans.latest()
        spans_at = self._in_block + self.in_block * self._in_span + self.in_span * np.arange(len(spans) - 1, -1, -1)
        oldest = spans_at >= self.in_block * len(blocks) + self._in_block
        at = np.concatenate([spans_at[oldest], blocks_at[older], fine_at])
        share = np.concatenate([(spans[oldest] - before) @ unit, (blocks[older] - before) @ unit, fine])
        return Course(at.astype(np.float64), share.astype(np.float64))
