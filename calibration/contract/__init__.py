"""What a model and a bank promise each other: the description, the output, the references, the parity."""
