"""Taking a machine and its surroundings apart, and making new training clips of the parts."""
