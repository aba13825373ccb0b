"""Studies of how good something is."""
