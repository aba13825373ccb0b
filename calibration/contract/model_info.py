"""What a model file says about itself: the contract between the workstation that exports and the device that runs.

The file is ONNX. Its one input is ``waveform``, (batch, samples) float32 in [-1, 1], mono at 16 kHz, with a fixed
number of samples. Its outputs are ``embedding``, (batch, dim) float32; of an autoencoder also ``reconstruction_error``,
(batch,); and of a model with a grid of patches also ``patch_weights``, (batch, patches).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_type_hints

from asd_edge.calibration.errors import ModelError
from asd_edge.calibration.value_types import fits, in_words

METADATA_KEY = "asd_edge"
"""The key of the ONNX file's metadata under which the description stands."""
MODEL_FORMAT = 1
"""The version of the description; a device refuses a higher one."""
SAMPLE_RATE_HZ = 16_000
"""The rate that every model hears, in mono: the rate of the DCASE data and of BEATs."""

_MOST_SAMPLES = 600 * SAMPLE_RATE_HZ
"""The longest window, ten minutes: what is longer is no window of a stream."""
_MOST_DIMENSIONS = 1_000_000
"""The most values of an embedding: 4 MB, of which a bank keeps hundreds."""
_MOST = 1000
"""More encoder layers, versions of operators or of this description than any model has."""
_LONGEST = 64_000
"""The most characters of a description; those of real models have a thousand."""


@dataclass(frozen=True)
class ModelInfo:
    """The description that a model carries, as JSON under the metadata key ``asd_edge``.

    Raises:
        ValueError: A field has a value of another type, or one that cannot be.
    """

    recipe: str
    """The name of the way in which the embedding is made, such as ``logmel`` or ``beats-asp``."""
    samples: int
    """The length of the input waveform in samples."""
    dimensions: int
    """The number of values in an embedding."""
    precision: str = "fp32"
    """The number format of the large products: ``fp32``, ``fp16`` or ``int8``."""
    scorer: str = "nearest"
    """The scorer that the model was made for."""
    checkpoint_sha256: str | None = None
    """The SHA-256 of the file that the weights come from: a checkpoint, or the ONNX file of a model made elsewhere;
    none where nothing was trained."""
    pooling: str = ""
    """How patch or frame features became one embedding, where the model has such features."""
    layers: int | None = None
    """The number of encoder layers that were kept, where the model has an encoder."""
    patch_grid: tuple[int, int] | None = None
    """The numbers of time blocks and mel blocks of ``patch_weights``, which go through all mel blocks of a time block
    first."""
    reconstruction: bool = False
    """Whether the model rebuilds the window and says how badly, as an autoencoder does."""
    target: str = "any"
    """The execution provider that the graph is made for: ``any``, ``cpu``, or ``cuda``, whose graph other providers
    also take."""
    opset: int = 18
    """The version of the ONNX operator set that the graph needs."""
    parity: dict[str, float] = field(default_factory=dict)
    """How far the model is from PyTorch in float32, as measured at export; empty where there was nothing to compare
    with."""
    parity_clips: str = ""
    """The sound on which that was measured."""
    sample_rate_hz: int = SAMPLE_RATE_HZ
    """The sample rate of the input, always 16 kHz."""
    format: int = MODEL_FORMAT
    """The version of this description."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if not fits(getattr(self, name), kind):
                raise ValueError(f"{name} must be {in_words(kind)}, not {getattr(self, name)!r:.80}")
        if not (1 <= self.samples <= _MOST_SAMPLES and 1 <= self.dimensions <= _MOST_DIMENSIONS):
            raise ValueError(
                f"samples and dimensions must be whole numbers above 0, up to {_MOST_SAMPLES} and {_MOST_DIMENSIONS}, "
                f"not {self.samples} and {self.dimensions}"
            )
        if self.patch_grid is not None and (len(self.patch_grid) != 2 or not all(n > 0 for n in self.patch_grid)):
            raise ValueError(f"the patch grid must be two whole numbers above 0, not {self.patch_grid}")
        for name in ("layers", "opset", "format"):
            if not 0 <= (getattr(self, name) or 0) <= _MOST:
                raise ValueError(f"{name} must be a whole number from 0 to {_MOST}, not {getattr(self, name)}")
        for name, value in self.parity.items():
            if not (fits(name, str) and fits(value, float)) or math.isnan(value):
                raise ValueError(f"the parity must be numbers by name, not {name!r:.80}: {value!r:.80}")
        if self.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the sample rate must be {SAMPLE_RATE_HZ}, not {self.sample_rate_hz}")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the model's outputs, in their order."""
        told = {"embedding": True, "reconstruction_error": self.reconstruction, "patch_weights": bool(self.patch_grid)}
        return tuple(name for name, is_there in told.items() if is_there)

    @property
    def scored(self) -> tuple[str, ...]:
        """The names of the outputs that a scorer looks at."""
        return tuple(name for name in self.outputs if name != "patch_weights")

    @property
    def window_s(self) -> float:
        """The length of the window in seconds."""
        return self.samples / self.sample_rate_hz

    def to_json(self) -> str:
        """Make the metadata value, with sorted keys so that the same model gives the same file."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """Read the metadata value of a model file.

        Raises:
            ModelError: The text is not such a JSON, or a newer version of this program wrote it.
        """
        try:
            if len(text) > _LONGEST:
                raise ValueError(f"it has {len(text)} characters, more than {_LONGEST}")
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
                valid=f"the JSON that `asd-edge export` or `asd-edge adopt` writes under the key '{METADATA_KEY}'",
                next_step="export or adopt the model again",
            ) from error
        raise ModelError(
            "The model was written by a newer version of asd-edge.",
            got=f"model format {version}",
            valid=f"model format {MODEL_FORMAT} or older",
            next_step="pip install --upgrade asd-edge",
        )
