"""Live colour Doppler with the aliasing removed.

A window for a live source or a recording is opened by the command ``ultrasound-console run``. In a
notebook or a script, a source and a pipeline make the same frames::

    import ultrasound_console as uc

    source = uc.open_source("simulated:femoral-bifurcation")
    pipeline = uc.Pipeline(prf_hz=2500)
    for frame in pipeline.frames(source):
        print(frame.time_s, frame.corrected_m_s.max())

The names below are loaded when they are first used (PEP 562), so that importing the package is
quick; none of them needs a screen.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
BANNER = "Research software. Not a medical device. Not for diagnosis."
"""Stands on everything that shows or holds what was measured."""

__all__ = [
    "BANNER",
    "Acquisition",
    "AssetError",
    "ChannelFrame",
    "DopplerFrame",
    "IqFrame",
    "Pipeline",
    "PipelineError",
    "ResultsWriter",
    "SettingError",
    "Settings",
    "Source",
    "SourceError",
    "Status",
    "open_source",
    "source_names",
]

if TYPE_CHECKING:
    from .assets import AssetError
    from .declared import SettingError
    from .export.results import ResultsWriter
    from .frames import Acquisition, ChannelFrame, DopplerFrame, IqFrame, Status
    from .offline import Pipeline, open_source
    from .pipeline import PipelineError
    from .settings import Settings
    from .sources import Source, SourceError, source_names
else:
    _HOMES = {
        "Acquisition": "frames",
        "AssetError": "assets",
        "ChannelFrame": "frames",
        "DopplerFrame": "frames",
        "IqFrame": "frames",
        "Pipeline": "offline",
        "PipelineError": "pipeline",
        "ResultsWriter": "export.results",
        "SettingError": "declared",
        "Settings": "settings",
        "Source": "sources",
        "SourceError": "sources",
        "Status": "frames",
        "open_source": "offline",
        "source_names": "sources",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
