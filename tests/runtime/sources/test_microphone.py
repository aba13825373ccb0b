"""A microphone that PortAudio records for real: PulseAudio's null sink, played to and taken away."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from objects import valid_objects
from short_model import write_short_model

from asd_edge.calibration.errors import DeviceError
from asd_edge.runtime import (
    Bank,
    Block,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Microphone,
    Model,
    Score,
    Sink,
    deliver,
    enroll,
    list_microphones,
    listen,
    load_bank,
)
from asd_edge.runtime.inference.model_settings import ModelsSettings
from asd_edge.runtime.pipeline.machine_settings import MachineSettings
from asd_edge.runtime.pipeline.machines import open_machines
from asd_edge.runtime.sources import awaited
from asd_edge.runtime.sources.capture import stream as stream_module
from asd_edge.runtime.sources.capture.portaudio_process import BLOCK_S

pytestmark = pytest.mark.microphone
Values = dict[str, Any]

WINDOW_S = 0.6
SILENT_DBFS = -60.0
DEAD_S = 4.0
"""The first block comes a second after a microphone was opened, or more than two where other tests run meanwhile."""
FIRST_RETRY_S = 0.2
IMPATIENT = f"""
import sys
from asd_edge.runtime.sources import awaited
from asd_edge.runtime.sources.capture import stream
stream.DEAD_S, awaited.FIRST_RETRY_S = {DEAD_S}, {FIRST_RETRY_S}
from asd_edge.runtime.cli import main
main(sys.argv[1:])
"""
"""The program, but with shorter waits for a microphone that was lost."""


class Heard:
    """What is heard, as it comes."""

    def __init__(self) -> None:
        self.seen: list[Values] = []
        self.coming: queue.Queue[Values] = queue.Queue()

    def until(self, wanted: Callable[[Values], bool], timeout_s: float = 30.0) -> Values:
        """The next object that is wanted; all on the way are `seen`."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            try:
                values = self.coming.get(timeout=max(0.01, left_s))
            except queue.Empty:
                pytest.fail(f"nothing such came within {timeout_s} s; seen: {self.seen[-5:]}")
            self.seen.append(values)
            if wanted(values):
                return values


class Program(Heard):
    """`asd-edge listen --json` in a process of its own, its lines read as they come."""

    def __init__(self, *arguments: object) -> None:
        super().__init__()
        command = [sys.executable, "-c", IMPATIENT, "listen", *map(str, arguments), "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.coming.put(valid_objects(line)[0])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=5.0)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Listening(Heard, Sink):
    """`listen` in a thread of this process, which takes no time to start."""

    def __init__(self, bank: Path, model: Path, hop_s: float) -> None:
        super().__init__()
        settings = ListenSettings(hop_s=hop_s)
        self._machine = Machine(Microphone("mic"), Model(model, threads=1), load_bank(bank), settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        deliver(listen([self._machine], self._stop), [self], [self._machine])

    def show(self, item: Score | Event) -> None:
        self.coming.put(asdict(item))

    def __enter__(self) -> Listening:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10.0)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "DEAD_S", DEAD_S)
    monkeypatch.setattr(awaited, "FIRST_RETRY_S", FIRST_RETRY_S)


def is_score(values: Values) -> bool:
    return values.get("decision") is not None


def is_score_of(machine: str) -> Callable[[Values], bool]:
    return lambda values: is_score(values) and values["machine"] == machine


def is_event(kind: str) -> Callable[[Values], bool]:
    return lambda values: values.get("event") == kind


