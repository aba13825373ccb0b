"""From sound to decisions: windows, their queue, sensor faults, enrolling and listening."""
