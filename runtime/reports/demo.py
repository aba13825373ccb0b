"""The demo: a simulated machine is enrolled, then its bearing goes bad while it is listened to."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.atomic_files import check_writable, write_whole
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.enrolment.enrolling import enroll
from asd_edge.runtime.enrolment.report import EnrollReport
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.listening import listen
from asd_edge.runtime.pipeline.machine import Machine, Score
from asd_edge.runtime.pipeline.threshold_text import ThresholdExplained, explain_threshold
from asd_edge.runtime.reports.page import render
from asd_edge.runtime.reports.pictures import DESK_WIDTH, PHONE_WIDTH, png_data_uri, scores_chart, spectrogram_db
from asd_edge.runtime.reports.settings import DemoSettings
from asd_edge.runtime.sinks.delivery import deliver
from asd_edge.runtime.sinks.sink import Sink
from asd_edge.runtime.sources.simulated import SimulatedMachine
from asd_edge.runtime.sources.source import Block, Event, Tapped

log = logging.getLogger(__name__)

ENROLL_S = 600.0
"""How long the healthy machine is enrolled, as long as `enroll` listens where nobody says how long."""
LISTEN_S = 1800.0
FAULT_BEGINS_S = 600.0
"""The first third is normal, so that the picture shows that the alarm stays off."""
FAULT_FULL_S = 1800.0
_EXCERPT_S = 10.0
"""The length of the sound that is pictured: one window of the model inside the package."""
_SPECTROGRAM_RANGE_DB = 70.0
"""The range from the loudest point down to black in decibels, about what a screen shows."""


@dataclass(frozen=True)
class DemoReport:
    """What the demo found.

    Attributes:
        enrolled: What the enrolment of the healthy machine learned.
        threshold: The score above which a window is anomalous.
        scores: The scores of all windows in the order of their times.
        alarm_s: When the alarm first went on after the fault began, in seconds since listening began; none where it
            did not go on.
        false_alarms: How often the alarm went on before the fault began.
        page: The path of the page with pictures.
    """

    enrolled: EnrollReport
    threshold: float
    scores: tuple[Score, ...]
    alarm_s: float | None
    false_alarms: int
    page: Path

    @property
    def delay_s(self) -> float | None:
        """The time from the beginning of the fault to the alarm in seconds; none where the alarm did not go on."""
        return None if self.alarm_s is None else self.alarm_s - FAULT_BEGINS_S

    def words(self) -> str:
        """The result in a sentence or two."""
        if self.alarm_s is None or self.delay_s is None:
            found = "The alarm did not go on, though the bearing went bad."
        else:
            grown = 100.0 * self.delay_s / (FAULT_FULL_S - FAULT_BEGINS_S)
            found = (
                f"The alarm went on {self.delay_s / 60.0:.1f} minutes after the fault began, when it had grown to "
                f"{grown:.0f} % of its final strength."
            )
        return f"{found} False alarms before: {self.false_alarms}."


@checked
def run_demo(
    settings: DemoSettings | None = None,
    model: Model | None = None,
    sinks: Sequence[Sink] = (),
) -> DemoReport:
    """Enroll a simulated machine for ten minutes, then listen for half an hour while a bearing fault grows.

    Args:
        settings: What is simulated, and where the page with pictures is saved.
        model: The model that hears; the one inside the package when left out.
        sinks: Where the scores and events go as they come.

    Raises:
        InputError: The page cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed; it ends the demo while the machine is enrolled, too.
    """
    settings = settings or DemoSettings()
    page, seed = settings.output, settings.seed
    check_writable(page)
    model = model or Model()
    normal = SimulatedMachine(ENROLL_S, seed)
    failing = SimulatedMachine(LISTEN_S, seed, 1, FAULT_BEGINS_S, FAULT_FULL_S)
    log.info("Enrolling %.0f minutes of a healthy simulated machine ...", ENROLL_S / 60)
    with tempfile.TemporaryDirectory() as folder:
        enrolled = enroll(normal, model, EnrollSettings(Path(folder) / "demo.npz", name="demo"))
    if enrolled.interrupted:  # an enrolment keeps what it has; nobody wants half an hour of listening with that
        raise KeyboardInterrupt
    before, after = _Excerpt(FAULT_BEGINS_S - _EXCERPT_S), _Excerpt(LISTEN_S - _EXCERPT_S)
    machine = Machine(Tapped(failing, lambda sound: after.keep(before.keep(sound))), model, enrolled.bank)
    explained = explain_threshold(machine)
    log.info(
        "Listening for %.0f minutes; a bearing fault begins at %.0f and grows ...", LISTEN_S / 60, FAULT_BEGINS_S / 60
    )
    scores: list[Score] = []
    changes: list[Event] = []

    def heard() -> Iterator[Score | Event]:
        for item in listen([machine]):
            if isinstance(item, Score):
                scores.append(item)
            else:
                changes.append(item)
            yield item

    deliver(heard(), sinks, [machine])
    switched_on = [change.start_s for change in changes if change.event == "alarm_on"]
    report = DemoReport(
        enrolled=enrolled,
        threshold=machine.threshold.value,
        scores=tuple(scores),
        alarm_s=next((at_s for at_s in switched_on if at_s >= FAULT_BEGINS_S), None),
        false_alarms=sum(at_s < FAULT_BEGINS_S for at_s in switched_on),
        page=page,
    )
    _write_page(report, before, after, model, changes, explained, seed)
    return report


class _Excerpt:
    """Ten seconds of what was heard, kept for the picture.

    Args:
        start_s: The time of the first sample that is kept, in seconds since listening began.
    """

    def __init__(self, start_s: float) -> None:
        self.start_s = start_s
        self._pieces: list[FloatArray] = []

    def keep(self, sound: Iterator[Block | Event]) -> Iterator[Block | Event]:
        """Pass everything on, and keep the samples of these ten seconds on the way."""
        for item in sound:
            if isinstance(item, Block) and self.start_s <= item.start_s < self.start_s + _EXCERPT_S:
                self._pieces.append(item.samples[:, 0])
            yield item

    def spectrogram_db(self) -> NDArray[np.float64]:
        """The spectrogram of what was kept: (257, columns) in decibels."""
        return spectrogram_db(np.concatenate(self._pieces))


def _write_page(
    report: DemoReport,
    before: _Excerpt,
    after: _Excerpt,
    model: Model,
    changes: list[Event],
    explained: ThresholdExplained,
    seed: int,
) -> None:
    normal, faulty = before.spectrogram_db(), after.spectrogram_db()
    high = float(max(normal.max(), faulty.max()))
    low = high - _SPECTROGRAM_RANGE_DB
    ends = [change.start_s for change in changes if change.event == "alarm_off"]
    alarms = [
        (on.start_s, next((off for off in ends if off > on.start_s), LISTEN_S))
        for on in changes
        if on.event == "alarm_on"
    ]
    marks = [(FAULT_BEGINS_S, "fault begins", "fault")]
    if report.alarm_s is not None:
        marks.append((report.alarm_s, "alarm", "on"))
    times_s = [score.start_s for score in report.scores]
    values = [score.score for score in report.scores]
    charts = [
        scores_chart(times_s, values, report.threshold, marks, alarms, width) for width in (DESK_WIDTH, PHONE_WIDTH)
    ]
    text = render(
        Path(__file__).parent / "pages" / "demo.html",
        charts=charts,
        result=report.words(),
        explained=" ".join(explained.words),
        before=png_data_uri(normal, low, high),
        before_caption=f"minute {before.start_s / 60:.0f}, normal",
        after=png_data_uri(faulty, low, high),
        after_caption=f"minute {after.start_s / 60:.0f}, the fault in full",
        seed=seed,
        model=model.info.recipe,
    )
    with write_whole(report.page) as file:
        file.write(text.encode())
