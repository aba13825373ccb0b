"""The description of a bank: whose sound it is, how it was heard and what threshold follows from it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_type_hints

from asd_edge.calibration.alarm_rate import MOST_CORRELATION
from asd_edge.calibration.audio.bandwidth import BANDS
from asd_edge.calibration.audio.channels import parse_channel
from asd_edge.calibration.bank.answers import Answer
from asd_edge.calibration.bank.bank_file import BANK_FORMAT
from asd_edge.calibration.contract.references import Recording
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.value_types import require_type

_LONGEST_TEXT = 10_000
"""The most characters of a name or a path; a longer one is a mistake, and a file with millions of them an attack."""
_LONGEST_DOMAIN = 100
"""The most characters of a domain, of which every window gets a copy."""
_LONGEST_S = 86_400.0
"""A window or a hop is no longer than a day."""
_MOST_DB = 1000.0
"""Levels lie between those of the smallest and the largest number in single precision."""
_SHORTEST_S = 1e-6
"""A window or a hop is longer than nothing."""


@dataclass(frozen=True)
class BankInfo:
    """What a bank says about itself, beside its arrays.

    Another field needs a default, which banks that were written without it get.

    Raises:
        InputError: A value is of another type, or out of bounds.
    """

    model_sha256: str
    """The SHA-256 of the model file that made the embeddings."""
    model: str
    """The model's recipe and where it was found, for people."""
    window_s: float
    """The length of a window in seconds."""
    hop_s: float
    """The time from one window to the next in the latest enrolment, in seconds."""
    name: str = ""
    """What people call the machine."""
    device: str = ""
    """The name of the microphone; empty when enrolled from files."""
    channel: str = "1"
    """The channel of the source: a number from 1, or ``mix``."""
    scorer: str = "nearest"
    """The name of a scorer, see `asd_edge.calibration.scorers.registry`."""
    max_references: int | None = None
    """The largest number of references that are kept; none to keep all."""
    created: str = ""
    """When the bank was begun, in UTC by ISO 8601."""
    updated: str = ""
    """When windows were last added, likewise."""
    refused: dict[str, int] = field(default_factory=dict)
    """The number of windows that were not enrolled, by reason."""
    recordings: tuple[Recording, ...] = ()
    """The recordings that the windows come from; the timeline counts them from 0."""
    reach_s: float = 0.0
    """How far apart two windows of one recording must begin not to depend on each other, in seconds; 0 where it was not
    measured."""
    correlation: float = 0.0
    """The latent correlation of the scores of two windows that follow each other, 0 to 1."""
    correlation_s: float = 0.0
    """The time from one to the other, for which it was measured, in seconds; 0 where it was not measured."""
    gamma_shape: float | None = None
    """The shape of the Gamma fit to the leave-one-out scores; none while there are too few windows."""
    gamma_scale: float | None = None
    """The scale of that fit."""
    threshold: float | None = None
    """The 90th percentile of that fit."""
    band_levels_db: tuple[float, ...] = ()
    """The mean levels of the bands of the windows, by which sound is known that reaches less far up, as
    `asd_edge.calibration.audio.bandwidth.band_levels_db` gives them; empty in banks that were made without."""
    level_deviation_db: float | None = None
    """The deviation of the level of single windows, as the mean over their bands in decibels; none in banks that were
    made without."""
    answers: tuple[Answer, ...] = ()
    """What people said about alarms and shadow days, the earliest first, also what was taken back."""
    format: int = BANK_FORMAT
    """The version of the file format."""

    def __post_init__(self) -> None:
        for name, kind in _kinds().items():
            value = getattr(self, name)
            require_type(value, kind, name, "A bank")
            if isinstance(value, str) and len(value) > _LONGEST_TEXT:
                raise _unfit(name, f"{len(value)} characters", f"at most {_LONGEST_TEXT}")
        if not re.fullmatch("[0-9a-f]{64}", self.model_sha256):
            raise _unfit("model_sha256", f"{self.model_sha256!r:.80}", "64 hexadecimal digits")
        bounds = {
            "window_s": (_SHORTEST_S, _LONGEST_S),
            "hop_s": (_SHORTEST_S, _LONGEST_S),
            "reach_s": (0.0, _LONGEST_S),
            "correlation_s": (0.0, _LONGEST_S),
            "correlation": (0.0, MOST_CORRELATION),
            "level_deviation_db": (0.0, _MOST_DB),
        }
        for name, (least, most) in bounds.items():
            if getattr(self, name) is not None and not least <= getattr(self, name) <= most:
                raise _unfit(name, getattr(self, name), f"{least:g} to {most:g}")
        parse_channel(self.channel)
        levels_db = self.band_levels_db
        if len(levels_db) not in (0, BANDS) or not all(map(math.isfinite, levels_db)):
            raise _unfit("band_levels_db", f"{len(levels_db)} values", f"none, or {BANDS} finite numbers")
        if self.max_references is not None and self.max_references < 1:
            raise _unfit("max_references", self.max_references, "1 or more")
        for reason, count in self.refused.items():
            require_type(reason, str, "refused", "A bank")
            require_type(count, int, "refused", "A bank")
            if count < 0:
                raise _unfit("refused", f"{reason}: {count}", "0 or more")
        learned = (self.gamma_shape, self.gamma_scale, self.threshold)
        if (
            any(value is not None and not 0.0 < value < math.inf for value in learned)
            or len({value is None for value in learned}) != 1
        ):
            raise _unfit("gamma_shape, gamma_scale and threshold", learned, "three numbers above 0, or none of them")
        if len({recording.id for recording in self.recordings}) != len(self.recordings):
            raise _unfit("recordings", "two of the same id", "each of its own")
        for recording in self.recordings:
            for name, longest in (("id", _LONGEST_TEXT), ("source", _LONGEST_TEXT), ("domain", _LONGEST_DOMAIN)):
                require_type(text := getattr(recording, name), str, f"a recording's {name}", "A bank")
                if len(text) > longest:
                    raise _unfit(f"a recording's {name}", f"{len(text)} characters", f"at most {longest}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> BankInfo:
        """Make the description of what a bank's file holds; what this version does not know is passed over.

        Raises:
            InputError: A value is of another type, or out of bounds.
            ValueError: A value is missing.
        """
        known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        told = known.get("recordings")
        if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
            raise ValueError("its recordings are no list")
        for item in fields(cls):
            if item.name not in known and item.default is MISSING and item.default_factory is MISSING:
                raise ValueError(f"its {item.name} is missing")
        if not all("id" in each and "source" in each for each in told):
            raise ValueError("a recording has no id or no source")
        parts = {item.name for item in fields(Recording)}
        known["recordings"] = tuple(
            Recording(**{name: value for name, value in each.items() if name in parts}) for each in told
        )
        if isinstance(levels_db := known.get("band_levels_db"), list):
            known["band_levels_db"] = tuple(levels_db)
        if "answers" in known:
            known["answers"] = _answers(known["answers"])
        return cls(**known)


def _answers(told: object) -> tuple[Answer, ...]:
    parts = {item.name for item in fields(Answer)}
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise ValueError("its answers are no list")
    if not all({"kind", "time", "windows"} <= each.keys() for each in told):
        raise ValueError("an answer has no kind, no time or no windows")
    known = [{name: value for name, value in each.items() if name in parts} for each in told]
    for each in known:
        if isinstance(levels_db := each.get("levels_before_db"), list):
            each["levels_before_db"] = tuple(levels_db)
    return tuple(Answer(**each) for each in known)


@functools.cache
def _kinds() -> dict[str, Any]:
    """The types of the fields by name."""
    return get_type_hints(BankInfo)


def _unfit(name: str, got: object, valid: str) -> InputError:
    return InputError(
        f"A bank cannot have this {name}.", got=got, valid=valid, next_step="see help() of the class BankInfo"
    )
