"""What the tests share: how they run side by side, the program, models with short windows and a real sound server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from program import Run

    from asd_edge.runtime import Model

# Tests run in several processes, so that each computes with one thread: whoever has fewer or more cores gets the same
# results. The libraries read this when they are imported, which is why this file imports them inside its functions.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Whatever a shell starts in the background ignores Ctrl-C, and so does all that it starts; tests of Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("asd-edge")

MAX_WORKERS = 8
"""Each worker has PyTorch in memory, about 1 GB, and none has anything left to do beyond this number."""
STEP_BACK = 5
"""How nice the workers are that do not record sound in real time."""
BEGIN_FIRST = ("microphone", "long")
"""The markers of tests whose files begin first. The first worker gets the first file."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the files side by side where pytest-xdist is there and ``-n`` says nothing else."""
    if hasattr(config, "workerinput"):
        if config.workerinput["workerid"] != "gw0":
            os.nice(STEP_BACK)  # the first worker has the microphone, and sound does not wait
        return
    if config.getoption("numprocesses", None) is None and config.pluginmanager.hasplugin("xdist"):
        config.option.numprocesses = 0 if config.getoption("usepdb") else workers_for(config.args)
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False


def workers_for(arguments: list[str]) -> int:
    """One more than there are cores, as some tests sleep; none for a single file, which then runs in this process."""
    workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)) + 1)
    files = {argument.partition("::")[0] for argument in arguments}
    if all(Path(file).is_file() for file in files):
        workers = min(workers, len(files))
    return workers if workers > 1 else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest begin first: those that hold the microphone, then those with ``long`` tests."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(BEGIN_FIRST) if item.get_closest_marker(name)), len(BEGIN_FIRST))

    places: dict[Path, int] = {}
    for item in items:
        places[item.path] = min(place(item), places.get(item.path, len(BEGIN_FIRST)))
    items.sort(key=lambda item: places[item.path])


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
    from program import run_in_this_process

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
    """The shipped model with a window of 1 s, so that live tests need seconds instead of minutes."""
    from short_model import write_short_model

    return write_short_model(tmp_path_factory.mktemp("model") / "short.onnx")


@pytest.fixture
def short_model(short_model_path: Path) -> Model:
    from asd_edge.runtime import Model

    return Model(short_model_path, threads=1)


@pytest.fixture(scope="session")
def machine_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of a healthy simulated machine, 16 kHz mono."""
    from simulated_sound import write_simulated

    from asd_edge.runtime import SimulatedMachine

    return write_simulated(tmp_path_factory.mktemp("sound") / "machine.wav", SimulatedMachine(120.0))


@pytest.fixture(scope="session")
def faulty_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of the same machine with a bad bearing."""
    from simulated_sound import write_simulated

    from asd_edge.runtime import SimulatedMachine

    faulty = SimulatedMachine(30.0, day=1, fault_begins_s=-2.0, fault_full_s=-1.0)
    return write_simulated(tmp_path_factory.mktemp("sound") / "faulty.wav", faulty)


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
        while self.control("info").returncode != 0:
            if time.monotonic() > deadline:
                self.close()
                pytest.skip("PulseAudio does not start here")
            time.sleep(0.1)
        self.plug()

    def control(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Let the server do something, with a command of `pactl`."""
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, timeout=10, check=False
        )

    def plug(self, sink: str = "machine") -> None:
        """Connect a microphone: the monitor of a sink of this name."""
        arguments = (f"sink_name={sink}", "format=float32le", "rate=44100", "channels=2")
        loaded = self.control("load-module", "module-null-sink", *arguments)
        assert loaded.returncode == 0, loaded.stderr

    def unplug(self, sink: str = "machine") -> None:
        """Take a microphone away."""
        modules = [line.split("\t") for line in self.control("list", "short", "modules").stdout.splitlines()]
        (number,) = (module[0] for module in modules if f"sink_name={sink}" in module[2].split())
        unloaded = self.control("unload-module", number)
        assert unloaded.returncode == 0, unloaded.stderr

    def hang(self) -> None:
        """Let every call to the server hang."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def play(self, file: Path, sink: str = "machine") -> subprocess.Popen[bytes]:
        """Play a file into a sink, so that its microphone hears it."""
        return subprocess.Popen(["paplay", f"--device={sink}", str(file)], env=self.environment)

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
