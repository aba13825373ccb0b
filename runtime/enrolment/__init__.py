"""Enrolling: minutes of normal sound in, a bank out; what is added to a bank, and what waits beside it."""
