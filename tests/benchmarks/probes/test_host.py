"""The computer that is measured on is named."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from asd_edge.benchmarks.probes.host import describe_host


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how many cores there are")
def test_the_host_is_named() -> None:
    described = describe_host()
    assert f"{len(os.sched_getaffinity(0))} cores" in described
    assert f"numpy {np.__version__}" in described
