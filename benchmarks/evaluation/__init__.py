"""How well faults are found: the command `asd-edge evaluate`, and the same from Python."""
