"""The report of a run of tests, written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from asd_edge.benchmarks.studies.project.slowest_tests import SlowestTestsSettings, slowest_tests
from asd_edge.calibration.errors import InputError

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="3" time="5.5">
<testcase classname="tests.test_a" name="test_quick" time="1.0" />
<testcase classname="tests.test_b" name="test_slow[1]" time="6.0"><skipped /></testcase>
<testcase classname="tests.test_b" name="test_slow[2]" time="3.0" />
</testsuite></testsuites>
"""


def test_the_slowest_come_first_with_their_share_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "tests.xml"
    report.write_text(REPORT)
    slowest_tests(SlowestTestsSettings(report, count=2))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "| test | s | share |",
        "|---|--:|--:|",
        "| tests.test_b::test_slow[1] | 6.0 | 60.0 % |",
        "| tests.test_b::test_slow[2] | 3.0 | 30.0 % |",
        "",
        "3 tests took 10 s, these 9 s.",
    ]


@pytest.mark.parametrize("text", [None, "no XML"])
def test_without_a_report_it_says_how_to_make_one(tmp_path: Path, text: str | None) -> None:
    report = tmp_path / "tests.xml"
    if text is not None:
        report.write_text(text)
    with pytest.raises(InputError, match="no report of tests") as refused:
        slowest_tests(SlowestTestsSettings(report))
    assert refused.value.next_step == f"run pytest --junit-xml {report}"
