"""What "normal" means for one machine: bank, scorer, threshold and alarm; and the measures of how well that works.

NumPy and SciPy only, so that the same code serves the device and the workstation.
"""
