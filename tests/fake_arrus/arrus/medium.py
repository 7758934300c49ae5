from dataclasses import dataclass


@dataclass(frozen=True)
class Medium:
    name: str
    speed_of_sound: float
