"""The command `asd-edge evaluate`: how well faults are found."""
