"""Where a trained head comes from, and which features it fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from asd_edge.calibration.errors import ModelError


@dataclass(frozen=True)
class HeadOrigin:
    """What a trained head says of itself: it fits no other features than those it was trained on."""

    system: str
    """that it belongs to, such as ``beats-asp``"""
    checkpoint_sha256: str
    """digest of the BEATs checkpoint"""
    layers: int
    """encoder layers that were kept"""

    def require(self, checkpoint_sha256: str, layers: int) -> None:
        """Refuse an encoder that gives other features.

        Raises:
            ModelError: The checkpoint or the number of its layers is another.
        """
        if self.layers != layers:
            raise ModelError(
                "The head was trained on features of another number of layers.",
                got=f"{layers} layers",
                valid=f"{self.layers} layers",
                next_step=f"export with --layers {self.layers}, or train a head for {layers}",
            )
        if self.checkpoint_sha256 != checkpoint_sha256:
            raise ModelError(
                "The head was trained on features of another checkpoint.",
                got=f"a checkpoint with SHA-256 {checkpoint_sha256}",
                valid=f"the one with {self.checkpoint_sha256}",
                next_step="give that checkpoint, or train a head for this one",
            )


def parse_origin(told: object, path: Path) -> HeadOrigin:
    """Read what a head's file says of its origin.

    Args:
        told: The fields of a `HeadOrigin`.
        path: Of the file, for the message.

    Raises:
        ModelError: It says something else.
    """
    try:
        return HeadOrigin(**cast(dict[str, Any], told))
    except TypeError as error:
        raise ModelError(
            f"{path.name} does not say where the head comes from as it should.",
            got=str(told)[:200],
            valid="system, checkpoint_sha256 and layers",
            next_step="train the head again",
        ) from error
