"""The device-built cache: it changes nothing but time and memory, and whatever happens to it, scores stay right."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from linear_model import SAMPLES, linear_weights, write_linear_model
from logged import logged
from numpy.typing import NDArray
from objects import valid_objects

from asd_edge.calibration.errors import ModelError
from asd_edge.runtime import FileSource, Model, enroll
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.inference import build_device_cache, cache_watch, device_cache
from asd_edge.runtime.inference.build_device_cache import build_cache
from asd_edge.runtime.inference.device_cache import WEIGHTS, WORTH_BYTES, DeviceCache
from asd_edge.runtime.inference.session import start_session

FloatArray = NDArray[np.float32]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
WINDOW: FloatArray = np.random.default_rng(1).normal(0.0, 0.1, SAMPLES).astype(np.float32)


DIMENSIONS = 30
"""A model of 1.9 MB, which is as good as a large one here and copied and built in no time."""


def write_model(path: Path, seed: int = 0) -> Path:
    return write_linear_model(path, seed, dimensions=DIMENSIONS)


@pytest.fixture(autouse=True)
def _small_models_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "WORTH_BYTES", 1_000_000)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its cache."""
    path = write_model(tmp_path_factory.mktemp("prepared") / "pump.onnx")
    DeviceCache(path).folder.mkdir()
    build_cache(DeviceCache(path))
    return path


@pytest.fixture
def model_path(prepared: Path, tmp_path: Path) -> Path:
    """A copy of both that a test may damage."""
    shutil.copytree(prepared.parent, tmp_path / "model")
    return tmp_path / "model" / prepared.name


def embed(path: Path, threads: int = 1) -> tuple[FloatArray, list[str]]:
    """Start from the cache; gives the embedding and what was logged."""
    with logged() as said:
        embedding: FloatArray = Model(path, "cpu", threads, cache=True).embed(WINDOW).embedding
    return embedding, said


def parts(path: Path) -> list[Path]:
    """The folders in a cache."""
    return [entry for entry in DeviceCache(path).folder.iterdir() if entry.is_dir()]


def test_is_built_at_the_first_start_which_says_so(tmp_path: Path) -> None:
    path = write_model(tmp_path / "pump.onnx")
    _, said = embed(path)
    assert [sentence.split()[0] for sentence in said] == ["Preparing", "Prepared"]
    assert DeviceCache(path).folder == tmp_path / "pump.onnx.cache"
    assert len(parts(path)) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_changes_no_bit_of_an_embedding(model_path: Path, threads: int) -> None:
    embedding, said = embed(model_path, threads)
    assert said == []
    np.testing.assert_array_equal(embedding, Model(model_path, "cpu", threads).embed(WINDOW).embedding)
    np.testing.assert_allclose(embedding, WINDOW @ linear_weights(0)[:, :DIMENSIONS], atol=1e-4)


def test_weights_are_mapped_and_not_read(model_path: Path) -> None:
    model = Model(model_path, "cpu", cache=True)
    model.embed(WINDOW)
    if not Path("/proc/self/maps").is_file():
        pytest.skip("no /proc")
    assert str(parts(model_path)[0] / "weights.bin") in Path("/proc/self/maps").read_text()


def _truncate(folder: Path) -> None:
    os.truncate(folder / "weights.bin", (folder / "weights.bin").stat().st_size // 2)


def _overwrite(folder: Path) -> None:
    with (folder / "weights.bin").open("rb+") as file:
        file.seek(1_000_000)
        file.write(b"\xff" * 4096)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "half of the weights": _truncate,
    "other bytes in the weights": _overwrite,
    "no weights": lambda folder: (folder / "weights.bin").unlink(),
    "no graph": lambda folder: (folder / "graph.onnx").unlink(),
    "an empty graph": lambda folder: (folder / "graph.onnx").write_bytes(b""),
    "no folder": shutil.rmtree,
    "no record": lambda folder: (folder.parent / "cache.json").unlink(),
    "half a record": lambda folder: os.truncate(folder.parent / "cache.json", 100),
    "a record of zeros": lambda folder: (folder.parent / "cache.json").write_bytes(b"\0" * 500),
    "a record that is a list": lambda folder: (folder.parent / "cache.json").write_text("[1]"),
    "a record without files": lambda folder: change_record(folder.parent, files={}),
    "a record that names a folder elsewhere": lambda folder: change_record(folder.parent, folder="../../elsewhere"),
    "a record with an absolute folder": lambda folder: change_record(folder.parent, folder=str(folder)),
    "a record with a number as text": lambda folder: change_record(folder.parent, looked_ns="1"),
    "a record with a time that is no number": lambda folder: change_record(folder.parent, looked_ns=float("nan")),
    "a record with a stamp of another kind": lambda folder: change_record(folder.parent, stamp={"size": 1}),
    "a record with a stamp too much": lambda folder: change_record(folder.parent, stamp=["size"]),
    "a record with a size below 0": lambda folder: change_record(folder.parent, files={"graph.onnx": [-1, 0]}),
    "a record with three numbers": lambda folder: change_record(folder.parent, files={"graph.onnx": [1, 2, 3]}),
    "a record of a file elsewhere": lambda folder: change_record(folder.parent, digests={"../graph.onnx": "0" * 64}),
    "a record nested too deep": lambda folder: (folder.parent / "cache.json").write_text("[" * 100_000),
    "a record of a huge number": lambda folder: (folder.parent / "cache.json").write_text('{"format": ' + "9" * 5000),
    "a record of gigabytes": lambda folder: os.truncate(folder.parent / "cache.json", 3_000_000_000),
    "a record that is a folder": lambda folder: replace_by_folder(folder.parent / "cache.json"),
    "a record that is no text": lambda folder: (folder.parent / "cache.json").write_bytes(b"\xff\xfe{}"),
    "a record of another format": lambda folder: change_record(folder.parent, format=0),
    "another ONNX Runtime or processor": lambda folder: change_record(folder.parent, machine="onnxruntime 1.0, abacus"),
}


