"""The program as a user meets it: help, exit codes, and one clear message for everything that cannot be used."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper
from program import Run

from asd_edge.calibration import plugins
from asd_edge.runtime import DemoSettings, Model, run_demo


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, run_main: Run, machine_wav: Path) -> Path:
    path = tmp_path_factory.mktemp("bank") / "pump.npz"
    done = run_main("enroll", "--bank", path, "--input", machine_wav, "--name", "pump 3")
    assert done.returncode == 0, done.stderr
    return path


def assert_clear(done: subprocess.CompletedProcess[str], what: str, *details: str) -> None:
    """One message: what is wrong, the value, what is valid, what to do next; no traceback; exit code 1."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert re.match(r"asd-edge: .+\n  got:   .+\n  valid: .+\n  next:  .+\n\Z", done.stderr, re.DOTALL), done.stderr
    for text in (what, *details):
        assert text in done.stderr


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in plugins.names("commands"):
        assert re.search(rf"^│ {command} +[A-Z][a-z]", done.stdout, re.MULTILINE), f"{command} has no sentence"


def test_a_command_that_cannot_be_imported_is_shown_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: Run
) -> None:
    """Commands of other packages are mounted by their entry points, here one whose module is not there."""
    folder = tmp_path / "plugin-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[asd_edge.commands]\nbroken = nothing_there.commands:run\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "Not available: nothing_there is not installed" in run_main("--help").stdout
    assert_clear(run_main("broken", "--some", "option"), "needs nothing_there", "pip install nothing_there")


def test_listening_loads_neither_torch_nor_scipy_stats(bank: Path, machine_wav: Path) -> None:
    script = (
        "import sys\n"
        "from asd_edge.runtime import *\n"
        f"machine = Machine(FileSource([{str(machine_wav)!r}]), Model(), load_bank({str(bank)!r}))\n"
        "scores = list(listen([machine]))\n"
        "heavy = {'torch', 'onnx', 'scipy.stats', 'sounddevice'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy or len(scores) < 12 else 0)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr


def test_usage_errors_exit_with_2_and_name_what_is_near(run_main: Run) -> None:
    assert run_main("lisen").returncode == 2
    assert "listen" in run_main("lisen").stderr
    assert run_main("enroll").returncode == 2
    assert run_main("enroll", "--bank", "x.npz", "--hop", "often").returncode == 2


def test_debug_shows_the_traceback(run_main: Run, tmp_path: Path) -> None:
    done = run_main("score", tmp_path, "--bank", tmp_path / "none.npz", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("extra", "arguments"), [("export", ("export", "logmel")), ("train", ("train", "fs-ae", "--data", "recordings"))]
)
def test_without_pytorch_the_extra_of_the_command_is_named(tmp_path: Path, extra: str, arguments: tuple[str]) -> None:
    """In a process of its own, as others may have imported PyTorch in this one."""
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from asd_edge.runtime.cli import main\n"
        f"main([*{arguments!r}, '--output', {str(tmp_path / 'x')!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert_clear(done, "needs torch", f"asd-edge[{extra}]")


def test_without_onnx_runtime_the_extras_are_named(
    tmp_path: Path, bank: Path, machine_wav: Path, monkeypatch: pytest.MonkeyPatch, run_main: Run
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it was not installed
    for arguments in (
        ("demo", "--output", tmp_path / "demo.html"),
        ("enroll", "--bank", tmp_path / "b.npz", "--input", machine_wav),
        ("listen", "--bank", bank, "--input", machine_wav),
        ("score", machine_wav, "--bank", bank),
        ("info", "logmel"),
    ):
        assert_clear(run_main(*arguments), "ONNX Runtime", "asd-edge[cpu]", "asd-edge[cuda]", "Jetson")
    assert not (tmp_path / "b.npz").exists()
    doctor = run_main("doctor")
    assert doctor.returncode == 1
    assert "asd-edge[cpu]" in doctor.stdout


def test_without_portaudio_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: Run) -> None:
    """The recording process looks for the library and does not find it, as on a fresh Debian."""
    (tmp_path / "sitecustomize.py").write_text("import ctypes.util\nctypes.util.find_library = lambda name: None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for arguments in (("devices",), ("enroll", "--bank", tmp_path / "b.npz", "--device", "mic")):
        assert_clear(run_main(*arguments), "PortAudio", "libportaudio2")
    doctor = run_main("doctor")
    assert "libportaudio2" in doctor.stdout
    assert doctor.returncode == 1


def test_what_to_listen_to_must_be_one_thing(run_main: Run, bank: Path, machine_wav: Path, tmp_path: Path) -> None:
    assert_clear(run_main("listen", "--bank", bank), "nothing to listen to", "asd-edge devices")
    both = run_main("enroll", "--bank", tmp_path / "b.npz", "--input", machine_wav, "--device", "mic")
    assert_clear(both, "Both a microphone and another input", "leave one away")


@pytest.mark.parametrize("hop", ["0", "-5", "nan"])
def test_hops_that_cannot_be(run_main: Run, bank: Path, machine_wav: Path, hop: str) -> None:
    for next_step, *arguments in (
        ("try --hop 10", "listen", "--bank", bank, "--input", machine_wav),
        ("leave --hop away", "score", machine_wav, "--bank", bank),
        ("try --hop 10", "enroll", "--bank", bank.with_name("new.npz"), "--input", machine_wav),
    ):
        assert_clear(run_main(*arguments, f"--hop={hop}"), "hop", next_step)


def test_a_hop_longer_than_the_sound(run_main: Run, bank: Path, machine_wav: Path) -> None:
    assert_clear(run_main("score", machine_wav, "--bank", bank, "--hop", 500), "longer than the sound", "120.0 s")
    listened = run_main("listen", "--bank", bank, "--input", machine_wav, "--hop", 500, "--percentile", 90)
    assert_clear(listened, "longer than the sound")
    assert_clear(run_main("enroll", "--bank", bank.with_name("n.npz"), "--input", machine_wav, "--hop", 500), "hop")


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--percentile", "100", "no threshold at that percentile"),
        ("--percentile", "101", "--percentile is out of its bounds"),
        ("--false-alarms-per-day", "0", "No threshold gives that many"),
        ("--false-alarms-per-day", "80000", "No threshold gives that many"),
        ("--false-alarms-per-day", "1e9", "--false-alarms-per-day is out of its bounds"),
        ("--false-alarms-per-day", "1e999", "--false-alarms-per-day is out of its bounds"),
        ("--alarm", "1" * 5000 + "/5", "alarm rule"),
        ("--channel", "1" * 5000, "no such channel"),
        ("--channel", "１", "no such channel"),
        ("--hop", "1e999", "--hop is out of its bounds"),
        ("--threads", "2000000", "--threads is out of its bounds"),
        ("--alarm", "5/3", "alarm rule"),
        ("--alarm", "often", "alarm rule"),
        ("--channel", "left", "no such channel"),
        ("--channel", "2", "no such channel"),
        ("--provider", "abacus", "no such execution provider"),
        ("--provider", "cuda", "cuda"),
        ("--threads", "-1", "threads"),
    ],
)
def test_options_that_cannot_be(
    run_main: Run, bank: Path, machine_wav: Path, option: str, value: str, what: str
) -> None:
    assert_clear(run_main("listen", "--bank", bank, "--input", machine_wav, f"{option}={value}"), what)


