"""The commands of the workstation: they parse, call one function of the library and print."""
