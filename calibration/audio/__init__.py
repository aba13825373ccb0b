"""Sound as numbers: opened files, one channel of them, and the windows that are cut from it."""
