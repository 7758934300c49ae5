"""Where frames come from: the simulated probe, recordings, scanners."""

from __future__ import annotations

from .protocol import Annotated, NoPrfError, Source, SourceError, open_source, source_names

__all__ = ["Annotated", "NoPrfError", "Source", "SourceError", "open_source", "source_names"]
