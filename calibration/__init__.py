"""What "normal" means for one machine: the bank of normal embeddings, its scorer, threshold and alarm, and the measures.

NumPy and SciPy only, so that the same code serves the device and the workstation.
"""
