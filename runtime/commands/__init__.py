"""The commands of the device, a file each: they parse, call one function of the library and print."""
