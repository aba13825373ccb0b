"""A package of somebody else that brings a part of each kind."""
