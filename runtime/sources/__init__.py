"""Where sound comes from: the protocol of a source, how one is opened by name, and each source in a file of its own."""
