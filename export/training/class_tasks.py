"""What a system learns to tell apart: machine types and the attributes of each machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asd_edge.calibration.dcase.data_set import Clip
from asd_edge.calibration.errors import InputError


@dataclass(frozen=True)
class AttributeTask:
    """One attribute of one machine to classify."""

    machine: str
    """the name of the machine"""
    parameter: str
    """the name of the attribute"""
    values: tuple[str, ...]
    """the classes, two or more"""
    weight: float
    """the weight of the loss of its samples; the attributes of a machine share one weight"""


@dataclass(frozen=True)
class Tasks:
    """The tasks of a system: the machine types and the attributes that it tells apart."""

    types: tuple[str, ...]
    """the machine types, two or more"""
    attributes: tuple[AttributeTask, ...]
    """the attributes; none where they are not classified"""

    @classmethod
    def of(cls, clips: Sequence[Clip], attribute_weight: float | None) -> Tasks:
        """Find the tasks in training clips.

        Every attribute of every machine is a task, if it has more than one value: an attribute that never changes has
        nothing to tell apart, and does not count in K either. A clip that lacks an attribute of its machine takes no
        part in that task.

        Args:
            clips: The training clips.
            attribute_weight: The weight of the attributes of a machine, which its K attributes share. With none,
                attributes are not classified.

        Raises:
            InputError: There are fewer than two machine types.
        """
        types = sorted({clip.machine_type for clip in clips})
        if len(types) < 2:
            raise InputError(
                "There are no two machine types to tell apart.",
                got=types[0] if types else "no training clips",
                valid="training clips of two machine types or more, each in a folder of its own",
                next_step="add the folders of other machines, or take a model without training: asd-edge export beats",
            )
        if attribute_weight is None:
            return cls(tuple(types), ())
        found: dict[str, dict[str, set[str]]] = {}
        for clip in clips:
            for parameter, value in clip.attributes:
                found.setdefault(clip.machine, {}).setdefault(parameter, set()).add(value)
        tasks = []
        for machine, parameters in sorted(found.items()):
            changing = {parameter: values for parameter, values in parameters.items() if len(values) > 1}
            tasks += [
                AttributeTask(machine, parameter, tuple(sorted(values)), attribute_weight / len(changing))
                for parameter, values in changing.items()
            ]
        return cls(tuple(types), tuple(tasks))

    def labels(self, clips: Iterable[Clip]) -> NDArray[np.int64]:
        """The class of each clip in each task, the machine type first: ``(clips, 1 + attributes)``; -1 for none."""
        return np.array([[self.types.index(clip.machine_type), *self._attribute_labels(clip)] for clip in clips])

    def describe(self) -> str:
        """The tasks in words: "2 machine types; attributes: pump speed (2)"."""
        attributes = ", ".join(f"{task.machine} {task.parameter} ({len(task.values)})" for task in self.attributes)
        return f"{len(self.types)} machine types{f'; attributes: {attributes}' if attributes else ''}"

    def _attribute_labels(self, clip: Clip) -> list[int]:
        values = dict(clip.attributes)
        return [
            task.values.index(values[task.parameter])
            if clip.machine == task.machine and task.parameter in values
            else -1
            for task in self.attributes
        ]
