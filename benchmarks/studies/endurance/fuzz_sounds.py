"""Sound files that nobody meant, by the ten thousand, heard as `score` and `enroll` hear files."""

import io
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd_edge.benchmarks.studies.endurance.fuzzing import FuzzSettings, fuzz, show
from asd_edge.calibration.audio.windowing import Windowing
from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.runtime import FileSource
from asd_edge.runtime.pipeline.windows import cut_windows

_FORMATS = (
    *(("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")),
    *((container, "PCM_16") for container in ("WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "SVX", "NIST", "VOC")),
    *(("AIFF", "IMA_ADPCM"), ("CAF", "ALAC_16"), ("IRCAM", "PCM_16"), ("PAF", "PCM_16"), ("PVF", "PCM_16")),
    *(("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
)
"""The kinds of files that are heard, in the words of libsndfile."""
_RATE_HZ = 8000
_WHOLE_S = 1.5
"""Long enough to be heard at all, and quickly read."""


def whole_files() -> list[bytes]:
    """Noise in a file of each kind."""
    import soundfile

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (int(_WHOLE_S * _RATE_HZ), 2))
    files = []
    for container, subtype in _FORMATS:
        channels = 1 if subtype == "GSM610" or container in {"SVX", "MP3"} else 2
        file = io.BytesIO()
        soundfile.write(file, noise[:, :channels], _RATE_HZ, format=container, subtype=subtype)
        files.append(file.getvalue())
    return files


@dataclass
class Hearing:
    """Hears a file from beginning to end, window by window."""

    folder: Path

    def __call__(self, content: bytes) -> None:
        """Write the content to a file and hear it.

        Raises:
            InputError: The content cannot be used.
        """
        path = self.folder / "sound"
        path.write_bytes(content)
        for _ in cut_windows(FileSource(path).sound(threading.Event()), Windowing(SAMPLE_RATE_HZ, hop_s=1.0)):
            pass


def fuzz_sounds(wanted: FuzzSettings) -> None:
    """Whether any sound file, however broken, can do more than be heard or refused."""
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz("sounds", whole_files(), Hearing(Path(folder)), wanted.inputs, wanted.seed, keep=wanted.keep)
    show(report)
