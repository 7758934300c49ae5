"""A loop of frames as a DICOM file: an ultrasound multi-frame image with calibrated regions.

Distances, times and velocities can be measured in it by other programs: the tissue and the colour
flow of each picture are regions with their size of a pixel, and each colour is listed with its
velocity (DICOM PS3.3, C.8.5.5). Nobody is named unless a name is given.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import BANNER, __version__
from ..frames import Acquisition, DopplerFrame, Status
from .dicom_page import BOTH, COLOUR_FLOW, CORRECTED, RAW, Look, PageMaker, Region
from .whole_file import whole_file

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

SUFFIX = ".dcm"
MOST_BYTES = 1 << 30
"""Pixels of one file, at most."""
MOST_FRAMES = 4000
"""Frames of one file, at most: the times between them share a field of 64 kB."""

_MANUFACTURER = "ultrasound_console"
_CM, _CM_S = 3, 7
_FLAT, _VELOCITY, _TABLE = 1, 3, 2
# Scaling is by the program, and not to be changed by readers; tissue gives way to colour.
_PROTECTED, _LOW_PRIORITY = 0b10, 0b01
# A two-dimensional picture with colour Doppler.
_MODALITIES = "0011"
# Steps between frames that differ by less are one step: clocks have their own noise.
_SAME_SHARE = 0.02
_LONGEST_TEXT, _LONGEST_ACCESSION = 64, 16
_DAY = re.compile(r"(?:19|20)\d{6}", re.ASCII)
_SEXES = ("M", "F", "O")


class DicomError(Exception):
    """A file that cannot be written so; the message says what to do."""


class StoppedError(Exception):
    """Nobody wants the file any more."""


@dataclass(frozen=True, repr=False)
class Patient:
    """Who was scanned, when and what for; all empty by default, and then the file names nobody.

    It is never written but into a file: ``repr`` tells nothing.

    Attributes
    ----------
    name : str
        FAMILY^GIVEN, as DICOM writes it.
    identity : str
        The number under which the clinic knows the patient.
    birth_date, study_date : str
        YYYYMMDD.
    sex : str
        M, F or O.
    study_description : str
        What for.
    accession_number : str
        The number of the order.

    Raises
    ------
    DicomError
        A text that a DICOM file cannot hold.
    """

    name: str = ""
    identity: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_description: str = ""
    accession_number: str = ""

    def __post_init__(self) -> None:
        for told, text, longest in (
            ("patient name", self.name, _LONGEST_TEXT),
            ("patient ID", self.identity, _LONGEST_TEXT),
            ("study description", self.study_description, _LONGEST_TEXT),
            ("accession number", self.accession_number, _LONGEST_ACCESSION),
        ):
            if len(text) > longest or "\\" in text or not text.isprintable():
                raise DicomError(
                    f"{told} {text[:longest]!r}: give at most {longest} printable characters "
                    "without a backslash"
                )
        for told, day in (("patient birth date", self.birth_date), ("study date", self.study_date)):
            if day and not _is_day(day):
                raise DicomError(f"{told} {day!r}: give a day up to today as YYYYMMDD")
        if self.sex and self.sex not in _SEXES:
            raise DicomError(f"patient sex {self.sex!r}: give {', '.join(_SEXES)}")


NOBODY = Patient()


def write_dicom(
    path: Path,
    frames: Sequence[DopplerFrame],
    look: Look,
    patient: Patient = NOBODY,
    progress: Callable[[float], bool] = lambda share: True,
) -> None:
    """Write frames as one file; it appears under its name only when it is whole.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    frames : sequence of DopplerFrame
        In order, all of one acquisition.
    look : Look
    patient : Patient
    progress : callable
        Told how much is done, 0 ... 1; says whether to go on.

    Raises
    ------
    DicomError
        No frames, frames of several acquisitions, or more of them than a file takes.
    StoppedError
        ``progress`` did not want to go on.
    OSError
        The file cannot be written.
    """
    acquisition = _common(frames)
    maker = PageMaker(
        acquisition,
        look,
        _facts(acquisition, frames, look),
        is_dealiased=is_dealiased(frames),
    )
    n_bytes = len(frames) * math.prod(maker.shape) * 3
    if len(frames) > MOST_FRAMES or n_bytes > MOST_BYTES:
        fit = min(MOST_FRAMES, MOST_BYTES * len(frames) // n_bytes)
        raise DicomError(f"{len(frames)} frames are too many for a file: give at most {fit}")
    with whole_file(path) as part, tempfile.TemporaryFile(dir=path.parent) as pixels:
        for done, frame in enumerate(frames):
            if not progress(done / len(frames)):
                raise StoppedError
            pixels.write(maker.page(frame).tobytes())
        pixels.write(b"\0" * (n_bytes % 2))
        pixels.seek(0)
        dataset = _described(acquisition, frames, look, maker)
        _name(dataset, patient)
        dataset.PixelData = pixels
        dataset.save_as(part, enforce_file_format=True)
        if not progress(1.0):
            raise StoppedError


def most_frames(acquisition: Acquisition, look: Look) -> int:
    """Tell about how many frames fit into a file."""
    height, width = PageMaker(acquisition, look, ()).shape
    return min(MOST_FRAMES, MOST_BYTES // (3 * height * width))


def _common(frames: Sequence[DopplerFrame]) -> Acquisition:
    """Acquisition of all frames."""
    if not frames:
        raise DicomError("there are no frames to write")
    acquisition = frames[0].acquisition
    if any(frame.acquisition != acquisition for frame in frames):
        raise DicomError(
            "the frames were acquired with several settings, and a DICOM file has one scale: give "
            "those of one"
        )
    return acquisition


def _described(
    acquisition: Acquisition, frames: Sequence[DopplerFrame], look: Look, maker: PageMaker
) -> Dataset:
    """Everything but the pixels and the patient."""
    from pydicom.dataset import Dataset, FileMetaDataset  # takes long to import
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = UltrasoundMultiFrameImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = _new_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = _new_uid(), _new_uid()
    made.Modality = "US"
    made.Manufacturer = _MANUFACTURER
    made.ManufacturerModelName = _MANUFACTURER
    made.SoftwareVersions = __version__
    made.SeriesNumber, made.InstanceNumber = 1, 1
    made.PatientOrientation = made.Laterality = ""
    is_derived = look.panel != RAW and is_dealiased(frames)
    made.SeriesDescription = _TITLES[look.panel if is_derived else RAW]
    made.ImageType = ["DERIVED" if is_derived else "ORIGINAL", "PRIMARY", "", _MODALITIES]
    if is_derived:
        made.DerivationDescription = _DERIVATION
    made.ImageComments = "\r\n".join(_comments(acquisition, frames, look))
    made.BurnedInAnnotation = "NO"
    made.LossyImageCompression = "00"

    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.Rows, made.Columns = maker.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.UltrasoundColorDataPresent = 1
    _time(made, acquisition, frames)
    frequency_khz = round(1e-3 * acquisition.center_frequency_hz)
    made.SequenceOfUltrasoundRegions = [
        _region(region, maker.pixels.pixel_m, acquisition, look, frequency_khz)
        for region in maker.regions
    ]
    return made


def _region(
    region: Region, pixel_m: float, acquisition: Acquisition, look: Look, frequency_khz: int
) -> Dataset:
    from pydicom.dataset import Dataset

    made = Dataset()
    made.RegionSpatialFormat = _FLAT
    made.RegionDataType = region.data_type
    made.RegionFlags = _PROTECTED if region.data_type == COLOUR_FLOW else _PROTECTED | _LOW_PRIORITY
    made.RegionLocationMinX0, made.RegionLocationMinY0 = region.bounds[:2]
    made.RegionLocationMaxX1, made.RegionLocationMaxY1 = region.bounds[2:]
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = _CM
    made.PhysicalDeltaX = made.PhysicalDeltaY = 100.0 * pixel_m
    made.ReferencePixelX0, made.ReferencePixelY0 = region.origin
    made.ReferencePixelPhysicalValueX = made.ReferencePixelPhysicalValueY = 0.0
    made.TransducerFrequency = frequency_khz
    if region.velocities_m_s is None:
        return made
    made.PulseRepetitionFrequency = round(acquisition.prf_hz)
    if _is_steered_box(acquisition):
        made.SteeringAngle = round(math.degrees(acquisition.transmit_angle_rad), 6)
    if look.display.angle_rad:
        made.DopplerCorrectionAngle = round(math.degrees(look.display.angle_rad), 6)
    red, green, blue = look.colours.T.astype(np.uint32)
    made.PixelComponentOrganization = _TABLE
    made.PixelComponentPhysicalUnits = _CM_S
    made.PixelComponentDataType = _VELOCITY
    made.NumberOfTableEntries = len(look.colours)
    made.TableOfPixelValues = (red << 16 | green << 8 | blue).tolist()
    made.TableOfParameterValues = (100.0 * region.velocities_m_s).tolist()
    return made


def _time(made: Dataset, acquisition: Acquisition, frames: Sequence[DopplerFrame]) -> None:
    """Say when each frame was, as one step or, where they differ, as a list of them."""
    made.NumberOfFrames = len(frames)
    times_s = np.array([frame.time_s for frame in frames])
    steps_s = np.diff(times_s)
    # A recording that is played again goes back in time.
    steps_s = np.where(steps_s > 0, steps_s, acquisition.frame_interval_s)
    mean_s = float(steps_s.mean()) if steps_s.size else acquisition.frame_interval_s
    if mean_s > 0 and np.all(np.abs(steps_s - mean_s) <= _SAME_SHARE * mean_s):
        made.FrameIncrementPointer = 0x00181063
        made.FrameTime = _decimal(1e3 * mean_s)
    else:
        made.FrameIncrementPointer = 0x00181065
        made.FrameTimeVector = ["0", *(_decimal(1e3 * step_s) for step_s in steps_s)]
    if mean_s > 0:
        rate_hz = max(1, round(1.0 / mean_s))
        made.CineRate = made.RecommendedDisplayFrameRate = rate_hz
        made.EffectiveDuration = _decimal(mean_s * len(frames))


def _name(made: Dataset, patient: Patient) -> None:
    """Name the patient; each of these has to be there, and may be empty."""
    made.PatientName, made.PatientID = patient.name, patient.identity
    made.PatientBirthDate, made.PatientSex = patient.birth_date, patient.sex
    made.StudyDate, made.StudyTime = patient.study_date, ""
    made.AccessionNumber = patient.accession_number
    made.StudyID = made.ReferringPhysicianName = ""
    if patient.study_description:
        made.StudyDescription = patient.study_description


def is_dealiased(frames: Iterable[DopplerFrame]) -> bool:
    """Whether folds were looked for, or given by hand, in any frame."""
    return any(f.processing.dealias or bool(np.any(f.status == Status.BY_HAND)) for f in frames)


_TITLES = {
    RAW: "Colour flow as measured, aliased",
    CORRECTED: "Colour flow, de-aliased",
    BOTH: "Colour flow as measured (left) and de-aliased (right)",
}
_DERIVATION = (
    "De-aliased: whole multiples of twice the Nyquist velocity added to the velocity as measured"
)


def _facts(acquisition: Acquisition, frames: Sequence[DopplerFrame], look: Look) -> tuple[str, ...]:
    """Put together what stands under the pictures."""
    if acquisition.colour_grid.kind == "polar":
        angles = "sector"
    else:
        sent_deg = round(math.degrees(acquisition.transmit_angle_rad))
        heard_deg = round(math.degrees(acquisition.receive_angle_rad))
        angles = f"transmit {sent_deg} deg, receive {heard_deg} deg"
    second_hz = acquisition.second_prf_hz
    second = f" + {second_hz:.0f} Hz" if second_hz else ""
    angle_deg = math.degrees(look.display.angle_rad)
    along = f"along the vessel at {angle_deg:.0f} deg" if angle_deg else "along the beam"
    return (
        f"PRF {acquisition.prf_hz:.0f} Hz{second}",
        f"{1e-6 * acquisition.center_frequency_hz:.2f} MHz",
        f"wall filter {_one_of(frame.wall_filter for frame in frames)}",
        angles,
        f"velocity {along}, + is towards the probe",
    )


def _comments(acquisition: Acquisition, frames: Sequence[DopplerFrame], look: Look) -> list[str]:
    """Everything that has to be known of the velocities."""
    n_abstained = sum(int(np.count_nonzero(f.status == Status.ABSTAINED)) for f in frames)
    n_by_hand = sum(int(np.count_nonzero(f.status == Status.BY_HAND)) for f in frames)
    nyquist_cm_s = 100.0 * acquisition.nyquist_velocity_m_s
    told = [
        BANNER,
        *_facts(acquisition, frames, look),
        f"Nyquist velocity {nyquist_cm_s:.4g} cm/s along the beam",
        "colours are opaque, and clipped at the ends of the bar",
    ]
    if look.panel != RAW and not is_dealiased(frames):
        told.append("de-aliasing was off: all velocities are as measured")
    elif look.panel != RAW:
        told.append(
            f"{_DERIVATION}; left as measured because it was not sure: {n_abstained} samples of "
            f"all frames; set by hand: {n_by_hand}"
        )
    return told


def _is_steered_box(acquisition: Acquisition) -> bool:
    """Whether all beams go one way, there and back; else there is no one angle to tell."""
    is_same = acquisition.transmit_angle_rad == acquisition.receive_angle_rad
    return is_same and acquisition.colour_grid.kind == "parallel"


def _one_of(texts: Iterable[str]) -> str:
    """Return the text, where all are the same."""
    found = dict.fromkeys(texts)
    return next(iter(found)) if len(found) == 1 else "of several kinds"


def _is_day(text: str) -> bool:
    """Whether it is a day of the calendar that has begun, as YYYYMMDD."""
    try:
        return bool(_DAY.fullmatch(text)) and date.fromisoformat(text) <= date.today()
    except ValueError:
        return False


def _new_uid() -> UID:
    """Make a UID of a random UUID, under 2.25."""
    from pydicom.uid import generate_uid

    return generate_uid(prefix=None)


def _decimal(value: float) -> str:
    """Write a number as DICOM does: with at most 16 characters."""
    return f"{value:.7g}"
