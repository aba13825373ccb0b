"""The command `asd-edge bench`: what this device can do."""
