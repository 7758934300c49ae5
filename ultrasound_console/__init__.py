"""Live colour Doppler with the aliasing removed.

Research software. Not a medical device. Not for diagnosis.
"""

__version__ = "0.1.0"
