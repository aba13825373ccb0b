"""Recording from microphones through PortAudio, in a process of its own."""
