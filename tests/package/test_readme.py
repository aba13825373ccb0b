"""The README for contributors says what is so: examples are those of the documentation, the listing is the tree."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path

import pytest

import asd_edge.runtime.sinks.sink
import asd_edge.runtime.sources.source
from asd_edge.benchmarks import studies
from asd_edge.calibration.scorers.scorer import ScorerSpec
from asd_edge.export.training.settings import TrainSettings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCUMENTED = {
    "scorer": ScorerSpec.__doc__,
    "source": asd_edge.runtime.sources.source.__doc__,
    "sink": asd_edge.runtime.sinks.sink.__doc__,
    "study": studies.__doc__,
    "system": TrainSettings.__doc__,
}
MOST_LINES = 25


def test_there_is_one_example_of_every_kind_of_part() -> None:
    assert sorted(re.findall(r"<!-- example: (\w+) -->", README)) == sorted(DOCUMENTED)


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_an_example_is_that_of_the_documentation_and_short(kind: str) -> None:
    example = README.split(f"<!-- example: {kind} -->\n```python\n")[1].split("\n```")[0]
    assert len([line for line in example.splitlines() if line]) < MOST_LINES
    indented = "\n".join(f"    {line}" if line else "" for line in example.splitlines())
    assert indented in inspect.cleandoc(DOCUMENTED[kind] or "")


def test_the_listing_names_every_folder() -> None:
    listing = README.split("### The house\n\n```\n")[1].split("```")[0]
    told: set[Path] = set()
    room = Path()
    for line in listing.splitlines():
        if found := re.match(r"( *)([a-z]+)/ ", line):
            room = room if found[1] else Path(found[2])
            told.add(room / found[2] if found[1] else room)
    modules = [path.relative_to(REPOSITORY) for room in told for path in (REPOSITORY / room).rglob("*.py")]
    there = {Path(*module.parts[:2]) for module in modules if len(module.parts) > 2 and module.parts[0] != "tests"}
    assert {folder for folder in told if len(folder.parts) == 2} == there
    assert {folder for folder in told if len(folder.parts) == 1} == {folder.parents[0] for folder in there} | {
        Path("tests")
    }


def test_the_example_from_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine_wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, but for the microphone, in whose place a simulated machine is heard."""
    example = README.split("## From Python")[1].split("```python\n")[1].split("```")[0]
    assert example.count('Microphone("USB PnP")') == 1
    (tmp_path / "normal").mkdir()
    shutil.copy(machine_wav, tmp_path / "normal" / "monday.wav")
    shutil.copy(machine_wav, tmp_path / "today.wav")
    monkeypatch.chdir(tmp_path)
    exec(example.replace('Microphone("USB PnP")', "asd_edge.runtime.SimulatedMachine(30.0)"), {"asd_edge": asd_edge})
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "12 windows enrolled"
    assert [line.partition("(")[0] for line in told[1:]] == ["Score"] * 15
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 5  # listening, three scores, the summary
