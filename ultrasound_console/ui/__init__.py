"""The window: wiring only, no computing."""
