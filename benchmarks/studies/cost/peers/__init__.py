"""How fast BEATs and a score are, beside what a user would pick instead."""
