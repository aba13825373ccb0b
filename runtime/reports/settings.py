"""What the demo, the doctor and `info` can be asked.

The command line reads this module for its help, so it imports nothing heavy.
"""

from pathlib import Path
from typing import Annotated

from asd_edge.calibration.settings import Setting, settings
from asd_edge.runtime.inference.model_settings import DEFAULT_MODEL, ModelName
from asd_edge.runtime.pipeline.listen_settings import AsJson


@settings
class DemoSettings:
    """What the demo simulates, and where it saves what it found."""

    output: Annotated[Path, Setting("The path of the page with pictures, an HTML file that opens offline.")] = Path(
        "demo.html"
    )
    seed: Annotated[
        int,
        Setting("The seed of the simulated machine; another seed is another machine.", at_least=0, at_most=2**32 - 1),
    ] = 0


@settings
class DoctorSettings:
    """Which model shall run on this computer."""

    model: ModelName = DEFAULT_MODEL


@settings
class InfoSettings:
    """Which file is described."""

    file: Annotated[
        Path,
        Setting(f"The path of a model (.onnx, or '{DEFAULT_MODEL}') or of a bank (.npz).", argument=True),
    ]


@settings
class OutputSettings:
    """How what was found is told."""

    json: AsJson = False
