"""What the user may change, in three groups by what a change costs.

:class:`AcquisitionSettings` reconfigure the source, :class:`ProcessingSettings` take effect on the
next frame (or on the frozen one again), :class:`DisplaySettings` are uniforms of the picture and
never reach the worker. One field is one declaration: it drives validation, sliders, tooltips,
the command line and the table in the documentation.

Values are SI inside (Hz, m, s, m/s, rad); a :class:`Range` says how they are shown.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

from .assets import probe_names


class SettingError(ValueError):
    """A setting that does not exist or a value outside its range; the message says which."""


@dataclass(frozen=True)
class Range:
    """A number between two limits.

    Attributes
    ----------
    low, high, step : float
        Limits and slider step, in ``unit``.
    unit : str
        Unit of the stored value; empty for a plain number.
    label, description : str
        Short name on a control; one sentence for the tooltip.
    shown_unit : str
        Unit on screen; ``unit`` where it is empty.
    shown_scale : float
        Shown value = stored value x ``shown_scale``.
    """

    low: float
    high: float
    step: float
    unit: str
    label: str
    description: str
    shown_unit: str = ""
    shown_scale: float = 1.0

    def text(self, value: float) -> str:
        """Value and unit as a person reads them."""
        shown = value * self.shown_scale
        decimals = max(0, math.ceil(-math.log10(self.step * self.shown_scale) - 1e-9))
        return f"{shown:.{decimals}f} {self.shown_unit or self.unit}".rstrip()


@dataclass(frozen=True)
class Choice:
    """One of several named options."""

    options: tuple[str, ...]
    label: str
    description: str


@dataclass(frozen=True)
class Switch:
    """On or off."""

    label: str
    description: str


Spec = Range | Choice | Switch
Value = float | int | bool | str


def _setting(default: Value, spec: Spec) -> Any:
    return field(default=default, metadata={"spec": spec})


class _Group:
    """Validation common to the three groups."""

    def __post_init__(self) -> None:
        for name, spec in specs(type(self)):
            object.__setattr__(self, name, checked(name, spec, getattr(self, name), type(self)))


def specs(group: type[_Group]) -> Iterator[tuple[str, Spec]]:
    """Yield the (name, spec) pairs of a settings group, in the order of their declaration."""
    for item in dataclasses.fields(group):  # type: ignore[arg-type]
        yield item.name, item.metadata["spec"]


def checked(name: str, spec: Spec, value: object, group: type[_Group]) -> Value:
    """Return the value in the field's type, or say what is wrong with it.

    Raises
    ------
    SettingError
        The value is of the wrong kind, not finite, or outside the declared range.
    """
    if isinstance(spec, Switch):
        if not isinstance(value, bool):
            raise SettingError(f"{name} = {value!r}: give on or off")
        return value
    if isinstance(spec, Choice):
        if value not in spec.options:
            raise SettingError(f"{name} = {value!r}: give one of {', '.join(spec.options)}")
        return str(value)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise SettingError(f"{name} = {value!r}: give a number in {spec.unit or 'no unit'}")
    number = float(value)
    if not spec.low <= number <= spec.high:
        limits = f"{spec.low:g} ... {spec.high:g} {spec.unit}".rstrip()
        raise SettingError(f"{name} = {number:g} is outside {limits}")
    default = group.__dataclass_fields__[name].default  # type: ignore[attr-defined]
    if not isinstance(default, int):
        return number
    if number != int(number):
        raise SettingError(f"{name} = {number:g}: give a whole number")
    return int(number)


_DEGREES = 180.0 / math.pi


@dataclass(frozen=True)
class AcquisitionSettings(_Group):
    """What the source is asked for; what it achieves is in ``frames.Acquisition``."""

    prf_hz: float = _setting(
        3000.0,
        Range(
            100.0,
            50000.0,
            50.0,
            "Hz",
            "PRF",
            "Pulse repetition frequency. Lower shows slower flow; faster flow aliases.",
            "kHz",
            1e-3,
        ),
    )
    ensemble: int = _setting(
        12,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble",
            "Pulses that make one colour frame; 0 takes all that a recording has.",
        ),
    )
    ensemble_step: int = _setting(
        0,
        Range(
            0,
            64,
            1,
            "",
            "Ensemble step",
            "Pulses from the start of one frame of a recording to the next; 0 is one ensemble.",
        ),
    )
    steering_rad: float = _setting(
        math.radians(15.0),
        Range(
            math.radians(-20.0),
            math.radians(20.0),
            math.radians(1.0),
            "rad",
            "Steering",
            "Angle of the colour pulses and of the colour box.",
            "deg",
            _DEGREES,
        ),
    )
    depth_m: float = _setting(
        0.045,
        Range(0.02, 0.06, 0.001, "m", "Depth", "Depth of the picture.", "mm", 1e3),
    )
    frame_rate_hz: float = _setting(
        30.0,
        Range(
            1.0,
            60.0,
            1.0,
            "Hz",
            "Frame rate",
            "Frames per second asked of a live source; recordings keep their own.",
        ),
    )
    probe: str = _setting(
        "l7-4",
        Choice(
            probe_names(),
            "Probe",
            "Array of the simulated probe; scanners and recordings have their own.",
        ),
    )
    transmit_frequency_hz: float = _setting(
        0.0,
        Range(
            0.0,
            15e6,
            1e5,
            "Hz",
            "Transmit frequency",
            "Centre frequency of the transmitted pulse, within the probe's band; 0 is the "
            "middle of that. Recordings keep their own.",
            "MHz",
            1e-6,
        ),
    )
    n_cycles: int = _setting(
        2,
        Range(
            1,
            8,
            1,
            "",
            "Cycles",
            "Length of the transmitted pulse. Longer is more sensitive and less sharp. Recordings "
            "keep their own.",
        ),
    )


WALL_FILTERS = (
    "none",
    "polynomial-0",
    "polynomial-1",
    "polynomial-2",
    "polynomial-3",
    "low",
    "medium",
    "high",
    "iir-low",
    "iir-medium",
    "iir-high",
    "svd-low",
    "svd-medium",
    "svd-high",
)


AUTO, CPU, GPU = "auto", "cpu", "gpu"
"""Where to compute."""


@dataclass(frozen=True)
class ProcessingSettings(_Group):
    """From samples to velocities."""

    f_number: float = _setting(
        1.2,
        Range(
            0.8,
            4.0,
            0.1,
            "",
            "f-number",
            "Depth over receive aperture. Lower is sharper, higher keeps grating lobes out.",
        ),
    )
    wall_filter: str = _setting(
        "polynomial-1",
        Choice(
            WALL_FILTERS,
            "Wall filter",
            "Removes slow tissue motion: up to a cut-off (low, medium, high), or polynomials up to "
            "an order; recursive (iir) or learnt from the frame (svd).",
        ),
    )
    wall_cutoff_m_s: float = _setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.005,
            "m/s",
            "Wall cut-off",
            "Removes what is slower, with the nearest polynomial in place of the wall filter; "
            "0 leaves the choice to that.",
            "cm/s",
            100.0,
        ),
    )
    smoothing_m: float = _setting(
        0.0008,
        Range(
            0.0,
            0.003,
            0.0001,
            "m",
            "Smoothing",
            "Width (full width at half maximum) of the complex averaging.",
            "mm",
            1e3,
        ),
    )
    persistence_s: float = _setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.02,
            "s",
            "Persistence",
            "Time constant of the complex averaging from frame to frame.",
            "ms",
            1e3,
        ),
    )
    flow_power_db: float = _setting(
        8.0,
        Range(
            0.0,
            40.0,
            0.5,
            "dB",
            "Flow threshold",
            "Doppler power above the noise floor from which a pixel counts as flow.",
        ),
    )
    flash_rejection: bool = _setting(
        False,
        Switch("Flash rejection", "Leaves out colour that moving tissue explains."),
    )
    local_frequency: bool = _setting(
        False,
        Switch(
            "Local frequency",
            "Read-outs follow the centre frequency of the echoes, which attenuation lowers.",
        ),
    )
    speckle_reduction: float = _setting(
        0.0,
        Range(
            0.0,
            1.0,
            0.05,
            "",
            "Speckle reduction",
            "Smooths the grey picture where speckle explains it; edges and points stay.",
        ),
    )
    dealias: bool = _setting(
        True, Switch("De-alias", "Find the folds. Off: the right panel shows raw velocity.")
    )
    compute: str = _setting(
        AUTO,
        Choice(
            (AUTO, CPU, GPU),
            "Compute",
            "Where samples become velocities; auto uses an NVIDIA GPU if there is one.",
        ),
    )


N_TGC = 8
TGC = tuple(f"tgc_{number}_db" for number in range(1, N_TGC + 1))
"""Gains along depth, from the probe down."""


def _tgc(number: int) -> Any:
    """One of the gains along depth."""
    where = {1: ", nearest the probe", N_TGC: ", deepest"}.get(number, "")
    return _setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            f"TGC {number}",
            f"Brightness of the grey picture at one of {N_TGC} depths{where}.",
        ),
    )


@dataclass(frozen=True)
class DisplaySettings(_Group):
    """Uniforms of the picture: they work on a frozen frame and change no stored value."""

    colour_scale_m_s: float = _setting(
        0.0,
        Range(
            0.0,
            3.0,
            0.01,
            "m/s",
            "Colour scale",
            "Velocity at the end of the de-aliased bar; 0 follows the flow.",
            "cm/s",
            100.0,
        ),
    )
    baseline: float = _setting(
        0.0,
        Range(
            -0.95,
            0.95,
            0.05,
            "v_N",
            "Baseline",
            "Shifts the zero line of the conventional panel, in Nyquist velocities.",
        ),
    )
    invert: bool = _setting(False, Switch("Invert", "Swap the colours of the two directions."))
    colour_gain_db: float = _setting(
        0.0,
        Range(
            -20.0,
            20.0,
            0.5,
            "dB",
            "Colour gain",
            "Shows weaker (plus) or only stronger (minus) flow. Changes no velocity.",
        ),
    )
    write_priority: float = _setting(
        0.52,
        Range(0.0, 1.0, 0.02, "", "Priority", "Grey level above which B-mode wins over colour."),
    )
    overlay_opacity: float = _setting(
        0.85, Range(0.0, 1.0, 0.05, "", "Overlay opacity", "How much colour covers grey.")
    )
    bmode_gain_db: float = _setting(
        0.0, Range(-30.0, 30.0, 1.0, "dB", "B-mode gain", "Brightness of the grey picture.")
    )
    bmode_dynamic_range_db: float = _setting(
        55.0,
        Range(30.0, 90.0, 1.0, "dB", "Dynamic range", "From black to white in the grey picture."),
    )
    tgc_1_db: float = _tgc(1)
    tgc_2_db: float = _tgc(2)
    tgc_3_db: float = _tgc(3)
    tgc_4_db: float = _tgc(4)
    tgc_5_db: float = _tgc(5)
    tgc_6_db: float = _tgc(6)
    tgc_7_db: float = _tgc(7)
    tgc_8_db: float = _tgc(8)
    interpolate: bool = _setting(
        True, Switch("Interpolate", "Smooth between samples, without a seam at the Nyquist fold.")
    )
    truth: bool = _setting(
        False, Switch("Truth", "A fourth picture: the true velocity of a simulated source.")
    )

    @property
    def tgc_db(self) -> tuple[float, ...]:
        """Gains from the nearest to the deepest of the depths, which are evenly spaced."""
        return tuple(getattr(self, name) for name in TGC)


@dataclass(frozen=True)
class Settings:
    """All three groups; one value, never changed in place."""

    acquisition: AcquisitionSettings = AcquisitionSettings()
    processing: ProcessingSettings = ProcessingSettings()
    display: DisplaySettings = DisplaySettings()

    def replace(self, **changes: Value) -> Settings:
        """Return settings with the named fields changed, whichever group they are in.

        Raises
        ------
        SettingError
            An unknown name or a value outside its range.
        """
        groups: dict[str, dict[str, Value]] = {}
        for name, value in changes.items():
            groups.setdefault(group_of(name), {})[name] = value
        new = {
            group: dataclasses.replace(getattr(self, group), **values)
            for group, values in groups.items()
        }
        return dataclasses.replace(self, **new)

    def get(self, name: str) -> Value:
        """Value of a field by name."""
        value: Value = getattr(getattr(self, group_of(name)), name)
        return value

    def to_dict(self) -> dict[str, dict[str, Value]]:
        """Plain nested dictionary, for JSON and TOML."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
        """Read what :meth:`to_dict` wrote, dropping whatever is unknown or out of range.

        Returns
        -------
        settings : Settings
        warnings : tuple of str
            One line for each entry that was dropped.
        """
        settings, warnings = cls(), []
        for group, values in data.items():
            entries = values.items() if isinstance(values, Mapping) else [(str(group), values)]
            for name, value in entries:
                try:
                    settings = settings.replace(**{str(name): value})
                except SettingError as error:
                    warnings.append(f"dropped: {error}")
        return settings, tuple(warnings)