@pytest.mark.parametrize("part", ["duration=nan", "seed=-1", "duration=-inf", "seed=1.5", "seed=1e3", "x=1"])
def test_addresses_that_cannot_be(run_main: Run, bank: Path, part: str) -> None:
    assert_clear(run_main("listen", "--bank", bank, "--input", f"simulated:{part}"), "address of simulated")


def test_sound_that_cannot_be_read(run_main: Run, bank: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 200_000)
    soundfile.write(tmp_path / "cut.wav", noise, 16_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:100_000])
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "zero.wav", noise[:0], 16_000)
    soundfile.write(tmp_path / "nan.wav", np.where(np.arange(200_000) == 9, np.nan, noise), 16_000, subtype="FLOAT")
    for name, what in (
        ("cut.wav", "truncated"),
        ("empty.wav", "cannot be read"),
        ("zero.wav", "no sound"),
        ("nan.wav", "not numbers"),
        ("missing.wav", "no such sound file"),
    ):
        assert_clear(run_main("score", tmp_path / name, "--bank", bank), what, name)
        new = tmp_path / f"{name}.npz"
        assert_clear(run_main("enroll", "--bank", new, "--input", tmp_path / name), what, name)
        assert not new.exists()


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(8000, 1, "PCM_16"), (44_100, 2, "PCM_24"), (96_000, 8, "FLOAT"), (48_000, 1, "PCM_32")],
)
def test_sound_of_any_rate_width_and_channels_is_scored(
    run_main: Run, bank: Path, tmp_path: Path, rate_hz: int, channels: int, subtype: str
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (12 * rate_hz, channels))
    soundfile.write(tmp_path / "a.wav", noise, rate_hz, subtype=subtype)
    done = run_main("score", tmp_path / "a.wav", "--bank", bank, "--channel", channels, "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2  # 0 to 10 s, and the last 10 s


def test_banks_that_cannot_be_used(
    run_main: Run, bank: Path, machine_wav: Path, tmp_path: Path, short_model_path: Path
) -> None:
    content = bank.read_bytes()
    damaged = {"cut": content[: len(content) // 2], "empty": b"", "pickle": pickle.dumps({"embeddings": [1.0]})}
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    damaged["flipped"] = bytes(flipped)
    for name, broken in damaged.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(broken)
        for command in ("score", "append", "info"):
            arguments: dict[str, tuple[Any, ...]] = {
                "score": ("score", machine_wav, "--bank", path),
                "append": ("enroll", "--append", "--bank", path, "--input", machine_wav),
                "info": ("info", path),
            }
            assert_clear(run_main(*arguments[command]), "no bank, or it is damaged", f"{name}.npz")
        assert path.read_bytes() == broken
    other = run_main("score", machine_wav, "--bank", bank, "--model", short_model_path)
    assert_clear(other, "another model", "short.onnx", "logmel")
    assert_clear(run_main("score", machine_wav, "--bank", tmp_path), "folder")
    assert_clear(run_main("enroll", "--bank", tmp_path, "--input", machine_wav), "name a file in that folder")
    assert_clear(run_main("enroll", "--bank", tmp_path / "no" / "b.npz", "--input", machine_wav), "Cannot write")


def _onnx(path: Path, metadata: dict[str, str], inputs: str = "waveform", samples: int = 16_000) -> Path:
    """A model that sums its input, with a description or without."""
    node = helper.make_node("ReduceSum", [inputs], ["embedding"], keepdims=1, noop_with_empty_axes=0)
    graph = helper.make_graph(
        [node],
        "sum",
        [helper.make_tensor_value_info(inputs, TensorProto.FLOAT, [1, samples])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_models_that_cannot_be_used(run_main: Run, tmp_path: Path, machine_wav: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("this is no model")
    newer = '{"format": 99, "recipe": "r", "samples": 16000, "dimensions": 1}'
    promise = '{"format": 1, "recipe": "r", "samples": 16000, "dimensions": 7}'
    wrong = {
        "missing.onnx": (tmp_path / "missing.onnx", "no model file"),
        "text.onnx": (text, "no ONNX model"),
        "plain.onnx": (_onnx(tmp_path / "plain.onnx", {}), "does not describe itself"),
        "newer.onnx": (_onnx(tmp_path / "newer.onnx", {"asd_edge": newer}), "newer version"),
        "broken.onnx": (_onnx(tmp_path / "broken.onnx", {"asd_edge": "{"}), "cannot be read"),
        "shape.onnx": (_onnx(tmp_path / "shape.onnx", {"asd_edge": promise}), "shape that its description promises"),
        "input.onnx": (_onnx(tmp_path / "input.onnx", {"asd_edge": promise}, "x"), "'waveform'"),
    }
    for path, what in wrong.values():
        bank = tmp_path / "new.npz"
        assert_clear(run_main("enroll", "--bank", bank, "--input", machine_wav, "--model", path), what)
        assert not bank.exists()


def test_info_says_what_a_file_is(run_main: Run, bank: Path, tmp_path: Path) -> None:
    of_bank = run_main("info", bank).stdout
    for text in ("pump 3", "12 of 10 s", "logmel", "threshold", "nearest"):
        assert text in of_bank
    of_model = run_main("info", "logmel").stdout
    for text in ("10 s of mono sound at 16000 Hz", "381", "fp32", "SHA-256"):
        assert text in of_model
    (tmp_path / "notes.txt").write_text("hello")
    assert_clear(run_main("info", tmp_path / "notes.txt"), "neither a model nor a bank")


def test_doctor_looks_at_everything(run_main: Run) -> None:
    done = run_main("doctor")
    for text in ("system", "microphone", "provider cpu", "real-time factor", "disk"):
        assert text in done.stdout
    assert done.returncode in {0, 1}  # 1 where the machine has no microphone
    assert ("problem" in done.stdout) == (done.returncode == 1)


def test_ctrl_c_ends_the_demo_while_it_enrolls(
    short_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    embed = Model.embed

    def interrupted(model: Model, samples: Any) -> Any:
        heard.append(samples)
        if len(heard) == 20:
            raise KeyboardInterrupt
        return embed(model, samples)

    monkeypatch.setattr(Model, "embed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(DemoSettings(tmp_path / "demo.html"), short_model)
    assert len(heard) == 20


def test_the_demo_finds_the_fault_and_shows_it(run_main: Run, tmp_path: Path) -> None:
    page = tmp_path / "shown.html"
    done = run_main("demo", "--output", page)
    assert done.returncode == 0, done.stderr
    assert "ALARM ON" in done.stdout
    found = re.search(r"The alarm went on ([0-9.]+) minutes after the fault began", done.stdout)
    assert found, done.stdout
    assert 0.0 < float(found[1]) < 20.0
    assert "False alarms before: 0." in done.stdout
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 2
    assert "<svg" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)  # opens offline
    assert "$" not in re.sub(r"data:image/png;base64,[^\"]+", "", text)
    assert_clear(run_main("demo", "--output", tmp_path / "no" / "demo.html"), "Cannot write")
