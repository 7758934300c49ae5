"""The window for engineers."""