def change_record(folder: Path, /, **changes: object) -> None:
    record = json.loads((folder / "cache.json").read_text())
    (folder / "cache.json").write_text(json.dumps(record | changes))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.fixture
def builds_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches are built in this process, which needs a tenth of the time of a new one."""

    def build(model: Path, options: Sequence[str]) -> tuple[int, str]:
        build_cache(DeviceCache(model), laid_out=not options)
        return 0, ""

    monkeypatch.setattr(device_cache, "run_builder", build)


@pytest.mark.usefixtures("builds_here")
@pytest.mark.parametrize("damage", DAMAGES)
def test_is_renewed_when_damaged_or_made_for_another_computer(model_path: Path, damage: str) -> None:
    (before,) = parts(model_path)
    DAMAGES[damage](before)
    embedding, said = embed(model_path)
    assert said[0].startswith("Preparing")
    np.testing.assert_array_equal(embedding, Model(model_path, "cpu", 1).embed(WINDOW).embedding)
    (after,) = parts(model_path)
    assert after.name != before.name
    assert embed(model_path)[1] == []


@pytest.mark.usefixtures("builds_here")
def test_a_graph_that_only_looks_whole_is_not_needed(model_path: Path) -> None:
    graph = parts(model_path)[0] / "graph.onnx"
    status = graph.stat()
    graph.write_bytes(b"\xff" * status.st_size)
    os.utime(graph, ns=(status.st_atime_ns, status.st_mtime_ns))
    embedding, (sentence,) = embed(model_path)
    assert "cannot be loaded" in sentence
    np.testing.assert_array_equal(embedding, Model(model_path, "cpu", 1).embed(WINDOW).embedding)
    assert embed(model_path)[1][0].startswith("Preparing")


@pytest.mark.usefixtures("builds_here")
def test_another_model_in_the_place_of_the_first_is_seen(model_path: Path) -> None:
    """Also one of the same size and time, as a restored backup may have."""
    status = model_path.stat()
    other = write_model(model_path.with_name("other.onnx"), seed=7)
    assert other.stat().st_size == status.st_size
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(model_path)
    embedding, _ = embed(model_path)
    np.testing.assert_allclose(embedding, WINDOW @ linear_weights(7)[:, :DIMENSIONS], atol=1e-4)
    assert Model(model_path, "cpu", cache=True).sha256 == hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert len(parts(model_path)) == 1


def test_the_digest_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "pump.onnx")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    DeviceCache(path).folder.mkdir()
    now_ns = time.time_ns()
    with monkeypatch.context() as later:
        later.setattr(build_device_cache, "time_ns", lambda: now_ns + 3_000_000_000)
        build_cache(DeviceCache(path))
    with monkeypatch.context() as blind:
        blind.setattr(device_cache, "model_sha256", lambda *_: pytest.fail("the model was read through again"))
        assert Model(path, "cpu", cache=True).sha256 == digest
    os.utime(path)
    monkeypatch.setattr(device_cache, "model_sha256", lambda *_: "read through")
    assert DeviceCache(path).sha256() == "read through"


def test_a_digest_that_was_computed_just_after_a_change_is_not_relied_on(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the tick of a coarse clock would not show."""
    status = model_path.stat()
    stamp = {
        "size": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
    change_record(DeviceCache(model_path).folder, stamp=stamp, looked_ns=status.st_ctime_ns + 1_000_000)
    monkeypatch.setattr(device_cache, "model_sha256", lambda *_: "read through")
    assert DeviceCache(model_path).sha256() == "read through"


def test_processes_that_start_at_once_share_one(tmp_path: Path) -> None:
    path = write_linear_model(tmp_path / "pump.onnx")
    program = (
        "import sys, numpy as np\n"
        "from asd_edge.runtime import Model\n"
        "window = np.random.default_rng(1).normal(0.0, 0.1, 16_000).astype(np.float32)\n"
        f"print(Model({str(path)!r}, 'cpu', 1, cache=True).embed(window).embedding.tobytes().hex())\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    embeddings = {process.communicate(timeout=100)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert embeddings == {Model(path, "cpu", 1).embed(WINDOW).embedding.tobytes().hex() + "\n"}
    assert len(parts(path)) == 1
    assert embed(path)[1] == []


@pytest.mark.usefixtures("builds_here")
def test_what_an_ended_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = write_model(tmp_path / "pump.onnx")
    left = DeviceCache(path).folder / ".0123-left.abc"
    left.mkdir(parents=True)
    (left / "weights.bin").write_bytes(b"half")
    embed(path)
    assert not left.exists()
    assert len(parts(path)) == 1


@pytest.mark.usefixtures("builds_here")
def test_may_be_deleted_while_it_is_used(model_path: Path) -> None:
    model = Model(model_path, "cpu", 1, cache=True)
    shutil.rmtree(DeviceCache(model_path).folder)
    np.testing.assert_array_equal(model.embed(WINDOW).embedding, embed(model_path)[0])


def test_without_a_place_for_it_the_model_runs_all_the_same(tmp_path: Path) -> None:
    path = write_model(tmp_path / "pump.onnx")
    DeviceCache(path).folder.write_text("a file in its place")
    embedding, (sentence,) = embed(path)
    assert "No cache beside pump.onnx" in sentence
    np.testing.assert_allclose(embedding, WINDOW @ linear_weights(0)[:, :DIMENSIONS], atol=1e-4)


def test_a_full_disk_is_told_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_linear_model(tmp_path / "pump.onnx")
    full = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    embedding, (sentence,) = embed(path)
    assert "too little disk, 42 MB wanted, 10 MB free" in sentence
    np.testing.assert_allclose(embedding, WINDOW @ linear_weights(0), atol=1e-4)
    assert parts(path) == []


def test_a_model_that_changes_while_the_cache_is_built_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "pump.onnx")
    DeviceCache(path).folder.mkdir()

    def read_and_change(model: Path, _: object) -> str:
        write_model(model, seed=7)
        return "the digest of what was there before"

    monkeypatch.setattr(build_device_cache, "model_sha256", read_and_change)
    with pytest.raises(ModelError, match="changed while it was read"):
        build_cache(DeviceCache(path))
    assert parts(path) == []
    assert DeviceCache(path).graph() is None


def test_a_cache_that_computes_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = write_model(tmp_path / "pump.onnx"), write_model(tmp_path / "other.onnx", seed=7)
    DeviceCache(path).folder.mkdir()
    saved_badly = start_session(other, "cpu", 1)
    monkeypatch.setattr(build_device_cache, "start_session", lambda *_, **__: saved_badly)
    with pytest.raises(ModelError, match="no graph that computes what the model does") as refused:
        build_cache(DeviceCache(path))
    assert "outputs that differ by" in refused.value.got
    assert parts(path) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    path = write_model(tmp_path / "pump.onnx")
    DeviceCache(path).folder.mkdir()
    built = subprocess.run(
        [sys.executable, "-m", "asd_edge.runtime.inference.build_device_cache", str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert built.returncode == 1
    assert built.stderr.startswith("ONNX Runtime saved no graph")
    assert built.stderr.count("\n") == 1
    assert [each.name for each in DeviceCache(path).folder.iterdir() if each.name != "lock"] == []


def test_weights_that_crash_onnx_runtime_when_laid_out_are_kept_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builder ends as ONNX Runtime ends it, with a segmentation fault, unless weights stay as they are."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *--as-they-are*) exec {sys.executable} "$@";; esac\nkill -SEGV $$\n', encoding="utf-8"
    )
    python.chmod(0o755)
    path = write_model(tmp_path / "pump.onnx")
    expected = Model(path, "cpu", 1).embed(WINDOW).embedding
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        embedding, said = embed(path)
    assert "Prepared in" in said[-1]
    np.testing.assert_array_equal(embedding, expected)
    (folder,) = parts(path)
    assert (folder / WEIGHTS).stat().st_size < 1.1 * path.stat().st_size  # once, not twice
    assert embed(path)[1] == []


def test_a_file_that_is_no_model_is_told_once_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pump.onnx"
    path.write_bytes(b"\xff" * 2_000_000)
    with pytest.raises(ModelError, match="no ONNX model"):
        Model(path, "cpu", cache=True)
    assert parts(path) == []


def test_the_model_inside_the_package_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "WORTH_BYTES", WORTH_BYTES)
    with logged() as said:
        model = Model("logmel", "cpu", cache=True)
    assert said == []
    assert not DeviceCache(model.path).folder.exists()


def test_commands_keep_one_and_can_do_without(tmp_path: Path, machine_wav: Path, run_main: Run) -> None:
    path, bank = write_model(tmp_path / "pump.onnx"), tmp_path / "pump.npz"
    enroll(FileSource([str(machine_wav)]), Model(path, "cpu", 1), EnrollSettings(bank))
    common = ("--bank", bank, "--model", path, "--threads", 1)
    without = run_main("score", machine_wav, *common, "--no-cache", "--json")
    assert not DeviceCache(path).folder.exists()
    assert "none yet" in run_main("doctor", "--model", path).stdout
    first = run_main("listen", "--input", machine_wav, *common, "--json")
    assert "Prepared in" in first.stderr
    second = run_main("score", machine_wav, *common, "--json")
    assert (second.returncode, second.stderr) == (0, "")
    assert [each | {"time": ""} for each in valid_objects(second.stdout)] == [
        each | {"time": ""} for each in valid_objects(without.stdout)
    ]
    assert len(without.stdout.splitlines()) == 120
    assert "pump.onnx.cache is ready" in run_main("doctor", "--model", path).stdout


def _rot(path: Path) -> None:
    """Change a bit as a disk does: neither size nor time tell."""
    status = path.stat()
    with path.open("rb+") as file:
        file.seek(status.st_size // 2)
        byte = file.read(1)[0]
        file.seek(status.st_size // 2)
        file.write(bytes([byte ^ 0x10]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _watched(path: Path, monkeypatch: pytest.MonkeyPatch, read_days_ago: float) -> tuple[Model, float]:
    """Start from a cache that was last read through so long ago; and when that was noted."""
    noted_ns = time.time_ns() - int(read_days_ago * 86_400e9)
    change_record(DeviceCache(path).folder, verified_ns=noted_ns)
    monkeypatch.setattr(cache_watch, "FIRST_WAIT_S", 0.3)
    return Model(path, "cpu", 1, cache=True), noted_ns


def _watches() -> list[threading.Thread]:
    """The threads that watch caches in this process, once those of models that are gone have ended."""

    def alive() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "cache watch"]

    _until(lambda: len(alive()) == 1)
    return alive()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_bit_that_rots_is_told_within_a_day_and_the_next_start_makes_the_cache_anew(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_path = DeviceCache(model_path).record_path
    with logged() as said:
        model, _ = _watched(model_path, monkeypatch, read_days_ago=1.1)
        _rot(parts(model_path)[0] / WEIGHTS)
        _until(lambda: not record_path.exists() and bool(said))
    assert "weights.bin is not what it was" in said[0]
    assert len(said) == 1
    del model
    embedding, said = embed(model_path)
    assert said[0].startswith("Preparing")
    np.testing.assert_array_equal(embedding, Model(model_path, "cpu", 1).embed(WINDOW).embedding)


def test_what_is_whole_is_read_once_a_day(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_path = DeviceCache(model_path).record_path
    with logged() as said:
        model, noted_ns = _watched(model_path, monkeypatch, read_days_ago=1.1)
        _until(lambda: json.loads(record_path.read_text())["verified_ns"] > noted_ns)
    assert said == []
    model, noted_ns = _watched(model_path, monkeypatch, read_days_ago=0.9)
    _rot(parts(model_path)[0] / WEIGHTS)
    time.sleep(0.6)
    assert json.loads(record_path.read_text())["verified_ns"] == noted_ns
    del model


def test_what_is_changed_for_everyone_to_see_has_not_rotten(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of the model is put in its place while the old one listens."""
    with logged() as said:
        write_model(model_path.with_name("new.onnx"), seed=7)
        monkeypatch.setattr(cache_watch, "FIRST_WAIT_S", 0.2)
        change_record(DeviceCache(model_path).folder, verified_ns=0)
        model = Model(model_path, "cpu", 1, cache=True)
        (watch,) = _watches()
        model_path.with_name("new.onnx").replace(model_path)
        _until(lambda: not watch.is_alive())
    assert said == []
    assert DeviceCache(model_path).record_path.exists()
    del model


def test_nobody_watches_a_cache_that_is_not_used_any_more(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = _watched(model_path, monkeypatch, read_days_ago=0.0)
    (watch,) = _watches()
    del model
    _until(lambda: not watch.is_alive())
