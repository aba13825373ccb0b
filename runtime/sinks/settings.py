"""Where scores and events go.

The command line reads this module for its help, so it imports nothing heavy.
"""

from asd_edge.calibration.settings import settings
from asd_edge.runtime.pipeline.listen_settings import JsonLines


@settings
class SinkSettings:
    """Where scores and events go."""

    json: JsonLines = False
