"""Studies of whether it stays that way: long runs, and input that nobody expects."""
