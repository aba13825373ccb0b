"""What a program imports from `asd_edge.runtime`, and what it is told when it gives values of another type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import asd_edge.runtime
from asd_edge.calibration.errors import InputError
from asd_edge.runtime import (
    AlarmRule,
    DemoSettings,
    EnrollSettings,
    FileSource,
    ListenSettings,
    Machine,
    Microphone,
    Model,
    ScoreSettings,
    enroll,
    examine,
    listen,
    load_bank,
    run_demo,
    score_files,
)

FOR_A_SOURCE = ("Block", "DeviceError", "Event", "Recording", "Source", "SourceRequest", "new_recording")
FOR_A_SCORER = ("InputError", "ModelOutput", "References", "Scorer", "ScorerSpec", "Timeline")
FOR_A_SINK = ("Event", "Machine", "Request", "Score", "Sink", "Summary")


@pytest.mark.parametrize("name", asd_edge.runtime.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(asd_edge.runtime, name))


def test_what_a_source_a_sink_and_a_scorer_need_is_there() -> None:
    assert set(FOR_A_SOURCE + FOR_A_SINK + FOR_A_SCORER) <= set(dir(asd_edge.runtime))
    with pytest.raises(AttributeError, match="Surce"):
        _ = asd_edge.runtime.Surce


@pytest.fixture
def files(machine_wav: Path) -> FileSource:
    return FileSource(machine_wav)


WRONG: list[tuple[Callable[..., Any], str, str]] = [
    (lambda model, files: Model("logmel", threads="2"), "Model cannot use this value of threads", "a whole number"),
    (lambda model, files: Model(3), "Model cannot use this value of model", "text or a path"),
    (lambda model, files: Model(cache="yes"), "Model cannot use this value of cache", "True or False"),
    (lambda model, files: enroll("recordings", model, EnrollSettings("b.npz")), "value of source", "a Source"),
    (lambda model, files: enroll(files, "logmel", EnrollSettings("b.npz")), "value of model", "a Model"),
    (
        lambda model, files: enroll(files, model, "b.npz"),
        "enroll cannot use this value of settings",
        "an EnrollSettings",
    ),
    (lambda model, files: Machine(files, model, "b.npz"), "Machine cannot use this value of bank", "a Bank"),
    (lambda model, files: listen(files), "listen cannot use this value of machines", "a list, each item a Machine"),
    (lambda model, files: score_files(3, model, None), "score_files cannot use this value of paths", "a list"),
    (lambda model, files: load_bank(3), "load_bank cannot use this value of path", "text or a path"),
    (lambda model, files: FileSource(3), "FileSource cannot use this value of paths", "text or a path or a list"),
    (lambda model, files: Microphone(3), "Microphone cannot use this value of device", "text"),
    (lambda model, files: ListenSettings(hop_s="10"), "ListenSettings cannot use this value of hop_s", "a number"),
    (lambda model, files: ListenSettings(rule="3/5"), "value of rule", "an AlarmRule"),
    (lambda model, files: ListenSettings(channel="left"), "value of channel", "a whole number or 'mix' or None"),
    (lambda model, files: ScoreSettings(percentile=None), "value of percentile", "a number"),
    (lambda model, files: EnrollSettings(3), "EnrollSettings cannot use this value of bank", "a path"),
    (lambda model, files: EnrollSettings("b.npz", append=1), "value of append", "True or False"),
    (lambda model, files: run_demo("demo.html"), "run_demo cannot use this value of settings", "a DemoSettings"),
    (lambda model, files: EnrollSettings("b.npz", minutes=0.0), "--minutes is out of its bounds", "above 0"),
    (lambda model, files: EnrollSettings("b.npz", minutes=float("nan")), "--minutes is out of its", "above 0"),
    (lambda model, files: DemoSettings(seed=-1), "--seed is out of its bounds", "at least 0"),
    (lambda model, files: examine(model), "examine cannot use this value of model", "text or a path"),
]


@pytest.mark.parametrize(("call", "what", "valid"), WRONG, ids=[what for _, what, _ in WRONG])
def test_a_value_of_another_type_is_told_with_what_would_be_valid(
    short_model: Model, files: FileSource, call: Callable[..., Any], what: str, valid: str
) -> None:
    with pytest.raises(InputError) as told:
        call(short_model, files)
    assert what in told.value.what
    assert told.value.got
    assert valid in told.value.valid
    assert told.value.next_step


def test_the_next_step_says_how_one_comes_to_what_is_missing(short_model: Model, files: FileSource) -> None:
    def step(call: Callable[[], object]) -> str:
        with pytest.raises(InputError) as told:
            call()
        return told.value.next_step

    settings: Any = EnrollSettings(Path("b.npz"))
    assert "FileSource" in step(lambda: enroll("recordings", short_model, settings))  # type: ignore[arg-type]
    assert "Model(" in step(lambda: enroll(files, "logmel", settings))  # type: ignore[arg-type]
    assert "load_bank(" in step(lambda: Machine(files, short_model, "b.npz"))  # type: ignore[arg-type]
    assert "Machine(" in step(lambda: listen([files]))  # type: ignore[list-item]
    assert "AlarmRule(" in step(lambda: ListenSettings(rule="3/5"))  # type: ignore[arg-type]
    assert step(lambda: load_bank(3)) == "see help(load_bank)"  # type: ignore[arg-type]


def test_numbers_of_numpy_and_paths_as_text_are_fine() -> None:
    import numpy as np

    settings = ListenSettings(hop_s=np.float64(2.0), rule=AlarmRule(2, 3), channel=1)
    assert settings.hop_s == 2.0
    assert ListenSettings(hop_s=2) == settings.__class__(hop_s=2.0)
