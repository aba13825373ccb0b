"""Data sets in the layout of DCASE Task 2, and the measures and files of its challenges."""
