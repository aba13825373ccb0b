"""asd-edge hears when a machine goes wrong; `asd_edge.runtime` holds what a program needs.

Four packages lie below: `asd_edge.runtime` (the device), `asd_edge.calibration` (what normal means), `asd_edge.export`
(the workstation) and `asd_edge.benchmarks` (how fast and how good).
"""

__version__ = "0.1.0"
