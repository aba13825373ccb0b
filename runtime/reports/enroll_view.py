"""What `enroll` shows while it listens: progress, time left and a level meter."""

from __future__ import annotations

import time
from typing import Any

from asd_edge.calibration.audio.level import SILENCE_DBFS
from asd_edge.calibration.wording import counted, visible
from asd_edge.runtime.pipeline.enrolling import Progress
from asd_edge.runtime.sinks.sink import clock
from asd_edge.runtime.sources.source import Source

_METER_BARS = 24
_METER_FLOOR_DB = -72.0
_REFRESH_S = 0.1


class EnrollView:
    """A line of progress that is renewed in a terminal; elsewhere, a line a minute.

    Args:
        source: The source that is heard; the view says what it is.
    """

    def __init__(self, source: Source) -> None:
        from rich.live import Live

        from asd_edge.calibration.console import Console

        self.console = Console()
        doing = f"Listening to {visible(source.name)}. The machine should run normally now."
        heading = f"{doing if source.live else f'Reading {visible(source.name)}.'} Ctrl-C ends early and keeps all."
        self.console.say(heading)
        self._live = (
            Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        )
        self._shown_at = time.monotonic()

    def __enter__(self) -> EnrollView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Renew the view. It can be called with every block of sound: what comes too soon after is not drawn."""
        if progress.latest is not None:
            event = progress.latest
            told = f"{clock(event.start_s)}  {event.event.replace('_', ' ')}: {visible(event.reason)}"
            self.console.say(told)
        now = time.monotonic()
        if now - self._shown_at < (_REFRESH_S if self._live is not None else 60.0):
            return
        self._shown_at = now
        if self._live is not None:
            self._live.update(_progress_line(progress), refresh=True)
        else:
            self.console.say(f"{clock(progress.heard_s)} heard, {counted(progress.windows, 'window')}")


def _progress_line(progress: Progress) -> Any:
    from rich.text import Text

    share = min(1.0, max(0.0, 1.0 - progress.level_dbfs / _METER_FLOOR_DB))
    filled = round(share * _METER_BARS)
    style = "red" if progress.level_dbfs > -6.0 else "green"
    total = "" if progress.total_s == float("inf") else f" of {clock(progress.total_s)}"
    line = Text(f"{clock(progress.heard_s)}{total}  {counted(progress.windows, 'window')}")
    line.append(f", {progress.refused} refused" if progress.refused else "", "yellow")
    line.append("  ")
    line.append("█" * filled, style)
    line.append("░" * (_METER_BARS - filled), "dim")
    level = "silence" if progress.level_dbfs <= SILENCE_DBFS else f"{progress.level_dbfs:.0f} dB"
    line.append(f" {level}")
    return line
