"""Which machines are listened to.

The command line reads this module for its help, so it imports nothing heavy.
"""

import os
from pathlib import Path
from typing import Annotated

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError
from asd_edge.calibration.settings import Setting, settings

Realtime = Annotated[bool, Setting("Whether files are played at the pace they were recorded at.")]
RequireDevices = Annotated[
    bool,
    Setting(
        "Whether a microphone, or another live source, that is not there when listening begins is an error, instead of "
        "being waited for."
    ),
]


@settings
class MachineSettings:
    """Which machine is listened to: what is normal for it, and where its sound comes from."""

    bank: Annotated[Path, Setting("The path of the bank of the machine, such as pump.npz.")]
    device: Annotated[
        str | None,
        Setting("The microphone: its name, a part of it, or its index.", default="the one that the bank remembers"),
    ] = None
    input: Annotated[
        tuple[str, ...],
        Setting("Sound files and folders instead of a microphone, or one address such as simulated:seed=3."),
    ] = ()
    realtime: Realtime = False
    require_devices: RequireDevices = False


@settings
class MachinesSettings:
    """Which machines are listened to.

    This is how the command line names them: the first bank belongs to the first device or input, and so on.
    """

    bank: Annotated[
        tuple[Path, ...],
        Setting("The path of the bank of a machine, such as pump.npz; it can be repeated, once for each machine."),
    ]
    device: Annotated[
        tuple[str, ...],
        Setting(
            "The microphone: its name, a part of it, or its index; with several --bank, one for each in their order.",
            default="the one that the bank remembers",
        ),
    ] = ()
    input: Annotated[
        tuple[str, ...],
        Setting(
            "A sound file or a folder of them instead of a microphone, or an address such as simulated:seed=3; with "
            "several --bank, one for each in their order. The kinds of addresses are "
            f"{', '.join(plugins.names('sources'))}."
        ),
    ] = ()
    realtime: Realtime = False
    require_devices: RequireDevices = False

    def __post_init__(self) -> None:
        single = len(self.bank) == 1
        for option, given in (("--device", self.device), ("--input", () if single else self.input)):
            if given and len(given) != len(self.bank):
                raise InputError(
                    f"Every --bank needs its {option}.",
                    got=f"{len(self.bank)} --bank, {len(given)} {option}",
                    valid=f"as many of both, in the same order; without {option}, the microphones that the banks "
                    "remember",
                    next_step="asd-edge listen --device A --bank a.npz --device B --bank b.npz",
                )
        # Links that lead in a circle stay as they are here, and are told when the bank is read.
        places = [os.path.realpath(bank) for bank in self.bank]
        if twice := [bank for bank, place in zip(self.bank, places, strict=True) if places.count(place) > 1]:
            raise InputError(
                "The same bank was given twice.",
                got=twice[0],
                valid="a bank for each machine",
                next_step="leave one away, or enroll the other machine into a bank of its own",
            )
        if not single and (indices := [device for device in self.device if device.isascii() and device.isdigit()]):
            # The sound system leaves off its list what is being recorded from, so that the others move up.
            raise InputError(
                "Several microphones cannot go by their indices, which change as one after the other is opened.",
                got=f"--device {indices[0]}",
                valid="names, or parts of them",
                next_step="see the names with `asd-edge devices`",
            )

    def each(self) -> list[MachineSettings]:
        """The machines one by one, in the order of their banks. A single one takes all inputs."""
        single = len(self.bank) == 1
        return [
            MachineSettings(
                bank,
                self.device[at] if self.device else None,
                self.input if single else self.input[at : at + 1],
                self.realtime,
                self.require_devices,
            )
            for at, bank in enumerate(self.bank)
        ]
