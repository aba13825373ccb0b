"""Where the trained head of a pooling comes from, and which features it fits."""

from __future__ import annotations

from dataclasses import dataclass

from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.wording import counted


@dataclass(frozen=True)
class HeadOrigin:
    """What the file of a trained head says about its training: the head fits only the features it was trained on."""

    system: str
    """the name of the system that the head belongs to, such as ``beats-asp``"""
    checkpoint_sha256: str
    """the digest of the BEATs checkpoint"""
    layers: int
    """the number of encoder layers that were kept"""

    def require(self, checkpoint_sha256: str, layers: int) -> None:
        """Refuse an encoder that gives other features.

        Args:
            checkpoint_sha256: The digest of the encoder's checkpoint.
            layers: The number of the encoder's layers.

        Raises:
            ModelError: The checkpoint or the number of its layers is another.
        """
        if self.layers != layers:
            raise ModelError(
                "The head was trained on features of another number of layers.",
                got=f"{counted(layers, 'layer')}",
                valid=f"{counted(self.layers, 'layer')}",
                next_step=f"export with --layers {self.layers}, or train a head for {layers}",
            )
        if self.checkpoint_sha256 != checkpoint_sha256:
            raise ModelError(
                "The head was trained on features of another checkpoint.",
                got=f"a checkpoint with SHA-256 {checkpoint_sha256}",
                valid=f"the one with {self.checkpoint_sha256}",
                next_step="give that checkpoint, or train a head for this one",
            )
