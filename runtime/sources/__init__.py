"""Where sound comes from, one way a module."""
