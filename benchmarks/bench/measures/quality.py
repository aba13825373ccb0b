"""Quality beside speed: how far embeddings are from those of the same model in float32 on the CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from asd_edge.calibration.contract.model_info import ModelInfo
from asd_edge.calibration.contract.model_output import FloatArray
from asd_edge.calibration.contract.parity import Certificate
from asd_edge.calibration.wording import counted

_SAME = ("recipe", "samples", "dimensions", "checkpoint_sha256", "pooling", "layers")
"""What two files of one model in two precisions have in common."""


@dataclass(frozen=True)
class Quality:
    """What a combination costs in quality."""

    cosine: float | None
    """the smallest cosine of any clip; none, as what follows, where an embedding is not a number"""
    error_over_spread: float | None
    """see `Certificate.max_error_over_spread`"""
    nearest_change: float | None
    """see `Certificate.max_nearest_change`"""
    within_limits: bool
    """whether that is no more than a lower precision may cost when it is exported"""
    compared: str
    """what was compared with what"""

    @classmethod
    def of(cls, certificate: Certificate, compared: str) -> Quality:
        """Judge differences of embeddings.

        Args:
            certificate: The differences.
            compared: What was compared with what, in words.
        """
        values = certificate.min_cosine, certificate.max_error_over_spread, certificate.max_nearest_change
        if not all(map(math.isfinite, values)):
            return cls(None, None, None, False, compared)
        return cls(*values, certificate.within_limits, compared)


def measure_quality(
    label: str,
    found: FloatArray,
    infos: Mapping[str, ModelInfo],
    references: Mapping[str, FloatArray],
) -> Quality | None:
    """Compare embeddings with those of the same model in float32 on the CPU, on the same clips.

    Args:
        label: The label of the model that was measured.
        found: Its embeddings, (clips, dim).
        infos: What all models at hand say of themselves, by label.
        references: The embeddings of the same clips by those in float32 on the CPU, by label.

    Returns:
        The differences; where that model in float32 is not at hand, those that were measured when it was exported, and
        none if there are none.
    """
    info = infos[label]
    if not np.isfinite(found).all():
        return Quality(None, None, None, False, f"{counted(len(found), 'clip')}")
    for other in [label, *references]:
        if other in references and all(getattr(infos[other], name) == getattr(info, name) for name in _SAME):
            certificate = Certificate.of(found, references[other])
            return Quality.of(certificate, f"with {other} in fp32 on the CPU, {counted(len(found), 'clip')}")
    if set(info.parity) == {field.name for field in fields(Certificate)}:
        return Quality.of(Certificate(**info.parity), f"at export, with PyTorch in fp32, {info.parity_clips}")
    return None
