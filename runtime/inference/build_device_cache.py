"""Building the cache of a model: ``python -m asd_edge.runtime.inference.build_device_cache MODEL [--as-they-are]``.

ONNX Runtime saves the graph that it made of the model for this processor, with the weights as they were laid out in a
file that can be mapped. What was saved is loaded once and kept only when it computes what the model does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path
from time import time_ns

import numpy as np
from filelock import FileLock

from asd_edge.calibration.atomic_files import file_sha256, write_folder
from asd_edge.calibration.errors import InputError, ModelError
from asd_edge.runtime.inference import glibc_heap
from asd_edge.runtime.inference.cache_record import Record, files_in
from asd_edge.runtime.inference.device_cache import AS_THEY_ARE, GRAPH, WEIGHTS, DeviceCache
from asd_edge.runtime.inference.fingerprint import FileStamp, host_fingerprint
from asd_edge.runtime.inference.model_check import checked_info
from asd_edge.runtime.inference.model_files import files_outside, model_sha256
from asd_edge.runtime.inference.session import load, session_options, start_session

_SMALLEST_OUTSIDE = 1024
"""The size in bytes of the smallest constant that goes into the mapped file; smaller ones stay in the graph."""
_TOLERANCE = 1e-5
"""The largest difference of an output from the model's own, in parts of its largest value, that passes as rounding;
none was seen."""
_LAST_WORDS = 150
"""Characters of an error of ONNX Runtime that are told: where it happened comes first, and what happened last."""


def build_cache(cache: DeviceCache, laid_out: bool = True) -> None:
    """Build the cache in this process, in the place of what was there; wait where another process builds it.

    Args:
        cache: The cache of the model.
        laid_out: Whether weights are saved as the processor wants them, or as they are.

    Raises:
        InputError: The folder cannot be written, or the disk is full.
        ModelError: The model cannot be loaded, changed while it was read, or the cache computes something else.
    """
    with FileLock(cache.folder / "lock"):
        if cache.graph() is not None:
            return
        for stale in cache.parts():
            shutil.rmtree(stale, ignore_errors=True)
        stamp, looked_ns = FileStamp.of(cache.model), time_ns()
        outside = FileStamp.of_all(cache.model.parent, files_outside(cache.model))
        sha256 = model_sha256(cache.model, outside)
        name = f"{sha256[:12]}-{secrets.token_hex(4)}"
        with write_folder(cache.folder / name) as folder:
            _save(cache.model, folder, laid_out)
            for file in folder.iterdir():
                _sync(file)
            files = files_in(folder)
            digests = {file.name: file_sha256(file) for file in folder.iterdir()}
        if (FileStamp.of(cache.model), FileStamp.of_all(cache.model.parent, outside)) != (stamp, outside):
            shutil.rmtree(cache.folder / name)
            raise ModelError(
                "The model changed while it was read.",
                got=cache.model,
                valid="a model that stays as it is",
                next_step="start again when it is in place",
            )
        record = Record(name, files, host_fingerprint(), sha256, stamp, looked_ns, digests, outside, looked_ns)
        record.write(cache.record_path)


def _save(model: Path, folder: Path, laid_out: bool) -> None:
    """Let ONNX Runtime write the optimised graph and its weights, and see that they compute the same."""
    options = session_options(0)
    options.optimized_model_filepath = str(folder / GRAPH)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", str(_SMALLEST_OUTSIDE)
    )
    options.add_session_config_entry("session.save_external_prepacked_constant_initializers", str(int(laid_out)))
    try:
        session = load(model, options)
    except Exception as error:
        raise _unusable(f"... {str(error).strip()[-_LAST_WORDS:]}") from error
    info = checked_info(session, model)
    feeds = {"waveform": np.random.default_rng(0).normal(0.0, 0.1, (1, info.samples)).astype(np.float32)}
    expected = session.run(None, feeds)
    del session  # before the other is loaded: its weights are in memory, as they were and as they were laid out
    glibc_heap.give_back()
    computed = start_session(folder / GRAPH, "cpu", 0, optimised=True).raw.run(None, feeds)
    for ours, theirs in zip(computed, expected, strict=True):
        if not np.allclose(ours, theirs, rtol=0.0, atol=_TOLERANCE * float(np.abs(theirs).max())):
            raise _unusable(f"outputs that differ by {np.abs(ours - theirs).max():.2g}")


def _unusable(got: str) -> ModelError:
    return ModelError(
        "ONNX Runtime saved no graph that computes what the model does.",
        got=got,
        valid="the same outputs",
        next_step="--no-cache starts without one",
    )


def _sync(path: Path) -> None:
    """Have a file that another library wrote on the disk before anything refers to it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _main() -> None:
    """Build the cache of the model that the command line names; what goes wrong is one line on standard error."""
    with contextlib.suppress(OSError):  # Linux only: when memory runs out, end this process and not one that listens
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        build_cache(DeviceCache(Path(sys.argv[1])), laid_out=AS_THEY_ARE not in sys.argv[2:])
    except (InputError, OSError, NotImplementedError) as error:  # the last where a file system has no locks
        said = f"{error.what} {error.got}" if isinstance(error, InputError) else str(error)
        sys.exit(" ".join(said.split()))


if __name__ == "__main__":
    _main()
