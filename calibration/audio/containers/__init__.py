"""What the headers of sound files announce, and what is there: one small reader for each kind of container.

The decoder reads what there is of a file and does not say what is missing, so completeness is found out here. No light
library does that: those that read headers read names of songs, and those that compare lengths are whole decoders.
"""
