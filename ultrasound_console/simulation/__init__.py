"""A simulated patient: flow in vessels, the tissue around them, and the echoes of both."""

from __future__ import annotations

from .scan import Scan, ScanFrame, plan
from .scenes import SCENES, Scene

__all__ = ["SCENES", "Scan", "ScanFrame", "Scene", "plan"]
