"""Where scores and events go: the protocol of a sink, how one is opened by name, and each sink in a file of its own."""
