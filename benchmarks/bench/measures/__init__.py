"""What is measured of each combination: its time, microphones, quality, and what these are measured with."""
