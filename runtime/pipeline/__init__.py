"""From sound to decisions: windows, their queue, sensor faults, and listening to machines."""