@pytest.fixture(scope="module")
def short_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A window that is a little longer than what counts as frozen sound, so that little must be waited for."""
    return write_short_model(tmp_path_factory.mktemp("model") / "short.onnx", round(WINDOW_S * 16_000))


@pytest.fixture(scope="module")
def enrolled(short_model_path: Path, machine_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "machine.npz"
    enroll(FileSource(machine_wav), Model(short_model_path, threads=1), EnrollSettings(path, hop_s=1.0))
    return path


@pytest.fixture
def bank(enrolled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(enrolled, tmp_path))


@pytest.fixture
def looped(sound_server: Any) -> Iterator[Callable[[Path], None]]:
    """Play a file over and over until the end of the test."""
    ended = threading.Event()
    loops: list[threading.Thread] = []
    players: list[subprocess.Popen[bytes]] = []

    def play(file: Path) -> None:
        def loop() -> None:
            while not ended.is_set():
                players.append(sound_server.play(file))
                players[-1].wait()
                ended.wait(0.2)

        loops.append(threading.Thread(target=loop, daemon=True))
        loops[-1].start()

    yield play
    ended.set()
    sound_server.go_on()
    for loop in loops:
        players[-1].kill()
        loop.join(timeout=5.0)


def test_a_microphone_is_found_by_part_of_its_name_whatever_its_case(sound_server: Any) -> None:
    found = list_microphones()
    assert "mic" in [microphone.name for microphone in found]
    microphone = Microphone("MI")
    assert microphone.name == "mic"
    microphone.close()


def test_a_name_that_fits_several_or_none_lists_them(
    sound_server: Any, run_main: Callable[..., Any], bank: Path
) -> None:
    with pytest.raises(DeviceError) as several:
        Microphone("u")  # pulse and default
    assert "pulse" in several.value.valid
    assert "default" in several.value.valid
    none = run_main("enroll", "--bank", bank.with_name("new.npz"), "--device", "turbine")
    assert none.returncode == 1
    assert "no such microphone" in none.stderr
    assert "mic" in none.stderr
    assert not bank.with_name("new.npz").exists()


def test_scores_through_the_microphone_are_those_of_the_file(
    sound_server: Any,
    run_main: Callable[..., Any],
    short_model_path: Path,
    machines: Path,
    tmp_path: Path,
    looped: Callable[[Path], None],
) -> None:
    """A real fan, heard through PulseAudio, ALSA and PortAudio, scores as `score` does on the clip that is played."""
    fan = machines / "fan"
    played = sorted(fan.glob("test/*normal*.wav"))[0]
    bank, common = tmp_path / "fan.npz", ("--model", short_model_path, "--hop", 0.25)
    enrolled = run_main("enroll", "--bank", bank, "--input", fan / "train", "--model", short_model_path, "--hop", 1)
    assert enrolled.returncode == 0, enrolled.stderr

    def offline(*files: Path) -> float:
        lines = run_main("score", *files, "--bank", bank, "--json", *common).stdout.splitlines()
        return float(np.median([json.loads(line)["score"] for line in lines]))

    looped(played)
    with Listening(bank, short_model_path, 0.25) as listening:
        listening.until(lambda values: is_score(values) and values["level_dbfs"] > SILENT_DBFS)  # the player has begun
        live = [listening.until(is_score) for _ in range(16)]
    median = float(np.median([values["score"] for values in live]))
    assert median == pytest.approx(offline(played), rel=0.15)
    assert offline(*sorted(fan.glob("test/*anomaly*.wav"))[:3]) > 1.5 * median


def test_kept_audio_enrolls_the_same_bank(
    sound_server: Any,
    run_main: Callable[..., Any],
    short_model_path: Path,
    machine_wav: Path,
    tmp_path: Path,
    looped: Callable[[Path], None],
) -> None:
    """What was kept is what was heard, up to rounding to 24 bits: a new model needs no visit to the machine."""
    looped(machine_wav)
    heard, kept, again = tmp_path / "heard.npz", tmp_path / "kept", tmp_path / "again.npz"
    common = ("--model", short_model_path, "--hop", 0.3)
    enrolled = run_main("enroll", "--bank", heard, "--device", "mic", "--minutes", 0.12, "--keep-audio", kept, *common)
    assert enrolled.returncode == 0, enrolled.stderr
    assert load_bank(heard).info.device == "mic"
    assert run_main("enroll", "--bank", again, "--input", kept, *common).returncode == 0
    live, offline = _windows_by_hop(load_bank(heard), 0.3), _windows_by_hop(load_bank(again), 0.3)

    def differences(shift: int) -> list[float]:
        """Of the windows that both have, where the first of one may have been skipped or refused by the other."""
        shared = [hop for hop in live if hop >= 4 and hop + shift in offline]  # before, the player had not begun
        return [float(np.abs(live[hop] - offline[hop + shift]).max()) for hop in shared]

    least = min((differences(shift) for shift in range(-3, 4)), key=max)
    assert len(least) >= 12  # of some 20, where the player was late
    assert max(least) < 2e-3


def test_what_passed_by_is_shown_with_the_time_of_day_and_can_be_listened_to(
    sound_server: Any, run_main: Callable[..., Any], machine_wav: Path, tmp_path: Path
) -> None:
    """A loud noise passes by for two seconds: where the kept file is said to hold it, it is loud."""
    samples, rate_hz = soundfile.read(machine_wav, dtype="float32")
    passing = samples[: 40 * rate_hz].copy()
    passing[12 * rate_hz : 14 * rate_hz] += 0.4 * np.random.default_rng(0).standard_normal(2 * rate_hz)
    soundfile.write(tmp_path / "passing.wav", passing, rate_hz)
    player = sound_server.play(tmp_path / "passing.wav")
    began = datetime.now(timezone.utc)
    model = write_short_model(tmp_path / "short.onnx", rate_hz // 2)
    words = ("--bank", tmp_path / "bank.npz", "--device", "mic", "--minutes", 0.42, "--hop", 0.5, "--model", model)
    done = run_main("enroll", *words, "--keep-audio", tmp_path / "kept", "--strange", "drop", "--json")
    player.kill()
    player.wait()
    assert done.returncode == 0, done.stdout
    objects = valid_objects(done.stdout)
    found = [values for values in objects if values["event"] == "strange"]
    loudest = max(found, key=lambda values: values["times"])
    assert 3 <= loudest["windows"] <= 6
    heard_at = datetime.fromisoformat(loudest["heard_at"])
    assert 8.0 < (heard_at - began).total_seconds() < 18.0
    kept, kept_rate_hz = soundfile.read(loudest["file"])
    at = round(loudest["file_start_s"] * kept_rate_hz)
    length = round((loudest["end_s"] - loudest["start_s"]) * kept_rate_hz)
    passed, before = kept[at : at + length], kept[at - 3 * kept_rate_hz : at - kept_rate_hz]
    assert np.sqrt(np.mean(passed**2)) > 2.0 * np.sqrt(np.mean(before**2))
    assert objects[-1]["refused"]["unlike the rest"] == sum(values["windows"] for values in found)


def _windows_by_hop(bank: Bank, hop_s: float) -> dict[int, np.ndarray]:
    """The embeddings of a bank by how many hops after its first window each begins."""
    starts_s = bank.references.timeline.starts_s
    hops = np.rint((starts_s - starts_s[0]) / hop_s).astype(int).tolist()
    return dict(zip(hops, bank.references.embeddings, strict=True))


def test_unplugged_and_back(
    sound_server: Any,
    short_model_path: Path,
    bank: Path,
    machine_wav: Path,
    looped: Callable[[Path], None],
) -> None:
    """The loss is told soon, the microphone found again by name, and no window spans the gap."""
    looped(machine_wav)
    with Listening(bank, short_model_path, 0.5) as listening:
        listening.until(is_score)
        unplugged = time.monotonic()
        sound_server.unplug()
        gap = listening.until(is_event("gap"))
        assert time.monotonic() - unplugged < DEAD_S + 1.5
        time.sleep(1.5)
        sound_server.plug()
        resumed = listening.until(is_event("resumed"))
        after = [listening.until(is_score) for _ in range(3)]
    before = [values for values in listening.seen if is_score(values) and values["start_s"] < gap["start_s"]]
    assert all(values["start_s"] + WINDOW_S <= gap["start_s"] for values in before)
    assert all(values["start_s"] >= resumed["start_s"] - 0.2 for values in after)
    assert resumed["duration_s"] >= 1.5


def test_one_of_two_microphones_is_lost_and_the_other_goes_on(
    sound_server: Any,
    short_model_path: Path,
    bank: Path,
    machine_wav: Path,
    looped: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    """On a server of its own, since PulseAudio moves a stream whose source is gone to any other that it has."""
    fan = bank.with_name("fan.npz")
    fan.write_bytes(bank.read_bytes())
    with tempfile.TemporaryDirectory(prefix="sound") as home:
        second = type(sound_server)(Path(home))
        settings = Path(sound_server.environment["HOME"]) / ".asoundrc"
        with settings.open("a") as file:
            server = f"unix:{home}/run/pulse/native"
            file.write(f'pcm.second {{ type pulse  server "{server}"  device machine.monitor  hint {{ show on }} }}\n')
        looped(machine_wav)
        players = [second.play(machine_wav)]
        pairs = ("--bank", bank, "--device", "mic", "--bank", fan, "--device", "second")
        try:
            with Program(*pairs, "--model", short_model_path, "--hop", 0.5) as listening:
                listening.until(is_score_of("machine.npz"))
                listening.until(is_score_of("fan.npz"))
                second.unplug()
                assert listening.until(is_event("gap"))["machine"] == "fan.npz"
                assert {listening.until(is_score)["source"] for _ in range(6)} == {"mic"}
                second.plug()
                players.append(second.play(machine_wav))  # the first went with the sink
                assert listening.until(is_event("resumed"))["source"] == "second"
                listening.until(is_score_of("fan.npz"))
                listening.until(is_score_of("machine.npz"))
                listening.stop()
                summaries = [listening.until(is_event("summary")) for _ in range(2)]
        finally:
            for player in players:
                player.kill()
                player.wait()
            second.close()
    assert listening.process.returncode == 0
    assert [(each["machine"], each["events"].get("gap", 0)) for each in summaries] == [
        ("machine.npz", 0),
        ("fan.npz", 1),
    ]


def test_a_hung_sound_server_stops_nothing_else(
    sound_server: Any,
    short_model_path: Path,
    bank: Path,
    machine_wav: Path,
    looped: Callable[[Path], None],
) -> None:
    """Every PortAudio call hangs; the loss is told all the same, and the program still ends when asked to."""
    looped(machine_wav)
    with Program("--bank", bank, "--model", short_model_path, "--device", "mic", "--hop", 0.5) as listening:
        listening.until(is_score)
        hung = time.monotonic()
        sound_server.hang()
        assert "no sound" in listening.until(is_event("gap"))["reason"]
        assert time.monotonic() - hung < DEAD_S + 1.5
        sound_server.go_on()
        listening.until(is_event("resumed"))
        listening.until(is_score)
        sound_server.hang()
        listening.until(is_event("gap"))
        time.sleep(0.5)  # it is now trying to open the device, which hangs
        asked = time.monotonic()
        listening.stop()
        assert time.monotonic() - asked < 5.0
        assert listening.process.returncode == 0
        sound_server.go_on()
        assert "windows scored" in listening.until(is_event("summary"))["reason"]


def test_silence_of_the_sensor_is_a_fault_and_no_normal_sound(
    sound_server: Any, run_main: Callable[..., Any], short_model_path: Path, bank: Path, tmp_path: Path
) -> None:
    """Nothing plays into the sink, so its monitor gives digital zeros."""
    common = ("--model", short_model_path, "--device", "mic")
    with Listening(bank, short_model_path, 0.5) as listening:
        fault = listening.until(is_event("sensor_fault"))
    assert "digital zeros" in fault["reason"]
    assert not any(is_score(values) for values in listening.seen)
    zeros = tmp_path / "zeros.npz"
    enrolled = run_main("enroll", "--bank", zeros, "--append", "--minutes", 0.04, "--hop", 0.6, *common)
    assert enrolled.returncode == 1
    assert "Nothing was enrolled" in enrolled.stderr
    assert "digital zeros" in enrolled.stderr
    assert not zeros.exists()


def test_sound_that_nobody_takes_is_dropped_and_told(
    sound_server: Any, looped: Callable[[Path], None], machine_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some sound waits for whoever is busy; what comes after it is lost, and the break stands where it was lost."""
    assert pytest.approx(30.0) == stream_module.QUEUE_BLOCKS * BLOCK_S
    waiting_s = 2.0
    monkeypatch.setattr(stream_module, "QUEUE_BLOCKS", round(waiting_s / BLOCK_S))
    looped(machine_wav)
    microphone, stop = Microphone("mic"), threading.Event()
    time.sleep(waiting_s + 3.0)
    heard_s, recordings = 0.0, set()
    for item in microphone.sound(stop):
        if isinstance(item, Event):
            assert item.event == "overrun"
            assert waiting_s - 0.5 < heard_s < waiting_s + 2.5  # the pipe between the processes holds some too
            assert len(recordings) == 1
            stop.set()
        else:
            heard_s += len(item.samples) / item.rate_hz
            assert heard_s < 10.0
            recordings.add(item.recording.id)
    assert stop.is_set()


