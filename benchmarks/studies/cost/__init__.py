"""Studies of what things cost: time, memory, and how both grow."""
