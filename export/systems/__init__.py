"""The systems that are trained and exported, a module or a folder each."""
