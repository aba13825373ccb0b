"""What is not a number is neither normal nor anomalous: an event, never a score, a reference or a rank."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from objects import valid_objects
from overflowing_model import LOUD, SAMPLES, write_overflowing_model
from program import Run

from asd_edge.calibration.bank.bank import Bank, load_bank, make_bank
from asd_edge.calibration.bank.bank_arrays import arrays_of
from asd_edge.calibration.bank.bank_file import write_bank_file
from asd_edge.calibration.bank.bank_info import BankInfo
from asd_edge.calibration.contract.model_output import FloatArray, ModelOutput
from asd_edge.calibration.contract.references import References, Timeline
from asd_edge.calibration.errors import BankError, InputError
from asd_edge.runtime import (
    AlarmRule,
    EnrollSettings,
    Event,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    Score,
    enroll,
    listen,
    score_files,
)
from asd_edge.runtime.sources.source import Block, Source, new_recording

SECOND = SAMPLES
HOP = ListenSettings(hop_s=1.0, percentile=99.999999)


class Live(Source):
    """Sound that comes in blocks of a tenth of a second."""

    name = "live"

    def __init__(self, samples: FloatArray, rate_hz: int) -> None:
        self.duration_s = len(samples) / rate_hz
        self._samples, self._rate_hz = samples, rate_hz

    def sound(self, stop: threading.Event) -> Iterator[Block | Event]:
        recording, size = new_recording(self.name), self._rate_hz // 10
        for at in range(0, len(self._samples), size):
            yield Block(self._samples[at : at + size, None], self._rate_hz, recording, at / self._rate_hz)


def quiet(seconds: int, rate_hz: int = SECOND, seed: int = 0) -> FloatArray:
    return (0.1 * np.random.default_rng(seed).standard_normal(seconds * rate_hz)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(write_overflowing_model(tmp_path_factory.mktemp("model") / "half.onnx"), threads=1)


@pytest.fixture
def bank(model: Model, tmp_path: Path) -> Bank:
    soundfile.write(tmp_path / "normal.wav", quiet(20), SECOND, subtype="FLOAT")
    return enroll(FileSource(tmp_path / "normal.wav"), model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0)).bank


def heard(machine: Machine) -> list[Score | Event]:
    """What came of each window."""
    return [item for item in listen([machine]) if isinstance(item, Score) or item.event == "not_finite"]


def told(items: Iterator[Score | Event]) -> dict[float, str]:
    """What was told of the window that begins at each second: the decision, or the kind of the event."""
    return {item.start_s: item.event if isinstance(item, Event) else item.decision for item in items}


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e20, -3e38])
@pytest.mark.parametrize("rate_hz", [8_000, SECOND, 44_100, 48_000, 96_000])
def test_one_sample_that_is_no_sound_costs_the_window_that_it_is_in(
    model: Model, bank: Bank, value: float, rate_hz: int
) -> None:
    """The resampler works in blocks, which one such sample would spoil as a whole."""
    samples = quiet(8, rate_hz, seed=1)
    clean = heard(Machine(Live(samples, rate_hz), model, bank, HOP))
    samples[int(3.5 * rate_hz)] = value
    found = heard(Machine(Live(samples, rate_hz), model, bank, HOP))
    assert [item.start_s for item in found] == [item.start_s for item in clean]
    lost = [item for item in found if isinstance(item, Event)]
    assert [(item.event, item.start_s, item.duration_s) for item in lost] == [("not_finite", 3.0, 1.0)]
    assert lost[0].reason == "the sound is infinite or not a number"
    for item, expected in zip(found, clean, strict=True):
        if isinstance(item, Score):
            assert isinstance(expected, Score)
            assert item.score == pytest.approx(expected.score, rel=1e-3)


def test_a_sample_beside_the_border_costs_both_windows_that_the_resampler_carries_it_to(
    model: Model, bank: Bank
) -> None:
    samples = quiet(6, 48_000)
    samples[3 * 48_000 + 5] = np.nan
    found = told(iter(heard(Machine(Live(samples, 48_000), model, bank, HOP))))
    assert [start_s for start_s, kind in found.items() if kind == "not_finite"] == [2.0, 3.0]


def test_not_a_number_for_a_while_leaves_the_alarm_as_it_is(model: Model, bank: Bank) -> None:
    """On by two anomalous windows, and on still after five that say nothing; off by two normal ones."""
    samples = np.concatenate([3.0 * quiet(3), np.full(5 * SECOND, np.nan, np.float32), quiet(3, seed=2)])
    settings = ListenSettings(hop_s=1.0, rule=AlarmRule(2, 3), percentile=99.999)
    found = list(listen([Machine(Live(samples, SECOND), model, bank, settings)]))
    kinds = [item.event if isinstance(item, Event) else (item.decision, item.alarm) for item in found]
    assert kinds[:4] == [("anomaly", False), ("anomaly", True), "alarm_on", ("anomaly", True)]
    assert kinds[4:9] == ["not_finite"] * 5
    assert kinds[9:] == [("normal", True), ("normal", False), "alarm_off", ("normal", False)]


def test_an_embedding_that_overflows_is_an_event_and_every_line_is_json(
    run_main: Run, model: Model, bank: Bank, tmp_path: Path
) -> None:
    samples = np.concatenate([quiet(2), np.float32(LOUD + 0.1) * np.sign(quiet(1)), quiet(2, seed=3)])
    soundfile.write(tmp_path / "loud.wav", samples, SECOND, subtype="FLOAT")
    for command in ("score", "listen"):
        words = ["--bank", tmp_path / "bank.npz", "--model", model.path, "--hop", 1, "--json"]
        given = [tmp_path / "loud.wav"] if command == "score" else ["--input", tmp_path / "loud.wav"]
        done = run_main(command, *given, *words)
        assert done.returncode == 0, done.stderr
        objects = [each for each in valid_objects(done.stdout) if each["event"] in ("score", "not_finite")]
        assert [each["event"] for each in objects] == ["score", "score", "not_finite", "score", "score"]
        assert objects[2]["reason"] == "the model's embedding is infinite or not a number"
        assert "NaN" not in done.stdout
        assert "Infinity" not in done.stdout
    shown = run_main("score", tmp_path / "loud.wav", *words[:-1])
    assert shown.returncode == 0, shown.stderr
    assert "nan" not in shown.stdout


def test_what_overflows_is_never_enrolled(model: Model, tmp_path: Path) -> None:
    samples = np.concatenate([quiet(12), np.full(2 * SECOND, 0.9, np.float32) * np.sign(quiet(2))])
    report = enroll(Live(samples, SECOND), model, EnrollSettings(tmp_path / "bank.npz", hop_s=1.0))
    assert report.added == 12
    assert report.refused == {"the model's embedding is infinite or not a number": 2}
    assert np.isfinite(load_bank(tmp_path / "bank.npz").references.embeddings).all()
    assert report.bank.ready


def test_a_score_that_overflows_is_an_event(model: Model, bank: Bank) -> None:
    """A scorer of another package that divides by zero."""

    class Dividing:
        def score(self, output: ModelOutput) -> float:
            return math.inf

        def arrays(self) -> dict[str, NDArray[np.float32]]:
            return {}

    machine = Machine(Live(quiet(2), SECOND), model, replace(bank, fitted=Dividing()), HOP)
    assert told(listen([machine])) == {0.0: "not_finite", 1.0: "not_finite"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_references_that_are_not_numbers_are_refused_in_python(value: float) -> None:
    embeddings = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    embeddings[4, 1] = value
    timeline, domains = Timeline(np.arange(12, dtype=np.int32), np.zeros(12), 10.0), np.full(12, "")
    with pytest.raises(InputError, match="infinite or not a number") as error:
        make_bank(BankInfo("0" * 64, "model", 10.0, 10.0), References(embeddings, timeline, domains))
    assert error.value.got == "embeddings: 1 of 12, the first in row 4"
    embeddings[4, 1] = 0.0
    with pytest.raises(InputError, match="infinite or not a number"):
        References(embeddings, timeline, domains, np.where(np.arange(12) == 3, value, 1.0))


def test_a_bank_that_was_ruined_is_refused(bank: Bank, tmp_path: Path, model: Model) -> None:
    """As an earlier version saved it: everything would have scored as not a number, and so as normal."""
    object.__setattr__(bank.references, "embeddings", np.full_like(bank.references.embeddings, np.nan))
    with pytest.raises(BankError, match="not a number"):
        bank.save(tmp_path / "ruined.npz")
    arrays = arrays_of(bank.references, bank.reference_scores, bank.left_out, bank.fitted, bank.probe)
    write_bank_file(tmp_path / "ruined.npz", asdict(bank.info) | {"fitted": True}, arrays)
    with pytest.raises(BankError, match="not a number"):
        load_bank(tmp_path / "ruined.npz")


def test_scoring_files_tells_it_too(model: Model, bank: Bank, tmp_path: Path) -> None:
    """A value that a file of doubles holds and that single precision still can."""
    samples = quiet(3).astype(np.float64)
    samples[SECOND + 10] = 1e20
    soundfile.write(tmp_path / "huge.wav", samples, SECOND, subtype="DOUBLE")
    found = told(score_files([tmp_path / "huge.wav"], model, bank))
    assert found[1.0] == "not_finite"
    assert sorted(found.values()).count("not_finite") == 1
    assert json.dumps(found, allow_nan=False)
