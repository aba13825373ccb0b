"""How time, memory, energy and the host are measured."""
