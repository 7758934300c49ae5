"""What takes longer than a moment: said where it is looked for, and taken away by itself."""

from __future__ import annotations

from pathlib import Path

from ..sources.protocol import SIMULATED
from ..status import EngineStatus, State
from .messages import MessageBar, StatusLine

AFTER_S = 0.5
"""What is done sooner is not mentioned."""


class Progress:
    """Above the pictures says what they wait for, and in the line below what goes on beside them.

    Parameters
    ----------
    message : MessageBar
    line : StatusLine
    """

    def __init__(self, message: MessageBar, line: StatusLine) -> None:
        self._message, self._line = message, line
        self._since_s: dict[str, float] = {}
        self._noted: dict[str, str] = {}

    def note(self, kind: str, text: str) -> None:
        """Say what the screen itself is busy with; nothing more of the kind with an empty text."""
        self._noted[kind] = text

    def show(self, status: EngineStatus, state: State, now_s: float) -> None:
        """Follow the engine.

        Parameters
        ----------
        status : EngineStatus
        state : State
            As it is shown.
        now_s : float
        """
        noted = {kind: _plain(text) for kind, text in self._noted.items() if text}
        going_on = _going_on(status) | noted
        self._since_s = {kind: self._since_s.get(kind, now_s) for kind in going_on}
        lasting = {
            kind: text.format(seconds=now_s - self._since_s[kind])
            for kind, text in going_on.items()
            if now_s - self._since_s[kind] >= AFTER_S
        }
        waited_for = {_OPENING}
        if state is State.PREPARING:
            waited_for |= {_COMPILING, _FILLING}
            waited_for |= {_NETWORK} if status.acquisition is not None else set()
        above = next((text for kind, text in lasting.items() if kind in waited_for), "")
        below = next((text for text in lasting.values() if text != above), "")
        if not above:
            self._message.end_progress()
        elif not self._message.say_progress(above):
            below = above  # an error has the place above
        else:
            below = ""
        self._line.show_progress(below)


_OPENING, _NETWORK, _COMPILING, _FILLING = "opening", "network", "compiling", "filling"


def _going_on(status: EngineStatus) -> dict[str, str]:
    """Everything that goes on, what most waits for first."""
    texts = {}
    if status.compiling:
        texts[_COMPILING] = (
            f"First start: compiling for this processor, kernel {status.n_compiled + 1} "
            f"({status.compiling}). Up to a minute, once."
        )
    if status.opening:
        of_program = status.opening.startswith(SIMULATED)
        name = status.opening if of_program else Path(status.opening).name
        texts[_OPENING] = f"Opening {_plain(name)}: {{seconds:.0f}} s"
    if status.loads_network:
        texts[_NETWORK] = (
            "First start: preparing the network that finds the folds"
            if status.n_compiled
            else "Loading the network that finds the folds"
        )
    if status.filling is not None:
        made, wanted = status.filling
        texts[_FILLING] = f"Making the heart cycle: {made} of {wanted} frames"
    return texts


def _plain(name: str) -> str:
    """Keep braces in a name from being filled in."""
    return name.replace("{", "{{").replace("}", "}}")
