"""Which reader a file needs: told by what is in it, not by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from .fields import RECORD_AGAIN, display_name, refusal
from .hdf5 import open_hdf5

if TYPE_CHECKING:
    from .recording import AnyRecording

_LZO = b"\x89LZO\x00\r\n\x1a\n"


def read_recording(path: Path, prf_hz: float | None = None) -> AnyRecording:
    """Read a recording of any known format, told apart by its content.

    Parameters
    ----------
    path : Path
        MUST ``.mat``, UFF, zea, Clarius ``.raw``, capture of gui4us or mapping file.
    prf_hz : float, optional
        Rate of the pulses, used only where the file does not say it.

    Raises
    ------
    SourceError
        No such file, or one that cannot be used; the message names file and field.
    """
    path = Path(path)
    reader = _reader(path, display_name(path))
    # Damaged values may be anything; they are checked after the arithmetic, not before.
    with np.errstate(all="ignore"):
        return reader(path, prf_hz)


def _reader(path: Path, name: str) -> Callable[[Path, float | None], AnyRecording]:
    """Choose the reader by the first bytes and, for HDF5, by the names inside."""
    from .clarius import SUFFIXES, read_clarius
    from .gui4us import read_gui4us
    from .mapped import read_mapped
    from .mapping import SUFFIX
    from .must import read_must
    from .pickled_values import MAGIC
    from .uff import read_uff
    from .uff_beamformed import beamformed_group, channel_group, read_uff_beamformed
    from .zea import read_zea
    from .zea_beamformed import read_zea_beamformed, track_with

    head = _head(path, name)
    if _is_hdf5(path, name):
        with open_hdf5(path) as file:
            roots = file.names()
            if "param" in roots and ("RF" in roots or "IQ" in roots):
                return read_must
            has_channels = track_with(file, "raw_data") is not None
            if not has_channels and track_with(file, "beamformed_data") is not None:
                return read_zea_beamformed
            if has_channels or "tracks" in roots:
                return read_zea
            if channel_group(file) is not None:
                return read_uff
            if beamformed_group(file) is not None:
                return read_uff_beamformed
        problem = "HDF5 without channel data of a known layout"
    elif head[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):
        return read_must
    elif path.suffix.lower() == SUFFIX:
        return read_mapped
    elif path.suffix.lower() in SUFFIXES:
        return read_clarius
    elif head[:1] == MAGIC:
        return read_gui4us
    elif head[:9] == _LZO:
        problem = "compressed with LZO"
        raise refusal(name, "", problem, "unpack it (lzop -d) and open the .raw file")
    elif path.suffix.lower() == ".tar":
        problem = "an archive"
        raise refusal(name, "", problem, "unpack it, and with lzop -d the .lzo files inside")
    elif head[:4] == b"PK\x03\x04":
        problem = "an archive, whose arrays do not say what they are"
        raise refusal(name, "", problem, "open a mapping file that tells (docs/your-own-data.md)")
    else:
        problem = "not a recording of a known format"
    advice = "give MUST, UFF, zea, Clarius or gui4us data, or a mapping file"
    raise refusal(name, "", problem, advice)


def _head(path: Path, name: str) -> bytes:
    """First bytes of a file, or the reason why there are none."""
    try:
        if path.is_dir():
            raise refusal(name, "", "a folder", "give a file")
        if not path.exists():
            raise refusal(name, "", "no such file", "check the name")
        if not path.is_file():
            raise refusal(name, "", "not a regular file", "give a recording")
        with path.open("rb") as file:
            head = file.read(128)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise refusal(name, "", f"cannot be opened ({reason})", "check name and rights") from error
    if not head:
        raise refusal(name, "", "empty", RECORD_AGAIN)
    return head


def _is_hdf5(path: Path, name: str) -> bool:
    try:
        return bool(h5py.is_hdf5(path))
    except (OSError, ValueError) as error:
        raise refusal(name, "", "cannot be opened", "check name and rights") from error
