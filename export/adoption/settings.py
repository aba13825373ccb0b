"""The settings of `asd-edge adopt`."""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration.contract.model_info import SAMPLE_RATE_HZ
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings

POOLS = {"mean": "ReduceMean", "max": "ReduceMax"}
"""The ways to make one embedding of a sequence of frames, and the ONNX operator of each."""


@settings
class AdoptSettings:
    """How a model that was made elsewhere becomes a model for the device.

    Raises:
        InputError: A value is out of its bounds, there is no such pooling, or the model was made for another sample
            rate.
    """

    model: Annotated[Path, Setting("The ONNX file of the model that was made elsewhere.", argument=True)]
    output: Annotated[Path, Setting("The .onnx file to write.")]
    name: Annotated[str | None, Setting("The name of the model, for people.", default="the file's name")] = None
    embedding: Annotated[
        str | None,
        Setting("The name of the output that is the embedding; other outputs are dropped.", default="the only output"),
    ] = None
    pool: Annotated[
        str | None,
        Setting("How frames become one embedding, where the output has one for each frame: mean or max."),
    ] = None
    window_s: Annotated[
        float | None,
        Setting(
            "The length of the window in seconds, for a model that takes any length.",
            default="10, or the length that the model is made for",
            above=0.0,
            at_most=3600.0,
        ),
    ] = None
    rate: Annotated[
        int,
        Setting(
            "The sample rate in Hz that the model was made for; only 16000 can be heard on the device.",
            at_least=1,
            at_most=1_000_000,
        ),
    ] = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if self.pool is not None and self.pool not in POOLS:
            raise InputError(
                "There is no such pooling of frames.",
                got=self.pool,
                valid=", ".join(POOLS),
                next_step="try --pool mean",
            )
        if self.rate != SAMPLE_RATE_HZ:
            raise InputError(
                f"The model was made for {self.rate} Hz, and the device hears every model at {SAMPLE_RATE_HZ} Hz.",
                got=f"--rate {self.rate}",
                valid=f"{SAMPLE_RATE_HZ}: all sound is brought to this rate before a model hears it, so that there is "
                f"nothing above {SAMPLE_RATE_HZ // 2000} kHz in it",
                next_step=f"train the model at {SAMPLE_RATE_HZ} Hz; or, where it can do without that part, let it "
                f"begin with a resampler (torchaudio.transforms.Resample({SAMPLE_RATE_HZ}, {self.rate})), export it "
                "again and leave --rate away",
            )
