"""How good and how costly: quality on recordings of machines, and what the runtime takes of the machine it runs on."""

import asd_edge.runtime  # noqa: F401  before NumPy, see there
