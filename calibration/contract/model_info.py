"""What a model file says of itself: the contract between the workstation that exports and the device that runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from asd_edge.calibration.errors import ModelError

METADATA_KEY = "asd_edge"
MODEL_FORMAT = 1
SAMPLE_RATE_HZ = 16_000
"""Every model hears 16 kHz mono: the rate of the DCASE data and of BEATs."""


@dataclass(frozen=True)
class ModelInfo:
    """The JSON that an exported ONNX file carries under the metadata key ``asd_edge``."""

    recipe: str
    """How the embedding is made, such as ``logmel`` or ``beats-asp``."""
    samples: int
    """Length of the input waveform in samples."""
    dimensions: int
    """Length of the embedding."""
    precision: str = "fp32"
    """Number format of the large products: ``fp32``, ``fp16`` or ``int8``."""
    scorer: str = "nearest"
    """The scorer that the model was made for."""
    checkpoint_sha256: str | None = None
    """Digest of the checkpoint that the weights come from; none where nothing was trained."""
    pooling: str = ""
    """how patch features became one embedding, where there are any"""
    layers: int | None = None
    """encoder layers that were kept, where there are any"""
    patch_grid: tuple[int, int] | None = None
    """time blocks and mel blocks of ``patch_weights``, which go through all mel blocks of a time block first"""
    reconstruction: bool = False
    """whether the model rebuilds the window and says how badly: an autoencoder"""
    target: str = "any"
    """the execution provider that the graph is made for: ``any``, ``cpu``, or ``cuda``, whose graph others take, too"""
    opset: int = 18
    """ONNX operator set that the graph needs"""
    parity: dict[str, float] = field(default_factory=dict)
    """What was measured against PyTorch in float32 at export."""
    parity_clips: str = ""
    """on what"""
    sample_rate_hz: int = SAMPLE_RATE_HZ
    format: int = MODEL_FORMAT

    def __post_init__(self) -> None:
        lengths = (self.samples, self.dimensions)
        if not all(isinstance(length, int) and length > 0 for length in lengths):
            raise ValueError(f"samples and dimensions must be whole numbers above 0, not {lengths}")
        if self.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the sample rate must be {SAMPLE_RATE_HZ}, not {self.sample_rate_hz}")

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the model gives, in this order."""
        told = {"embedding": True, "reconstruction_error": self.reconstruction, "patch_weights": bool(self.patch_grid)}
        return tuple(name for name, is_there in told.items() if is_there)

    @property
    def scored(self) -> tuple[str, ...]:
        """Those of the outputs that a scorer looks at."""
        return tuple(name for name in self.outputs if name != "patch_weights")

    @property
    def window_s(self) -> float:
        """Length of the window in seconds."""
        return self.samples / self.sample_rate_hz

    def to_json(self) -> str:
        """The metadata value, with sorted keys so that the same model gives the same file."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Read the metadata value of a model file.

        Raises:
            ModelError: The text is not such a JSON, or a newer version of this program wrote it.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = int(values["format"])
            if version <= MODEL_FORMAT:
                known = {item.name for item in fields(cls)}
                values["patch_grid"] = tuple(values["patch_grid"]) if values.get("patch_grid") else None
                return cls(**{key: value for key, value in values.items() if key in known})
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ModelError(
                f"The model's description cannot be read: {error}.",
                got=text[:200],
                valid=f"the JSON that `asd-edge export` writes under the metadata key '{METADATA_KEY}'",
                next_step="export the model again",
            ) from error
        raise ModelError(
            "The model was written by a newer version of asd-edge.",
            got=f"model format {version}",
            valid=f"model format {MODEL_FORMAT} or older",
            next_step="pip install --upgrade asd-edge",
        )
