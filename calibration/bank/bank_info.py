"""The description of a bank: whose sound it is, how it was heard and what threshold follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from asd_edge.calibration.bank.bank_file import BANK_FORMAT
from asd_edge.calibration.contract.references import Recording


@dataclass(frozen=True)
class BankInfo:
    """What a bank says about itself, beside its arrays."""

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
    gamma_shape: float | None = None
    """The shape of the Gamma fit to the leave-one-out scores; none while there are too few windows."""
    gamma_scale: float | None = None
    """The scale of that fit."""
    threshold: float | None = None
    """The 90th percentile of that fit."""
    format: int = BANK_FORMAT
    """The version of the file format."""
