import pytest

from asd_edge.calibration.errors import (
    BankError,
    DeviceError,
    InputError,
    ModelError,
    SoundError,
    WrongDeviceError,
    in_one_line,
)


@pytest.mark.parametrize("kind", [InputError, BankError, ModelError, SoundError, DeviceError, WrongDeviceError])
def test_an_error_shows_its_four_parts_a_line_each(kind: type[InputError]) -> None:
    error = kind("The hop is negative.", got=-1, valid="above 0", next_step="try --hop 5")
    assert isinstance(error, InputError)
    assert str(error).splitlines() == [
        "The hop is negative.",
        "  got:   -1",
        "  valid: above 0",
        "  next:  try --hop 5",
    ]


def test_a_value_of_0_is_shown() -> None:
    assert "got:   0" in str(InputError("No threads.", got=0))


def test_parts_that_were_not_given_are_left_out() -> None:
    assert str(InputError("There is no microphone.", next_step="plug one in")) == (
        "There is no microphone.\n  next:  plug one in"
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("The hop is negative.", got=-1, valid="above 0"), "The hop is negative. -1"),
        (InputError("There is no microphone.", next_step="plug one in"), "There is no microphone."),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_in_one_line_it_is_what_is_wrong_and_the_value(error: Exception, line: str) -> None:
    assert in_one_line(error) == line
