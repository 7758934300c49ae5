"""A simulated patient: flow in vessels, the tissue around them, and the echoes of both."""

from __future__ import annotations

from .heart import driven
from .plan import plan
from .random_scenes import random_scene
from .scan import Scan, ScanFrame
from .scenes import SCENES, Scene

__all__ = ["SCENES", "Scan", "ScanFrame", "Scene", "driven", "plan", "random_scene"]