GroupName = Literal["acquisition", "processing", "display"]
GROUPS: dict[GroupName, type[_Group]] = {
    "acquisition": AcquisitionSettings,
    "processing": ProcessingSettings,
    "display": DisplaySettings,
}
_GROUP_OF: dict[str, GroupName] = {
    name: group for group, cls in GROUPS.items() for name, _ in specs(cls)
}
SPECS: dict[str, Spec] = {name: spec for cls in GROUPS.values() for name, spec in specs(cls)}


def group_of(name: str) -> GroupName:
    """Name of the group that a field belongs to."""
    if name not in _GROUP_OF:
        raise SettingError(f"unknown setting {name!r}; the command 'settings' lists them")
    return _GROUP_OF[name]


def parse_assignment(text: str) -> tuple[str, Value]:
    """Read ``name=value`` as typed on a command line.

    Raises
    ------
    SettingError
        No equals sign, an unknown name, or a value that does not parse; ranges are checked when
        the value is put into its group.
    """
    name, equals, raw = (part.strip() for part in text.partition("="))
    if not equals:
        raise SettingError(f"{text!r}: write NAME=VALUE")
    group_of(name)
    spec = SPECS[name]
    if isinstance(spec, Switch):
        words = {
            "on": True,
            "true": True,
            "yes": True,
            "1": True,
            "off": False,
            "false": False,
            "no": False,
            "0": False,
        }
        if raw.lower() not in words:
            raise SettingError(f"{name} = {raw!r}: give on or off")
        return name, words[raw.lower()]
    if isinstance(spec, Choice):
        return name, raw
    try:
        return name, float(raw)
    except ValueError:
        raise SettingError(f"{name} = {raw!r}: give a number in {spec.unit or 'no unit'}") from None
