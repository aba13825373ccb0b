"""The command `asd-edge augment`: new training clips of the parts of others."""

import logging

from asd_edge.calibration.command_line import options
from asd_edge.calibration.console import say
from asd_edge.calibration.wording import counted, visible
from asd_edge.export.separation.settings import AugmentSettings

log = logging.getLogger(__name__)


@options
def augment(chosen: AugmentSettings) -> None:
    """Make new training clips: foregrounds over the backgrounds of other clips (needs the 'train' extra)."""
    from asd_edge.export.separation.augmented_data import TABLE
    from asd_edge.export.separation.augmented_data import augment as make

    try:
        made = make(chosen)
    except KeyboardInterrupt:
        log.warning("Stopped: the same command with --resume goes on with the next clip.")
        raise
    output = chosen.output
    table = visible(output / TABLE)
    new = counted(made.made, "new clip")
    say(f"{visible(output)}: {new} beside {made.originals}; {table} says what they are made of")
    say(f"Next: asd-edge train ... --data {visible(output)}")
