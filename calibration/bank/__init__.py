"""The bank: what was learned from the normal sound of one machine, and the file that keeps it."""
