"""A word back from people: what alarms were, what shadow days heard, and what a bank learns from it."""
