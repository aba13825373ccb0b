"""Inputs that nobody meant: whole ones in which something was changed.

Every input comes from the number of the trial alone: `Mutations.input` gives it again.
"""

import copy
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]
"""Makes an input of whole ones, by nothing but the random numbers that it is given."""

ODD_VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 0.5, 1 << 31, -(1 << 63), 10**30, 1e300, True),
    *(None, "", "1", "\0", [], [0], {}, [[[]]]),
)
"""What takes the place of a value of a JSON, whatever that was."""
_NUMBERS = (
    *(0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32_767, 32_768, 65_535),
    *(1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
_HEAD_BYTES = 128
"""Headers are where a reader can be led astray, so that half of all mutations fall on so many bytes."""


@dataclass(frozen=True)
class Mutations:
    """The inputs of a run."""

    seeds: Sequence[bytes]
    seed: int
    mutate: Mutate

    def input(self, trial: int) -> bytes:
        """The input of a trial."""
        return self.mutate(random.Random(f"{self.seed} {trial}"), self.seeds)  # noqa: S311  no secret


def mutate_bytes(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change a whole input in one to eight places, most of them in its header: bits, numbers, lengths, order."""
    content = bytearray(rng.choice(seeds))
    for _ in range(1 << rng.randrange(4)):
        rng.choice(_CHANGES)(rng, content, seeds)
    return bytes(content)


def _place(rng: random.Random, content: bytearray) -> int:
    """A place in the input: half of the time one of its first bytes."""
    within = min(len(content), _HEAD_BYTES) if rng.random() < 0.5 else len(content)
    return rng.randrange(within) if within else 0


def _flip(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[_place(rng, content)] ^= 1 << rng.randrange(8)


def _set_byte(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    if content:
        content[_place(rng, content)] = rng.choice((0, 1, 32, 47, 48, 57, 127, 128, 255, rng.randrange(256)))


def _set_number(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at, (form, largest) = _place(rng, content), rng.choice((("H", 16), ("I", 32), ("Q", 64)))
    number = rng.choice((*_NUMBERS, len(content), rng.getrandbits(largest))) % (1 << largest)
    data = struct.pack(rng.choice("<>") + form, number)
    content[at : at + len(data)] = data


def _shift_number(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A length that is off by a little."""
    at = _place(rng, content)
    order: Any = rng.choice(("little", "big"))
    number = int.from_bytes(content[at : at + 4], order) + rng.randrange(-16, 17)
    content[at : at + 4] = (number % (1 << 32)).to_bytes(4, order)


def _cut_end(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    del content[_place(rng, content) :]


def _cut_out(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, content)
    del content[at : at + rng.choice((1, 2, 4, 16, rng.randrange(1, 4096)))]


def _put_in(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, content)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 256)))


def _repeat(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, content)
    piece = content[at : at + rng.choice((1, 4, 16, 256, 4096))]
    content[at:at] = piece * rng.choice((1, 2, 16))


def _splice(rng: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    """The beginning of this input and the end of another."""
    other = rng.choice(seeds)
    content[_place(rng, content) :] = other[rng.randrange(len(other) + 1) :]


_CHANGES = (_flip, _set_byte, _set_number, _set_number, _shift_number, _cut_end, _cut_out, _put_in, _repeat, _splice)


def change_value(rng: random.Random, values: Any, odd: Sequence[Any]) -> None:
    """Change or remove one value of a JSON, here or in what is nested.

    Args:
        rng: The random numbers that say which, and how.
        values: The object or the list, which is changed in place.
        odd: What takes the place of a value.
    """
    keys = list(values) if isinstance(values, dict) else list(range(len(values)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(values[key], (dict, list)) and values[key] and rng.random() < 0.7:
        change_value(rng, values[key], odd)
    elif rng.random() < 0.15:
        del values[key]
    else:
        values[key] = copy.deepcopy(rng.choice(odd))
