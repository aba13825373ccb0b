"""Front ends, networks and losses that the systems are made of."""
