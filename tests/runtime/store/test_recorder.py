"""Whatever is wrong with the store, it is told once, hearing goes on, and what can be kept is kept."""

from __future__ import annotations

import logging
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from objects import valid_objects
from program import Run
from simulated_sound import write_simulated

from asd_edge.calibration.contract.model_output import ModelOutput
from asd_edge.calibration.contract.references import Recording
from asd_edge.runtime import (
    FeedbackSettings,
    FileSource,
    ListenSettings,
    Machine,
    Model,
    SimulatedMachine,
    feedback,
    listen,
    load_bank,
)
from asd_edge.runtime.store import database, recorder, store
from asd_edge.runtime.store.database import STORE_VERSION, open_store, store_path
from asd_edge.runtime.store.recorder import MOST_OF_AN_ALARM, Recorder
from asd_edge.runtime.store.records import HeardWindow
from asd_edge.runtime.store.store import Store

HOP = ListenSettings(hop_s=1.0)
BANK = "2026-01-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def strange_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulated(tmp_path_factory.mktemp("sound") / "strange.wav", SimulatedMachine(30.0, seed=7))


def hear(bank: Path, model: Model, sound: Path) -> list[Any]:
    return list(listen([Machine(FileSource(sound), model, load_bank(bank), HOP, "pump", bank)]))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("store.recorder")]


def a_folder(path: Path) -> None:
    path.mkdir()


