"""Where frames come from: the simulated probe, recordings, scanners."""

from __future__ import annotations

from .protocol import Source, SourceError, open_source, source_names

__all__ = ["Source", "SourceError", "open_source", "source_names"]
