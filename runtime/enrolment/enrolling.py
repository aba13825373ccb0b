"""Enrolling: minutes of normal sound in, a bank out, with nothing lost on the way."""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from asd_edge.calibration.atomic_files import check_writable
from asd_edge.calibration.audio.bandwidth import band_levels_db
from asd_edge.calibration.audio.level import SILENCE_DBFS, level_dbfs
from asd_edge.calibration.audio.windowing import Window, Windowing
from asd_edge.calibration.bank.bank import Bank
from asd_edge.calibration.bank.bank_lock import locked_bank
from asd_edge.calibration.bank.builder import GrowingReferences
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.errors import InputError, in_one_line
from asd_edge.calibration.value_types import checked
from asd_edge.runtime.enrolment.heard_windows import HeardWindows
from asd_edge.runtime.enrolment.kept_beside import heard_path
from asd_edge.runtime.enrolment.looking_over import Choose, Hearing, HeldWindows, LookedOver, Result, look_over
from asd_edge.runtime.enrolment.report import EnrollReport, Progress
from asd_edge.runtime.enrolment.settings import EnrollSettings
from asd_edge.runtime.enrolment.start import begin, check_path, check_settings, heard_channel, heard_minutes
from asd_edge.runtime.enrolment.taking_in import Accept, HeldAsideError, Learned, accepting, learn, take_in
from asd_edge.runtime.inference.model import Model
from asd_edge.runtime.pipeline.band_watch import BandWatch, narrow_in_words
from asd_edge.runtime.pipeline.not_finite import not_finite_output
from asd_edge.runtime.pipeline.window_queue import windows_of
from asd_edge.runtime.sources.flac_recorder import FlacRecorder
from asd_edge.runtime.sources.source import Block, Event, Source, Tapped

log = logging.getLogger(__name__)

_REFUSED: dict[str, str] = {
    "gap": "sound lost",
    "overrun": "sound lost",
    "skipped": "the model was busy",
}
"""Reasons under which refused windows are counted; sensor faults are counted by their own words."""
RESAMPLER_DELAY_S = 0.2
"""The sound in seconds that a microphone is heard for beyond its minutes, as the last window comes out of the resampler
a little after its sound went in."""
_KEPT_UNLEARNED = "The bank could not learn yet; %d windows are kept, and `asd-edge enroll --append` learns from them."


@checked
def enroll(
    source: Source,
    model: Model,
    settings: EnrollSettings,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    accept: Accept | None = None,
    choose: Choose | None = None,
) -> EnrollReport:
    """Learn what is normal.

    The windows are saved as they come, whole each time, and the bank learns from them at the end. Ctrl-C
    (KeyboardInterrupt) ends the enrolment early and keeps what was heard. Any error of the source or the model does
    too, before it is raised. An error of `progress` ends nothing: it is logged, and the enrolment goes on without it.
    After a power loss all but the latest windows are there, for `append` to go on with.

    At the end it is looked for windows that do not sound like the rest, such as a truck that passed by, and for copies
    of a window. The report tells them; they are kept, unless the settings or `choose` say otherwise.

    Windows that are added to a bank are compared with it first. Where they sound strange, they are learned only if the
    settings or `accept` say that the machine is well; else they wait beside the bank (`take_aside`). The bank before
    stays beside it, too (`undo`).

    Args:
        source: A microphone, files or anything else that gives the sound of the machine while it runs normally.
        model: The model that hears.
        settings: Which bank is written, and how the machine is enrolled.
        progress: A function that is called before the first and then with every block and window.
        stop: Ends the enrolment when set, and keeps what was heard.
        accept: Is asked whether windows that sound strange to the bank shall be learned all the same; when left out,
            they are learned only if `EnrollSettings.yes` says so.
        choose: Is asked whether strange windows, and then copies, are kept, where the settings leave that open; when
            left out, they are kept.

    Raises:
        HeldAsideError: Windows that shall be added sound strange, and nobody said that the machine is well.
        InputError: The bank is there already and `append` is not set, is of another model, is being written by
            another process, or cannot be written; the scorer cannot be fitted here; or the sound cannot be read.
    """
    check_settings(source, model, settings)
    check_writable(settings.bank)
    with locked_bank(settings.bank):
        check_path(settings)  # not before: another enrolment may have made the bank since
        enrolment = _Enrolment(source, model, settings, progress or _ignore, accept, choose)
        return enrolment.run(stop or threading.Event())


