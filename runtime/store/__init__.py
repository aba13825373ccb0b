"""What was heard and what people said about it, in one SQLite file beside a bank."""
