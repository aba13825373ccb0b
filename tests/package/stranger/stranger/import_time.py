"""A study with one setting."""

import subprocess
import sys
import time
from typing import Annotated

from asd_edge.calibration.settings import Setting, settings


@settings
class ImportTimeSettings:
    """What is imported."""

    module: Annotated[str, Setting("The name of the module to import.")] = "json"


def import_time(settings: ImportTimeSettings) -> None:
    """How long a new Python takes to import a module."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {settings.module}"], check=True)
    print(f"{settings.module}: {time.monotonic() - began:.3f} s")