class _Enrolment:
    """One run of `enroll`."""

    def __init__(
        self,
        source: Source,
        model: Model,
        settings: EnrollSettings,
        progress: Callable[[Progress], None],
        accept: Accept | None,
        choose: Choose | None,
    ) -> None:
        self._source = source
        self._model = model
        self._settings = settings
        self._progress = progress
        self._accept = accepting(settings, accept)
        self._choose = choose
        self._info, self._bank = begin(source, model, settings)
        self._known = GrowingReferences(self._bank)
        path = settings.bank if self._bank is None else heard_path(settings.bank)
        # The first model's, however many newer files of it the bank sees: nothing drifts away in small steps.
        probe = _probe_of(model) if self._bank is None or self._bank.probe is None else self._bank.probe
        self._windows = HeardWindows(path, self._info, probe)
        self._channel = heard_channel(settings, self._info)
        self._kept = FlacRecorder(settings.keep_audio, self._channel) if settings.keep_audio else None
        self._hearing = Hearing(source.live, self._kept)
        self._looked: Result | None = None
        self._already_there = self._repeated = 0
        self._heard_s = 0.0
        wanted_s = 60.0 * heard_minutes(settings, source)
        self._total_s = min(source.duration_s, wanted_s + (RESAMPLER_DELAY_S if source.live else 0.0))
        self._level_dbfs = SILENCE_DBFS
        self._stopped = False
        self._band_watch = BandWatch()
        self._rate_hz = 0
        self._told_narrow = self._bank is not None
        if self._bank is not None and path.is_file():
            self._windows.go_on()

    def run(self, stop: threading.Event) -> EnrollReport:
        interrupted = False
        try:
            self._tell(None)
            self._listen(stop)
        except KeyboardInterrupt:
            if not self._windows.added:
                raise
            interrupted = True
        except BaseException as error:
            if self._windows.added:
                self._keep(error)
            raise
        finally:
            stop.set()
        if self._bank is None and not self._windows.added:
            raise InputError(
                "Nothing was enrolled.",
                got=", ".join(f"{count} x {reason}" for reason, count in self._windows.refused.items())
                or "no window of sound",
                valid=f"at least {self._model.info.window_s:g} s of sound from a working microphone",
                next_step="check the microphone with `asd-edge devices` and `asd-edge doctor`",
            )
        try:
            learned = self._learn()
        except HeldAsideError:
            raise
        except BaseException:
            if self._windows.saved:
                log.warning(_KEPT_UNLEARNED, self._windows.saved)
            raise
        looked = self._looked
        refused, dropped = self._windows.refused, Counter[str]() if looked is None else looked.dropped
        left = None if looked is None else looked.new
        return EnrollReport(
            bank=learned.bank,
            path=self._settings.bank,
            added=0 if left is None else len(left.references),
            already_there=self._already_there,
            repeated=self._repeated,
            refused=dict(refused + dropped),
            kept_files=tuple(self._kept.files) if self._kept else (),
            curve=learned.curve(),
            bandwidth=self._band_watch.reason or narrow_in_words(learned.bank.info.band_levels_db, self._rate_hz),
            strangeness=learned.strangeness,
            found=() if looked is None else looked.found,
            reduction=learned.reduction,
            interrupted=interrupted or self._stopped or (looked is not None and looked.interrupted),
        )

    def _listen(self, stop: threading.Event) -> None:
        windowing = Windowing(self._model.info.samples, self._settings.hop_s, self._channel)
        tapped = Tapped(self._source, functools.partial(self._tap, stop))
        for _, item in windows_of([(tapped, windowing)], stop):
            event = self._take(item) if isinstance(item, Window) else item
            if event is not None and event.event not in ("resumed", "failed"):
                words = _REFUSED.get(event.event, re.split(" for | on | at ", event.reason)[0])
                self._windows.refused[words] += event.count or 1
            self._tell(event)
            if self._windows.added:
                self._windows.save_when_due()

    def _tap(self, stop: threading.Event, sound: Iterator[Block | Event]) -> Iterator[Block | Event]:
        """Watch what passes from the source: its level, whether it is enough, and the sound to keep."""
        for item in self._kept.keep(sound) if self._kept else sound:
            if isinstance(item, Block):
                if self._heard_s >= self._total_s - 1e-6:
                    return
                self._heard_s += len(item.samples) / item.rate_hz
                self._rate_hz = item.rate_hz
                self._hearing.note(item)
                self._level_dbfs = level_dbfs(item.samples)
                self._tell(None)
            yield item
        self._stopped = stop.is_set()

    def _take(self, window: Window) -> Event | None:
        """Add a window to the references; give the event of one that the model makes nothing of."""
        if self._known.hold(window.recording, window.start_s) or self._windows.hold(window):
            self._already_there += 1
            return None
        output = self._model.embed(window.samples)
        if (event := not_finite_output(window, output)) is not None:
            return event
        levels_db = band_levels_db(window.samples)
        self._windows.add(window, output, levels_db)
        self._repeated += window.repeated
        bank_db = () if self._bank is None else self._bank.info.band_levels_db
        if (event := self._band_watch.add(window, levels_db, bank_db)) is not None:
            self._tell(event)
        self._tell_narrow(window)
        return None

    def _tell_narrow(self, window: Window) -> None:
        """Tell once, of a new bank, that the sound reaches less far up than its device could hear."""
        if not self._told_narrow and (reason := narrow_in_words(self._windows.levels_db, self._rate_hz)):
            self._told_narrow = True
            self._tell(Event("bandwidth", window.recording.source, round(window.start_s, 4), reason))

    def _tell(self, event: Event | None, found: LookedOver | None = None) -> None:
        refused = sum(self._windows.refused.values())
        try:
            self._progress(
                Progress(self._heard_s, self._total_s, self._windows.added, refused, self._level_dbfs, event, found)
            )
        except Exception as error:  # noqa: BLE001  a display may fail in any way, and the sound is worth more
            self._progress = _ignore
            log.warning("Enrolling goes on without its display, which failed: %s", _in_short(error))

    def _keep(self, error: BaseException) -> None:
        """Learn from what was heard before an error, and let the error say so."""
        self._choose = None  # a source that failed may do so at night, and nobody waits for a question
        try:
            self._learn()
        except HeldAsideError as aside:
            log.warning("%s; %s", in_one_line(aside), aside.next_step)
            return
        except Exception as second:  # noqa: BLE001  the first error is the one to be told
            log.warning("Nothing could be learned from the windows before the error: %s", _in_short(second))
        kept = f"the {self._windows.saved} windows before it are kept: go on with --append"
        if isinstance(error, InputError):
            error.next_step += f"; {kept}"
        else:
            log.warning("%s: %s", type(error).__name__, kept)

    def _learn(self) -> Learned:
        """Look over what was heard, learn from all windows that stay, and save."""
        if self._bank is None:
            heard = self._windows.save()
            learned = learn(self._look_over(heard).new or heard)
            learned.bank.save(self._settings.bank)
            return learned
        new = self._windows.save() if self._windows.added else None
        looked = self._look_over(new)
        info, bank = self._info, looked.before or self._bank
        if looked.new is None:  # else the new windows tell what was refused and dropped
            refused = looked.dropped + (Counter() if new is None else self._windows.refused)
            info = replace(info, refused=dict(Counter(info.refused) + refused))
        return take_in(self._settings.bank, bank, info, looked.new, looked.compared, self._accept)

    def _look_over(self, new: Bank | None) -> Result:
        """Find strange windows and copies, and drop what shall not be learned."""
        windows = HeldWindows(self._info, self._bank, new, self._hearing)
        looked = look_over(windows, self._settings, self._choose, lambda found: self._tell(None, found))
        self._looked = looked
        if looked.interrupted:  # one question was enough
            self._accept = accepting(self._settings, None)
        return looked


def _probe_of(model: Model) -> FloatArray | None:
    """What the model gives for the known sounds; none where that is not finite, and says nothing of another file."""
    probe = model.probe()
    return probe if np.isfinite(probe).all() else None


def _in_short(error: Exception) -> str:
    return error.what if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _ignore(_: Progress) -> None:
    pass
