"""The frozen loop: its bar, its strip, playing."""
