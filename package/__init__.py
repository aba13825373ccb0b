"""asd-edge hears when a machine goes wrong; `asd_edge.runtime` holds what a program needs.

Four packages lie below: `asd_edge.runtime` (the device), `asd_edge.calibration` (what normal means), `asd_edge.export`
(the workstation) and `asd_edge.benchmarks` (how fast and how good).

Nothing leaves the computer. ONNX Runtime sends data about its use to its maker, from version 1.29 on, unless
``ORT_DISABLE_TELEMETRY`` is 1 in the environment before it is loaded. Importing this package sets it, for this process
and for those that it starts; only the value 0, which somebody must have chosen, is left as it is.

Import it before NumPy: it has OpenBLAS, which computes NumPy's products, let its threads sleep when they are done. Left
to itself, that lets them spin for a tenth of a second after a large product, such as a score against a thousand
references; where windows follow each other, the model would have a core less for as long.
"""

import os

__version__ = "0.1.0"

if os.environ.get("ORT_DISABLE_TELEMETRY") != "0":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "14")  # 2**14 cycles, some microseconds
