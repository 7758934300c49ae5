"""Slow, ordinary and fast flow: what is set together for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .declared import Value
from .settings import Settings


@dataclass(frozen=True)
class FlowState:
    """Settings for one kind of flow; all states name the same settings.

    Attributes
    ----------
    name, description : str
        On the button; in its tooltip.
    changes : mapping
        Value of each setting, by name.
    """

    name: str
    description: str
    changes: Mapping[str, Value]

    def is_in_force(self, settings: Settings) -> bool:
        """Whether none of its settings has another value."""
        return all(settings.get(name) == value for name, value in self.changes.items())


FLOW_STATES = (
    FlowState(
        "Low",
        "Slow and weak flow: veins, small vessels. Sensitive, and calmer in time.",
        {
            "prf_hz": 1000.0,
            "ensemble": 16,
            "wall_filter": "low",
            "wall_cutoff_m_s": 0.0,
            "smoothing_m": 0.001,
            "persistence_s": 0.2,
            "flow_power_db": 6.0,
        },
    ),
    FlowState(
        "General",
        "Ordinary arteries: what the console starts with.",
        {
            "prf_hz": 3000.0,
            "ensemble": 12,
            "wall_filter": "polynomial-1",
            "wall_cutoff_m_s": 0.0,
            "smoothing_m": 0.0008,
            "persistence_s": 0.0,
            "flow_power_db": 8.0,
        },
    ),
    FlowState(
        "High",
        "Fast flow: stenoses and jets. Sharper, and quicker in time.",
        {
            "prf_hz": 6000.0,
            "ensemble": 10,
            "wall_filter": "medium",
            "wall_cutoff_m_s": 0.0,
            "smoothing_m": 0.0006,
            "persistence_s": 0.0,
            "flow_power_db": 10.0,
        },
    ),
)
