"""Studies of the project itself."""
