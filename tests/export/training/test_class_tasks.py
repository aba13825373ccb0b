"""What there is to tell apart in training clips, with labels and weights worked by hand."""

from __future__ import annotations

import pytest
from dcase_clips import TOLD_CLIPS, told_clip

from asd_edge.calibration.dcase.data_set import Clip
from asd_edge.calibration.errors import InputError
from asd_edge.export.training.class_tasks import Tasks


def test_machines_with_no_one_and_two_attributes() -> None:
    """Weights 0.2 / K by hand: none for the fan, 0.2 for the pump's speed, 0.1 for each of the valve's two."""
    tasks = Tasks.of(TOLD_CLIPS, 0.2)
    assert tasks.types == ("fan", "pump", "valve")
    found = {(task.machine, task.parameter): (task.values, task.weight) for task in tasks.attributes}
    assert found == {
        ("pump", "speed"): (("1", "2"), pytest.approx(0.2)),
        ("valve", "load"): (("a", "b"), pytest.approx(0.1)),
        ("valve", "pos"): (("x", "y", "z"), pytest.approx(0.1)),
    }
    expected = [[0, -1, -1, -1], [0, -1, -1, -1], [1, 0, -1, -1], [1, 1, -1, -1]]
    expected += [[2, -1, 0, 0], [2, -1, 1, 1], [2, -1, 0, 2]]
    assert tasks.labels(TOLD_CLIPS).tolist() == expected
    assert tasks.describe() == "3 machine types; attributes: pump speed (2), valve load (2), valve pos (3)"


def test_without_attributes_only_types_are_classified() -> None:
    tasks = Tasks.of(TOLD_CLIPS, None)
    assert tasks.attributes == ()
    assert tasks.labels(TOLD_CLIPS).tolist() == [[0], [0], [1], [1], [2], [2], [2]]
    assert tasks.describe() == "3 machine types"


def test_an_attribute_that_never_changes_is_no_task_and_does_not_share_the_weight() -> None:
    pumps = [told_clip("pump", index, ("speed", str(index)), ("oil", "new")) for index in range(2)]
    tasks = Tasks.of([*TOLD_CLIPS[:2], *pumps], 0.2)
    assert [(task.parameter, task.weight) for task in tasks.attributes] == [("speed", 0.2)]


def test_a_clip_that_lacks_an_attribute_takes_no_part_in_its_task() -> None:
    clips = [*TOLD_CLIPS, told_clip("pump", 2)]
    tasks = Tasks.of(clips, 0.2)
    assert tasks.labels(clips)[-1].tolist() == [1, -1, -1, -1]
    assert tasks.attributes[0].weight == pytest.approx(0.2)


@pytest.mark.parametrize("clips", [TOLD_CLIPS[:2], []])
def test_one_machine_type_is_refused(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match="no two machine types") as raised:
        Tasks.of(clips, 0.2)
    assert raised.value.got == ("fan" if clips else "no training clips")
    assert "two machine types" in raised.value.valid
