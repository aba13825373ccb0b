"""What the tests share: the program, models with short windows, real recordings and a real sound server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from program import Run, run_in_this_process

from asd_edge.runtime import Model, SimulatedMachine

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("asd-edge")


@pytest.fixture(scope="session")
def program() -> Path:
    """The installed `asd-edge` program."""
    return PROGRAM


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `asd-edge` to its end: ``run("info", path)``."""

    def run_program(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run_program


@pytest.fixture(scope="session")
def run_main() -> Run:
    """Run `asd-edge` as `run` does, but inside this process, without the second or more that a new one takes."""
    return run_in_this_process


@pytest.fixture(scope="session")
def machines() -> Path:
    """Recordings of real machines in the DCASE layout, which are not part of the project."""
    path = Path(os.environ.get("ASD_EDGE_MACHINES", REPOSITORY.parent / "shared" / "data" / "machines"))
    if not path.is_dir():
        pytest.skip(f"recordings of real machines are not here: {path} (set ASD_EDGE_MACHINES)")
    return path


@pytest.fixture(scope="session")
def short_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model's recipe with a window of 1 s, so that live tests need seconds instead of minutes."""
    from asd_edge.export.onnx_file import export_model
    from asd_edge.export.systems.logmel import build

    module, info = build()
    path = tmp_path_factory.mktemp("model") / "short.onnx"
    export_model(module, replace(info, samples=16_000), path)
    return path


@pytest.fixture
def short_model(short_model_path: Path) -> Model:
    return Model(short_model_path, threads=1)


@pytest.fixture(scope="session")
def machine_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a healthy simulated machine, 16 kHz mono."""
    return write_simulated(tmp_path_factory.mktemp("sound") / "machine.wav", SimulatedMachine(120.0))


@pytest.fixture(scope="session")
def faulty_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of the same machine with a bad bearing."""
    faulty = SimulatedMachine(30.0, day=1, fault_begins_s=-2.0, fault_full_s=-1.0)
    return write_simulated(tmp_path_factory.mktemp("sound") / "faulty.wav", faulty)


def write_simulated(path: Path, machine: SimulatedMachine) -> Path:
    import threading

    blocks = [block.samples for block in machine.sound(threading.Event())]
    soundfile.write(path, np.concatenate(blocks), 16_000)
    return path


class SoundServer:
    """A PulseAudio server of our own with a null sink, whose monitor ALSA's pulse plugin offers as ``mic``."""

    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
        (home / "run").mkdir(mode=0o700)
        (home / ".asoundrc").write_text(
            "pcm.mic { type pulse  device machine.monitor  "
            'hint { show on  description "monitor of the machine sink" } }\n'
        )
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--resample-method=speex-float-10"),
                *("-L", "module-native-protocol-unix"),
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10.0
        while self._control("info").returncode != 0:
            if time.monotonic() > deadline:
                self.close()
                pytest.skip("PulseAudio does not start here")
            time.sleep(0.1)
        self.plug()

    def _control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, timeout=10, check=False
        )

    def plug(self) -> None:
        """Connect the microphone."""
        sink = ("sink_name=machine", "format=float32le", "rate=44100", "channels=2")
        loaded = self._control("load-module", "module-null-sink", *sink)
        assert loaded.returncode == 0, loaded.stderr

    def unplug(self) -> None:
        """Take the microphone away."""
        unloaded = self._control("unload-module", "module-null-sink")
        assert unloaded.returncode == 0, unloaded.stderr

    def hang(self) -> None:
        """Let every call to the server hang."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def play(self, file: Path) -> subprocess.Popen[bytes]:
        """Play a file into the sink, so that the microphone hears it."""
        return subprocess.Popen(["paplay", "--device=machine", str(file)], env=self.environment)

    def close(self) -> None:
        self.go_on()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def sound_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    """A microphone without hardware, recorded through PortAudio, ALSA and PulseAudio like a real one."""
    missing = [tool for tool in ("pulseaudio", "pactl", "paplay") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: pulseaudio, pulseaudio-utils, libasound2-plugins)")
    # A short path: the name of a socket has room for about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="sound") as home:
        server = SoundServer(Path(home))
        monkeypatch.setenv("HOME", server.environment["HOME"])
        monkeypatch.setenv("XDG_RUNTIME_DIR", server.environment["XDG_RUNTIME_DIR"])
        yield server
        server.close()
