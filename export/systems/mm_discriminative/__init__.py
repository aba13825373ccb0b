"""The multi-modal discriminative system of [MM]."""
