"""The attentive pooling of [ASP] for BEATs: the settings of its training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.export.beats.feature_settings import CHECKPOINT, FeatureTrainSettings
from asd_edge.export.training.job import Job, Preparation, System

TYPE_ONLY = "beats-asp-type"
WITH_ATTRIBUTES = "beats-asp"


@settings(kw_only=True)
class AspLosses:
    """The head and its losses; the defaults are the values of [ASP], section 2."""

    attributes: Annotated[bool, Setting("Whether attributes are told apart beside the machine types.", hidden=True)] = (
        True
    )
    attention: Annotated[int, Setting("The width of the attention's inner layer, d_a.", at_least=1, at_most=65536)] = (
        128
    )
    projection: Annotated[
        int, Setting("The width of the projection that training alone uses, E.", at_least=1, at_most=65536)
    ] = 512
    scale: Annotated[float, Setting("The scale s of ArcFace.", above=0.0, at_most=1e6)] = 30.0
    margin: Annotated[float, Setting("The margin m of ArcFace in radians.", at_least=0.0, at_most=3.14)] = 0.5
    type_weight: Annotated[
        float, Setting("The weight beta of telling machine types apart.", at_least=0.0, at_most=1e6)
    ] = 1.0
    attribute_weight: Annotated[
        float,
        Setting(
            "The weight gamma of a machine's attributes, which share it where there are several.",
            at_least=0.0,
            at_most=1e6,
        ),
    ] = 0.2

    @property
    def weight(self) -> float | None:
        """The weight of all attributes of a machine together; none where attributes are not told apart."""
        return self.attribute_weight if self.attributes else None

    @property
    def system(self) -> str:
        """The name of the system."""
        return WITH_ATTRIBUTES if self.attributes else TYPE_ONLY


@settings(kw_only=True)
class AspSettings(FeatureTrainSettings, AspLosses):
    """Attentive pooling for BEATs, learned by telling machine types and their attributes apart.

    [ASP] does not say how it was trained. A head has 0.1 million weights and its classifiers 0.8 million, so that this
    is AdamW at its usual rate, which falls to zero, with the usual weight decay. With 64 windows, batch normalisation
    has its statistics and the features of a batch take 100 MB in single precision.
    """

    checkpoint: Annotated[Path, CHECKPOINT]
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    falling: bool = True

    def jobs(self, preparation: Preparation) -> Iterator[Job]:
        """The training of one head for all machines."""
        from asd_edge.export.systems.beats_asp.training import jobs

        return jobs(self, preparation)

    def next_command(self) -> str:
        """The export of BEATs with this head."""
        same = [f"--layers {self.layers}"] if self.layers else []
        same += [f"--window {self.window_s:g}"] if self.window_s != type(self).window_s else []
        given = [f"--checkpoint {self.checkpoint}", "--pooling asp", f"--head {self.output}", *same]
        return f"export beats {' '.join(given)} --output {self.output.with_suffix('.onnx')}"


@settings(kw_only=True)
class AspTypeSettings(AspSettings):
    """Attentive pooling for BEATs, learned by telling machine types apart."""

    attributes: bool = False


SYSTEM = System(train=AspSettings)
TYPE_SYSTEM = System(train=AspTypeSettings)
