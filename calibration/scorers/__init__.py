"""The scorers: how far a window is from normal sound, one way a module."""
