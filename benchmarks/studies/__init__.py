"""Studies: the figures in the README of the benchmarks, a command each."""
