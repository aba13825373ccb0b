"""Where the time of the tests goes, by the report that pytest writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

from asd_edge.benchmarks.studies.printing import print_table
from asd_edge.calibration.console import say
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings


@settings
class SlowestTestsSettings:
    """Which report to read, and how much of it to show."""

    report: Annotated[Path, Setting("The report of a run: pytest --junit-xml FILE writes it.", argument=True)] = Path(
        "build/tests.xml"
    )
    count: Annotated[int, Setting("How many tests to show.", at_least=1, at_most=100000)] = 20


@dataclass(frozen=True)
class TimedTest:
    """A test, and how long it took."""

    name: str
    """the module and the test"""
    took_s: float


def read_report(path: Path) -> list[TimedTest]:
    """Read how long each test took, the slowest first.

    Args:
        path: A report in the format of JUnit.

    Raises:
        InputError: There is no such report.
    """
    try:
        cases = ElementTree.parse(path).iter("testcase")  # noqa: S314  # pytest wrote it, here
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(
            "There is no report of tests.",
            got=f"{path}: {error}",
            valid="a report that pytest wrote",
            next_step=f"run pytest --junit-xml {path}",
        ) from error
    found = [TimedTest(f"{case.get('classname')}::{case.get('name')}", float(case.get("time", 0.0))) for case in cases]
    return sorted(found, key=lambda test: -test.took_s)


def slowest_tests(wanted: SlowestTestsSettings) -> None:
    """Which tests of this project take the most time, and what share of all."""
    tests = read_report(wanted.report)
    total_s = sum(test.took_s for test in tests) or 1.0
    shown = tests[: wanted.count]
    print_table(
        ("test", "s", "share"),
        ((test.name, f"{test.took_s:.1f}", f"{100 * test.took_s / total_s:.1f} %") for test in shown),
    )
    say(f"\n{len(tests)} tests took {total_s:.0f} s, these {sum(test.took_s for test in shown):.0f} s.")
