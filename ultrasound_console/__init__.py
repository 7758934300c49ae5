"""Live colour Doppler with the aliasing removed."""

__version__ = "0.1.0"
BANNER = "Research software. Not a medical device. Not for diagnosis."
"""Stands on everything that shows or holds what was measured."""
