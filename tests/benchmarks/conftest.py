"""What the tests of the benchmarks share."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def undisturbed() -> Iterator[None]:
    """No round counts as disturbed: other tests run meanwhile, and would have rounds repeated until they end."""
    from asd_edge.benchmarks.probes import interleaved

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interleaved, "_DISTURBED", math.inf)
        yield