def test_channels_of_the_microphone_are_kept_apart(
    sound_server: Any, looped: Callable[[Path], None], tmp_path: Path
) -> None:
    """A tone on the left and a louder one on the right: each channel hears its own, at the device's own rate."""
    t = np.arange(44_100 * 10) / 44_100
    stereo = np.stack([0.05 * np.sin(2 * np.pi * 500 * t), 0.5 * np.sin(2 * np.pi * 1500 * t)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 44_100)
    looped(tmp_path / "stereo.wav")
    microphone, stop = Microphone("mic", 2), threading.Event()
    blocks: list[Block] = []
    for item in microphone.sound(stop):
        assert isinstance(item, Block)
        if item.samples[0].any():  # the player has begun
            blocks.append(item)
        if len(blocks) == 15:
            stop.set()
    samples = np.concatenate([block.samples for block in blocks[5:]])
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))[:, None], axis=0))
    peaks_hz = spectrum.argmax(axis=0) * 44_100 / len(samples)
    np.testing.assert_allclose(peaks_hz, [500, 1500], atol=2)
    np.testing.assert_allclose(samples.std(axis=0), np.array([0.05, 0.5]) / np.sqrt(2), rtol=0.05)


def test_ctrl_c_keeps_what_was_enrolled_and_append_goes_on(
    sound_server: Any,
    short_model_path: Path,
    machine_wav: Path,
    looped: Callable[[Path], None],
    run_main: Callable[..., Any],
    tmp_path: Path,
) -> None:
    looped(machine_wav)
    path = tmp_path / "bank.npz"
    arguments = ("enroll", "--bank", path, "--model", short_model_path, "--device", "mic", "--hop", 0.3)
    script = f"import asd_edge.runtime.enrolment.heard_windows as e; e.SAVE_EVERY_S = 0.5\n{IMPATIENT}"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    enrolling = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30.0
    while not path.exists():  # it is saved for the first time
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.0)
    enrolling.send_signal(signal.SIGINT)
    text, _ = enrolling.communicate(timeout=20)
    assert enrolling.returncode == 130
    assert "Stopped early" in text
    first = len(load_bank(path).references.embeddings)
    assert 2 <= first <= 12
    more = run_main(*arguments, "--append", "--minutes", 0.09)
    assert more.returncode == 0, more.stderr
    bank = load_bank(path)
    assert len(bank.references.embeddings) >= first + 15
    assert len(bank.info.recordings) == 2
    assert bank.ready
    # The bank remembers its microphone.
    models = ModelsSettings((str(short_model_path),), threads=1)
    (machine,) = open_machines([MachineSettings(path)], models, ListenSettings())
    assert machine.source.name == "mic"
    assert isinstance(machine.source, Microphone)
    machine.source.close()
