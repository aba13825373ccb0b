"""Parts are found by their entry points."""

import pytest

from asd_edge.calibration import plugins
from asd_edge.calibration.errors import InputError


def test_parts_of_this_package_are_listed_by_name() -> None:
    assert set(plugins.names("commands")) >= {"demo", "enroll", "evaluate"}
    assert plugins.names("commands") == sorted(plugins.names("commands"))


def test_an_unknown_name_is_told_with_all_that_there_are() -> None:
    with pytest.raises(InputError, match=r"There is no command of that name") as error:
        plugins.load("commands", "dance", "asd-edge")
    assert error.value.got == "dance"
    assert "enroll" in error.value.valid


def test_a_part_is_imported_when_it_is_used() -> None:
    from asd_edge.runtime.commands.info import info

    assert plugins.load("commands", "info", "asd-edge") is info
