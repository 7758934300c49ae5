"""What people add to a recording: notes in its pictures, and folds given by hand.

Both go into the journal as records between the frames, so that of them, too, a power failure costs
the last second at most.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..frames import Correction
from ..plain import PlainError, from_plain, plain
from .journal import RecordError
from .possible import MAX_PIXELS

MAX_NOTES, MAX_LETTERS = 20, 40
_FASTEST_M_S = 1e7  # of what any acquisition that is possible can measure, four folds away
_FARTHEST_M = 10.0
# Index of the frame, depths, lines.
_BY_HAND = struct.Struct("<qII")

Place = tuple[float, float]


@dataclass(frozen=True)
class Note:
    """A text in the body.

    Attributes
    ----------
    text : str
    tip_m, text_m : tuple of float
        (x, z) where the arrow points, and of the middle of the text.
    """

    text: str
    tip_m: Place
    text_m: Place


def told_notes(notes: Sequence[Note]) -> list[object]:
    """Return notes as JSON knows them."""
    return [plain(note) for note in notes]


def notes_from(told: object) -> tuple[Note, ...]:
    """Read what :func:`told_notes` made.

    Raises
    ------
    RecordError
        They are not notes, or not in a body.
    """
    if not isinstance(told, list) or len(told) > MAX_NOTES:
        raise RecordError("notes of no possible number")
    try:
        notes = tuple(from_plain(Note, each, "note") for each in told)
    except PlainError as error:
        raise RecordError(str(error)) from error
    for note in notes:
        is_near = all(abs(value) <= _FARTHEST_M for value in (*note.tip_m, *note.text_m))
        if not (0 < len(note.text) <= MAX_LETTERS and is_near):
            raise RecordError("a note of no possible length or place")
    return notes


def correction_pieces(index: int, correction: Correction | None) -> tuple[bytes, ...]:
    """Payload of the record that says what was given to a frame by hand; None takes it back."""
    if correction is None:
        return (_BY_HAND.pack(index, 0, 0),)
    given = correction.given
    return (
        _BY_HAND.pack(index, *given.shape),
        np.packbits(given).tobytes(),
        correction.velocity_m_s[given].astype("<f4").tobytes(),
    )


def read_correction(payload: memoryview | bytes) -> tuple[int, Correction | None]:
    """Read what :func:`correction_pieces` made: index of the frame, and what was given.

    Raises
    ------
    RecordError
    """
    if len(payload) < _BY_HAND.size:
        raise RecordError("folds by hand that are cut off")
    index, *shape = _BY_HAND.unpack_from(payload)
    n_pixels = math.prod(shape)
    split = _BY_HAND.size + -(-n_pixels // 8)
    if n_pixels > MAX_PIXELS or len(payload) < split:
        raise RecordError("folds by hand of no possible size")
    bits = np.frombuffer(payload[_BY_HAND.size : split], np.uint8)
    given = np.unpackbits(bits, count=n_pixels).astype(bool).reshape(shape)
    if len(payload) != split + 4 * np.count_nonzero(given):
        raise RecordError("folds by hand of another number than was given")
    if not given.any():
        return index, None
    velocity_m_s = np.zeros(shape, np.float32)
    velocity_m_s[given] = np.frombuffer(payload[split:], "<f4")
    correction = Correction(velocity_m_s, given)
    check_correction(correction)
    return index, correction


def check_correction(correction: Correction) -> None:
    """Refuse velocities that nothing in a body has.

    Raises
    ------
    RecordError
    """
    # Written so that NaN fails too.
    if not float(np.abs(correction.velocity_m_s).max()) <= _FASTEST_M_S:
        raise RecordError("velocities by hand that are not possible")
