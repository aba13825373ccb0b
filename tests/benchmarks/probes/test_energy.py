"""Energy from pretended sensors, against sums worked by hand."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from asd_edge.benchmarks.probes.energy import Counter, PowerMeter, find_meter
from asd_edge.benchmarks.probes.gpu import open_gpu


def write_rail(chip: Path, number: int, label: str, millivolts: int, milliamperes: int) -> None:
    chip.mkdir(parents=True, exist_ok=True)
    (chip / "name").write_text("ina3221\n")
    (chip / f"in{number}_label").write_text(f"{label}\n")
    (chip / f"in{number}_input").write_text(f"{millivolts}\n")
    (chip / f"curr{number}_input").write_text(f"{milliamperes}\n")


def write_package(sys_fs: Path, number: int, microjoules: int) -> Path:
    zone = sys_fs / "class/powercap" / f"intel-rapl:{number}"
    core = zone.parent / f"intel-rapl:{number}:0"  # part of the package: must not count twice
    for folder, name in ((zone, f"package-{number}"), (core, "core")):
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        (folder / "max_energy_range_uj").write_text("100000000\n")
    return zone


def test_a_device_that_tells_nothing_has_no_meter(tmp_path: Path) -> None:
    assert find_meter(on_gpu=False, sys=tmp_path) is None
    assert find_meter(on_gpu=True, sys=tmp_path) is None


def test_power_is_added_up_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two watts at first, four at the end: three on average, over as long as it takes."""
    readings = iter([2.0])
    monkeypatch.setattr("asd_edge.benchmarks.probes.energy._SAMPLE_EVERY_S", 60.0)
    moments = iter([10.0, 15.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    assert PowerMeter("", lambda: next(readings, 4.0)).joules(lambda: None) == pytest.approx(15.0)


def test_the_rail_that_feeds_the_board_counts_alone(tmp_path: Path) -> None:
    chip = tmp_path / "class/hwmon/hwmon3"
    write_rail(chip, 1, "VDD_IN", 5000, 1200)
    write_rail(chip, 2, "VDD_CPU_GPU_CV", 5000, 400)
    meter = find_meter(on_gpu=False, sys=tmp_path)
    assert isinstance(meter, PowerMeter)
    assert meter.source == "VDD_IN, by INA3221"
    assert meter.watts() == pytest.approx(6.0)


def test_where_none_feeds_the_board_rails_are_added(tmp_path: Path) -> None:
    write_rail(tmp_path / "class/hwmon/hwmon1", 1, "GPU", 19000, 100)
    write_rail(tmp_path / "class/hwmon/hwmon2", 3, "CPU", 19000, 200)
    meter = find_meter(on_gpu=False, sys=tmp_path)
    assert isinstance(meter, PowerMeter)
    assert meter.watts() == pytest.approx(5.7)


def test_packages_are_added_and_a_counter_may_begin_again(tmp_path: Path) -> None:
    first, second = (write_package(tmp_path, number, 99_000_000) for number in (0, 1))
    meter = find_meter(on_gpu=False, sys=tmp_path)
    assert isinstance(meter, Counter)
    assert meter.source == "package-0 + package-1, by RAPL"

    def run() -> None:
        (first / "energy_uj").write_text("2000000")  # 3 J, once around
        (second / "energy_uj").write_text("99500000")

    assert meter.joules(run) == pytest.approx(3.5)


def test_a_counter_that_only_root_may_read_is_none(tmp_path: Path) -> None:
    zone = write_package(tmp_path, 0, 1)
    (zone / "energy_uj").unlink()  # cannot be read, whoever runs this test
    assert find_meter(on_gpu=False, sys=tmp_path) is None


class NvmlError(Exception):
    """As NVML's own."""


def pretend_nvml(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    module = ModuleType("pynvml")
    defaults = {
        "NVMLError": NvmlError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: f"GPU {index}",
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetName": lambda handle: handle.encode(),
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=8_000_000_000),
        "nvmlSystemGetDriverVersion": lambda: "555.1",
    }
    for name, value in (defaults | functions).items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "pynvml", module)


def test_a_gpu_tells_its_energy_and_whose_memory_is_whose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    millijoules = iter([0, 5000, 12_500])
    processes = [SimpleNamespace(pid=7, usedGpuMemory=1), SimpleNamespace(pid=8, usedGpuMemory=300_000_000)]
    pretend_nvml(
        monkeypatch,
        nvmlDeviceGetTotalEnergyConsumption=lambda _: next(millijoules),
        nvmlDeviceGetComputeRunningProcesses=lambda _: processes,
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    gpu = open_gpu()
    assert gpu is not None
    assert gpu.facts() == {"name": "GPU 1", "memory_bytes": 8_000_000_000, "driver": "555.1"}
    assert (gpu.memory_of(8), gpu.memory_of(9)) == (300_000_000, None)
    meter = find_meter(on_gpu=True, sys=tmp_path)
    assert meter is not None
    assert meter.joules(lambda: None) == pytest.approx(7.5)


def test_a_driver_that_does_not_answer_is_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise NvmlError

    pretend_nvml(monkeypatch, nvmlInit=refuse)
    assert open_gpu() is None
    pretend_nvml(monkeypatch, nvmlDeviceGetTotalEnergyConsumption=refuse, nvmlDeviceGetComputeRunningProcesses=refuse)
    gpu = open_gpu()
    assert gpu is not None
    assert gpu.memory_of(1) is None
    assert find_meter(on_gpu=True, sys=tmp_path) is None
