"""Another file of a model, as an upgrade of the package or a new export brings it, and a bank that was made before."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from linear_model import write_linear_model
from logged import logged
from onnx import numpy_helper

from asd_edge.calibration.bank.migration import EARLIER_MODELS
from asd_edge.calibration.contract.parity import Certificate
from asd_edge.calibration.errors import BankError
from asd_edge.runtime import (
    EnrollSettings,
    FileSource,
    Machine,
    Model,
    SimulatedMachine,
    enroll,
    load_bank,
    score_files,
)

OLD_BANK = Path(__file__).parents[2] / "reference" / "bank_format_2.npz"


def another_file(model: Path, path: Path, off_by: float = 0.0) -> Path:
    """The same network in a file of another digest, its weights off by a share of their size."""
    graph = onnx.load(model)
    graph.producer_version = "a later one"
    rng = np.random.default_rng(0)
    for weight in graph.graph.initializer:
        values = numpy_helper.to_array(weight)
        if off_by and values.dtype.kind == "f" and values.size > 1000:
            off = 1.0 + off_by * rng.standard_normal(values.shape)
            weight.CopyFrom(numpy_helper.from_array((values * off).astype(values.dtype), weight.name))
    onnx.save(graph, path)
    return path


def test_a_bank_of_version_0_1_is_listened_with_by_the_shipped_model_and_added_to(tmp_path: Path) -> None:
    path = Path(shutil.copy(OLD_BANK, tmp_path))
    model = Model(threads=1)
    Machine(SimulatedMachine(20.0), model, load_bank(path))
    before = len(load_bank(path).references)
    report = enroll(SimulatedMachine(30.0, day=3), model, EnrollSettings(path, append=True))
    assert report.added == 3
    bank = load_bank(path)
    assert (len(bank.references), bank.info.format, bank.ready) == (before + 3, 3, True)


def test_the_shipped_model_gives_what_every_earlier_one_gave() -> None:
    """Where this fails, an upgrade takes the banks of the field away: ship the earlier file beside the new one."""
    probe = Model(threads=1).probe()
    with np.load(EARLIER_MODELS) as earlier:
        assert len(earlier.files) >= 1
        for digest in earlier.files:
            assert Certificate.of(probe, earlier[digest]).within_limits, digest


def test_another_file_of_the_same_model_takes_the_bank_and_says_so(
    short_model_path: Path, machine_wav: Path, tmp_path: Path
) -> None:
    old = Model(short_model_path, threads=1)
    new = Model(another_file(short_model_path, tmp_path / "new.onnx"), threads=1)
    assert new.sha256 != old.sha256
    bank = enroll(FileSource(machine_wav), old, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, minutes=1.0)).bank
    with logged() as said:
        scores = list(score_files([machine_wav], new, bank))
    assert scores == list(score_files([machine_wav], old, bank))
    assert len(said) == 1
    assert "another file of the model" in said[0]
    assert new.sha256[:12] in said[0]
    # Added to with the new one, it is the new one's, still known by what the first one gave.
    enroll(FileSource(machine_wav), new, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, append=True))
    grown = load_bank(tmp_path / "bank.npz")
    assert grown.info.model_sha256 == new.sha256
    np.testing.assert_array_equal(grown.probe, old.probe())
    Machine(FileSource(machine_wav), old, grown)


def test_a_model_that_was_trained_on_is_another_one(tmp_path: Path, machine_wav: Path) -> None:
    old = Model(write_linear_model(tmp_path / "old.onnx"), threads=1)
    bank = enroll(FileSource(machine_wav), old, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0, minutes=0.5)).bank
    rounded = Model(write_linear_model(tmp_path / "rounded.onnx", off_by=0.001), threads=1)
    trained = Model(write_linear_model(tmp_path / "trained.onnx", off_by=0.1), threads=1)
    Machine(FileSource(machine_wav), rounded, bank)
    with pytest.raises(BankError, match="another model") as raised:
        Machine(FileSource(machine_wav), trained, bank)
    assert "on known sounds: error over spread 0." in raised.value.got