def of_a_newer_version(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute(f"PRAGMA user_version = {STORE_VERSION + 1}")


def of_other_tables(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE windows (something TEXT)")
        made.execute(f"PRAGMA user_version = {STORE_VERSION}")


@pytest.mark.parametrize("spoil", [a_folder, of_a_newer_version, of_other_tables])
def test_a_store_that_cannot_be_used_is_told_once_and_hearing_goes_on(
    bank: Path, short_model: Model, strange_wav: Path, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    spoil(store_path(bank))
    with caplog.at_level(logging.WARNING):
        items = hear(bank, short_model, strange_wav)
    assert len([item for item in items if not hasattr(item, "event")]) == 30
    assert [item.event for item in items if hasattr(item, "event")] == ["alarm_on"]
    told = [text for text in warnings_of(caplog) if "cannot be kept" in text]
    assert len(told) == 1
    assert "hearing goes on" in told[0]


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\x5a" * 8176])
def test_a_damaged_store_is_set_aside_and_begun_anew(
    bank: Path, short_model: Model, strange_wav: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store_path(bank).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        hear(bank, short_model, strange_wav)
    assert [alarm.number for alarm in feedback(FeedbackSettings(bank)).alarms] == [1]
    aside = store_path(bank).with_name(f"{store_path(bank).name}.damaged")
    assert aside.read_bytes() == content
    (told,) = warnings_of(caplog)
    assert str(aside) in told


def test_a_damaged_store_is_told_where_it_is_read(bank: Path, run_main: Run) -> None:
    store_path(bank).write_bytes(b"no database at all" * 1000)
    done = run_main("feedback", "--bank", bank)
    assert done.returncode == 1
    assert "not a database" in done.stderr
    assert "mv " in done.stderr


def test_a_store_that_another_process_holds_delays_no_live_window(
    bank: Path, short_model_path: Path, program: Path, strange_wav: Path
) -> None:
    held = open_store(store_path(bank))
    held.execute("BEGIN EXCLUSIVE")
    try:
        command = [str(program), "listen", "--bank", str(bank), "--model", str(short_model_path), "--threads", "1"]
        command += ["--hop", "1", "--realtime", "--json", "--input", str(strange_wav)]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        took_s = time.monotonic() - began
    finally:
        held.close()
    objects = valid_objects(done.stdout)
    skipped = sum(each["count"] for each in objects if each["event"] == "skipped")
    assert sum(each["event"] == "score" for each in objects) + skipped == 30
    assert done.stderr.count("cannot be kept") == 1
    assert "locked" in done.stderr
    assert took_s < 45.0


def test_a_full_disk_is_told_once_and_hearing_goes_on(
    bank: Path, short_model_path: Path, program: Path, strange_wav: Path
) -> None:
    """A limit on the size of files stands in for the disk; what was written before is still there."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [str(program), "listen", "--bank", str(bank), "--model", str(short_model_path), "--threads", "1"]
    command += ["--hop", "1", "--no-cache", "--json", "--input", str(strange_wav)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, preexec_fn=limited)
    objects = valid_objects(done.stdout)
    assert sum(each["event"] == "score" for each in objects) == 30
    assert [each["event"] for each in objects if each["event"].startswith("alarm")] == ["alarm_on"]
    assert done.stderr.count("cannot be kept") == 1
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "cannot be kept" not in again.stderr
    assert [alarm.number for alarm in feedback(FeedbackSettings(bank)).alarms] == [1]


def window(number: int, score: float = 2.0, recording: str = "a") -> HeardWindow:
    output = ModelOutput(np.full(4, number, np.float32))
    return HeardWindow(Recording(recording, "mic"), float(number), 1e9 + number, score, 1.0, -20.0, output)


def test_a_store_that_comes_back_keeps_what_waited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_TRY_AGAIN_S", 0.05)
    path = tmp_path / "store"
    path.mkdir()
    kept = Recorder(path, "pump", True, 1.0, 3)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            kept.heard(BANK, window(number), number >= 2, 1.0)
        deadline = time.monotonic() + 10.0
        while not warnings_of(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
        path.rmdir()
        while len(warnings_of(caplog)) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        kept.end(BANK)
    assert "cannot be kept" in warnings_of(caplog)[0]
    assert "again" in warnings_of(caplog)[1]
    with Store(path) as found:
        (alarm,) = found.alarms(BANK)
        assert [each.start_s for each in found.windows_of(alarm.number)] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert (alarm.windows, alarm.duration_s, alarm.ended) == (5, 5.0, 1e9 + 5.0)


def test_what_cannot_be_written_at_all_is_given_up_and_the_rest_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Recorder(tmp_path / "store", "pump", True, 1.0, 2)
    odd = HeardWindow(Recording("a", "mic"), 0.0, 1e9, 2.0, 1.0, -20.0, ModelOutput(np.ones(4, np.float32), "x"))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        kept.heard(BANK, odd, True, 1.0)
        deadline = time.monotonic() + 10.0
        while not warnings_of(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
        kept.heard(BANK, window(1), True, 1.0)
        kept.end(BANK)
    assert "cannot be kept" in warnings_of(caplog)[0]
    with Store(tmp_path / "store") as found:
        assert [len(found.windows_of(alarm.number)) for alarm in found.alarms(BANK)] == [1]


def test_numbers_of_a_model_are_kept_whatever_their_type(tmp_path: Path) -> None:
    kept = Recorder(tmp_path / "store", "pump", False, 1.0, 2)
    output = ModelOutput(np.arange(4, dtype=np.float32), np.float32(0.5))  # type: ignore[arg-type]
    heard = HeardWindow(Recording("a", "f.wav"), 0.0, 1e9, np.float32(2.0), np.float64(1.0), np.float32(-20.0), output)  # type: ignore[arg-type]
    kept.heard(BANK, heard, True, 1.0)
    kept.end(BANK)
    with Store(tmp_path / "store") as found:
        (back,) = found.windows_of(1)
    assert back.output is not None
    assert back.output.embedding.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert (back.output.reconstruction_error, back.score, back.level_dbfs) == (0.5, 2.0, -20.0)


def test_an_endless_alarm_keeps_its_first_hour_and_how_long_it_was(tmp_path: Path) -> None:
    kept = Recorder(tmp_path / "store", "pump", False, 10.0, 8)
    count = MOST_OF_AN_ALARM + 200
    for number in range(count):
        kept.heard(BANK, window(number, score=2.0 + (number == count - 1)), number >= 5, 10.0)
    kept.end(BANK)
    with Store(tmp_path / "store") as found:
        (alarm,) = found.alarms(BANK)
        assert (alarm.windows, alarm.highest) == (count, 3.0)
        assert alarm.duration_s == 10.0 * count
        assert len(found.windows_of(alarm.number)) == MOST_OF_AN_ALARM


def test_several_may_open_a_store_at_the_moment_when_it_is_made(tmp_path: Path) -> None:
    failed: list[Exception] = []

    def open_again_and_again(path: Path, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                open_store(path).close()
            except sqlite3.Error as error:
                failed.append(error)

    for number in range(60):
        stop = threading.Event()
        threads = [threading.Thread(target=open_again_and_again, args=(tmp_path / f"{number}", stop)) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_an_alarm_that_was_on_when_the_program_was_killed_gets_an_end(tmp_path: Path) -> None:
    first = Recorder(tmp_path / "store", "pump", True, 1.0, 3)
    for number in range(4):
        first.heard(BANK, window(number), number >= 2, 1.0)
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        with Store(tmp_path / "store") as found:
            alarms = found.alarms(BANK)
        if alarms and alarms[0].windows == 4:
            break
    assert alarms[0].ended is None
    second = Recorder(tmp_path / "store", "pump", True, 1.0, 3)
    second.heard(BANK, window(0, recording="b"), True, 1.0)
    second.end(BANK)
    with Store(tmp_path / "store") as found:
        assert [alarm.ended for alarm in found.alarms(BANK)] == [1e9 + 4.0, 1e9 + 1.0]
    first.end(BANK)


def test_a_store_stays_small_and_gives_up_what_was_answered_first(tmp_path: Path) -> None:
    kept = Recorder(tmp_path / "store", "pump", False, 1.0, 2)
    for alarm in range(4):
        for number in range(100):
            heard = window(1000 * alarm + number)
            large = HeardWindow(
                heard.recording, heard.start_s, heard.heard_at, 2.0, 1.0, -20.0, ModelOutput(np.ones(4000, np.float32))
            )
            kept.heard(BANK, large, number < 99, 1.0)
    kept.end(BANK)
    with Store(tmp_path / "store") as found:
        assert [len(found.windows_of(number)) for number in (1, 2, 3, 4)] == [100, 100, 100, 100]
        found.answer(3, "normal", "")
        assert not found.give_up_embeddings(1 << 30)
        assert found.give_up_embeddings(6_000_000)
        assert [len(found.windows_of(number)) for number in (1, 2, 3, 4)] == [100, 100, 0, 100]
        found.give_up_embeddings(2_000_000)
        assert len(found.windows_of(1)) < len(found.windows_of(4)), "then the oldest"
        assert len(found.alarms(BANK)) == 4
    assert (tmp_path / "store").stat().st_size < 6_000_000


def test_a_store_in_a_place_that_is_read_only_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Recorder(tmp_path / "store", "pump", False, 1.0, 2)
    kept.heard(BANK, window(1), True, 1.0)
    kept.end(BANK)

    def refused(*_: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "open_store", refused)  # whoever runs the tests may be allowed to write everywhere
    with Store(tmp_path / "store", to_write=False) as found:
        assert len(found.alarms(BANK)) == 1


def test_shadow_days_keep_stretches_of_windows_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [index for index in range(2400) if store.keeps_embedding(index, 4 * 10_000 * 10.0, 10.0)]
    assert kept == [index for index in range(2400) if index // 60 % 4 == 0]
    assert all(store.keeps_embedding(index, 86_400.0, 10.0) for index in range(1000))
