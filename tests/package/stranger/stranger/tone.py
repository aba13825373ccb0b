"""A source: a tone in noise."""

from __future__ import annotations

import numpy as np

from asd_edge.runtime import Block, Source, new_recording


class Tone(Source):
    """Some seconds of a tone."""

    def __init__(self, hz, seconds):
        self.name = f"tone:hz={hz:g}"
        self.duration_s = float(seconds)
        self._tone = 0.1 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)

    def sound(self, stop):
        rng, recording = np.random.default_rng(0), new_recording(self.name)
        for second in range(round(self.duration_s)):
            if stop.is_set():
                return
            samples = (self._tone + 0.01 * rng.standard_normal(16_000)).astype(np.float32)
            yield Block(samples[:, None], 16_000, recording, float(second))


def open_tone(request):
    values = request.values(hz=440.0, seconds=30)
    return Tone(values["hz"], values["seconds"])
