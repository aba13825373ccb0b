"""Where scores and events go, one way a module."""
