"""The DICOM file, read back by pydicom: places, times and velocities come from the file alone."""

import dataclasses
import math
import shutil
import subprocess
import threading

import numpy as np
import pydicom
import pytest
from frames_for_tests import BMODE, RECTANGLE, SECTOR, SECTOR_BMODE, SHEARED, make_frame, wrapped
from panels import SIZE, Model
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog

from ultrasound_console import BANNER
from ultrasound_console.__main__ import main
from ultrasound_console.export import dicom
from ultrasound_console.export.dicom import DicomError, Patient, StoppedError, write_dicom
from ultrasound_console.export.dicom_page import BOTH, CORRECTED, RAW, Look
from ultrasound_console.export.lettering import lettering
from ultrasound_console.frames import Status
from ultrasound_console.render.colour_maps import velocity_colours
from ultrasound_console.render.colour_scale import loop_scale_m_s
from ultrasound_console.render.view import View
from ultrasound_console.settings import DisplaySettings
from ultrasound_console.settings.display import CLASSIC, COLOUR_MAPS
from ultrasound_console.ui import dicom as dicom_on_screen
from ultrasound_console.ui.patient_form import SAVE_NAMED, SAVE_NAMELESS, PatientForm

pytest_plugins = ["console_for_tests"]

TISSUE, COLOUR_FLOW = 1, 2
CM, CM_S, TABLE, VELOCITY = 3, 7, 2, 3
OF_THE_STUDY = ("study_date", "study_description", "accession_number")
OF_THE_PATIENT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyDescription", "AccessionNumber",
)  # fmt: skip


def look(panel=BOTH, scale_m_s=0.45, **display):
    return Look(DisplaySettings(**display), panel, velocity_colours(CLASSIC), scale_m_s)


def written(path, frames, *arguments):
    write_dicom(path, frames, *arguments)
    return pydicom.dcmread(path)


def pixels_of(file, region):
    """Colours of a region in every frame, and x and z of its pixels, by what the file says."""
    x0, y0 = region.RegionLocationMinX0, region.RegionLocationMinY0
    x1, y1 = region.RegionLocationMaxX1, region.RegionLocationMaxY1
    assert (region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection) == (CM, CM)
    columns, rows = np.arange(x1 - x0 + 1), np.arange(y1 - y0 + 1)
    x_cm = (columns - region.ReferencePixelX0) * region.PhysicalDeltaX
    z_cm = (rows - region.ReferencePixelY0) * region.PhysicalDeltaY
    x_cm, z_cm = (
        x_cm + region.ReferencePixelPhysicalValueX,
        z_cm + region.ReferencePixelPhysicalValueY,
    )
    all_frames = file.pixel_array.reshape(file.NumberOfFrames, file.Rows, file.Columns, 3)
    return all_frames[:, y0 : y1 + 1, x0 : x1 + 1], *np.meshgrid(0.01 * x_cm, 0.01 * z_cm)


def velocities_m_s(region, rgb):
    """What colours stand for, by the region's table; NaN where a colour is not in it."""
    assert region.PixelComponentOrganization == TABLE
    assert region.PixelComponentPhysicalUnits == CM_S
    assert region.PixelComponentDataType == VELOCITY
    codes = np.array(region.TableOfPixelValues)
    values = np.array(region.TableOfParameterValues)
    assert codes.size == values.size == region.NumberOfTableEntries
    red, green, blue = np.moveaxis(rgb.astype(np.int64), -1, 0)
    code = red << 16 | green << 8 | blue
    order = np.argsort(codes)
    at = order[np.searchsorted(codes[order], code).clip(0, codes.size - 1)]
    return np.where(codes[at] == code, 0.01 * values[at], np.nan)


def nearest(grid, plane, x_m, z_m):
    """Sample nearest to each place, and where it is on the grid and not between two samples."""
    row, column = grid.indices(x_m, z_m)
    sure = np.minimum(np.abs(row % 1 - 0.5), np.abs(column % 1 - 0.5)) > 1e-5
    row, column = np.floor(row + 0.5).astype(int), np.floor(column + 0.5).astype(int)
    inside = (row >= 0) & (row < grid.n_depths) & (column >= 0) & (column < grid.n_lines)
    return plane[row.clip(0, grid.n_depths - 1), column.clip(0, grid.n_lines - 1)], inside & sure


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("bmode", "colour"), [(BMODE, SHEARED), (SECTOR_BMODE, SECTOR)], ids=["steered", "sector"]
)
def test_each_pixel_gives_back_place_and_velocity(tmp_path, bmode, colour, invert):
    frames = [make_frame(index, bmode_grid=bmode, colour_grid=colour) for index in (0, 7)]
    shown = look(interpolate=False, baseline=0.3, invert=invert)
    file = written(tmp_path / "clip.dcm", frames, shown)
    regions = file.SequenceOfUltrasoundRegions
    assert [r.RegionDataType for r in regions] == [TISSUE, COLOUR_FLOW] * 2
    # Colour has priority over the tissue that it covers.
    assert [r.RegionFlags & 1 for r in regions] == [1, 0] * 2
    nyquist_m_s = frames[0].nyquist_velocity_m_s
    baseline_m_s = 0.3 * nyquist_m_s
    for region, corrected in zip(regions[1::2], (False, True), strict=True):
        rgb, x_m, z_m = pixels_of(file, region)
        step_m_s = 0.01 * np.abs(np.diff(region.TableOfParameterValues)).max()
        for frame, colours in zip(frames, rgb, strict=True):
            plane = frame.corrected_m_s if corrected else frame.velocity_m_s
            true_m_s, inside = nearest(colour, plane, x_m, z_m)
            power_db, _ = nearest(colour, frame.power_db, x_m, z_m)
            found_m_s = velocities_m_s(region, colours)
            is_colour = np.isfinite(found_m_s)
            assert not is_colour[inside & (power_db < frame.processing.flow_power_db)].any()
            read = inside & is_colour
            assert read.sum() > 20_000
            error_m_s = found_m_s[read] - true_m_s[read]
            if not corrected:
                error_m_s = wrapped(error_m_s, nyquist_m_s)
                assert np.abs(found_m_s[read] - baseline_m_s).max() <= nyquist_m_s * (1 + 1e-6)
            assert np.abs(error_m_s).max() <= 0.5 * step_m_s * (1 + 1e-4)
            # Flow is missing only where tissue is brighter than its priority.
            missing = inside & ~is_colour & (power_db >= frame.processing.flow_power_db)
            grey = colours[missing].max(initial=0, axis=-1) / 255
            assert (grey >= shown.display.write_priority - 0.01).all()


def test_tissue_is_grey_and_lies_where_the_grid_says(tmp_path):
    frame = make_frame(colour_grid=RECTANGLE)
    display = {"interpolate": False, "bmode_gain_db": 3.0, "tgc_8_db": 6.0}
    file = written(tmp_path / "clip.dcm", [frame], look(RAW, **display))
    tissue, flow = file.SequenceOfUltrasoundRegions
    (rgb,), x_m, z_m = pixels_of(file, tissue)
    gain_db = 3.0 + np.interp(np.arange(BMODE.n_depths), np.linspace(0, 255, 8), [0] * 7 + [6])
    level_db, inside = nearest(BMODE, frame.bmode_db + gain_db[:, None], x_m, z_m)
    grey = 255 * np.clip(1 + level_db / 55.0, 0, 1)
    is_grey = inside & (np.ptp(rgb, axis=-1) == 0)
    assert is_grey.mean() > 0.6
    assert np.abs(rgb[is_grey][:, 0] - grey[is_grey]).max() <= 0.51
    pixel_m = 0.01 * tissue.PhysicalDeltaX
    assert pixel_m == pytest.approx(0.01 * tissue.PhysicalDeltaY)
    ends_m = x_m.min(), x_m.max(), z_m.min(), z_m.max()
    np.testing.assert_allclose(ends_m, BMODE.extent_m, atol=pixel_m)
    _, x_m, z_m = pixels_of(file, flow)
    half_m = 0.5 * np.array(RECTANGLE.pixel_size_m)[::-1].repeat(2) * (-1, 1, -1, 1)
    ends_m = x_m.min(), x_m.max(), z_m.min(), z_m.max()
    np.testing.assert_allclose(ends_m, RECTANGLE.extent_m + half_m, atol=pixel_m)


def test_pictures_look_as_on_screen(tmp_path):
    frame = make_frame(noise=0.1)
    shown = look(baseline=-0.2, overlay_opacity=1.0, colour_gain_db=3.0)
    file = written(tmp_path / "clip.dcm", [frame], shown)
    model = Model(frame, View(*SIZE), shown.display, shown.scale_m_s)
    for region, panel in zip(file.SequenceOfUltrasoundRegions[::2], (0, 2), strict=True):
        (rgb,), x_m, z_m = pixels_of(file, region)
        expected = model.panel(panel, x_m, z_m, x_m, x_m)
        error = np.abs(rgb - expected).max(axis=-1)
        # Half a step between two colours; a few pixels hang on a hair.
        assert (error <= 3.5).mean() > 0.9995


def test_a_file_tells_what_was_measured_and_of_nobody(tmp_path):
    frames = [make_frame(index) for index in range(4)]
    secret = dataclasses.replace(frames[0].acquisition, source="Smith Jane 1970")
    frames = [dataclasses.replace(frame, acquisition=secret) for frame in frames]
    path = tmp_path / "clip.dcm"
    file = written(path, frames, look())
    assert file.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.3.1"
    assert file.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert b"Smith" not in path.read_bytes()
    empty = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime")
    assert [str(file[name].value or "") for name in empty] == [""] * len(empty)
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        assert file[name].value.startswith("2.25.")
    assert list(file.ImageType) == ["DERIVED", "PRIMARY", "", "0011"]
    assert (file.BurnedInAnnotation, file.LossyImageCompression) == ("NO", "00")
    assert file.Manufacturer == "ultrasound_console"
    assert file.NumberOfFrames == 4
    assert file.FrameIncrementPointer == 0x00181063
    assert float(file.FrameTime) == pytest.approx(1e3 / 30, rel=1e-5)
    assert file.CineRate == 30
    n_abstained = sum(np.count_nonzero(frame.status == Status.ABSTAINED) for frame in frames)
    assert n_abstained > 0
    for words in (BANNER, "PRF 3000 Hz", "6.50 MHz", "17.77 cm/s", f"{n_abstained} samples"):
        assert words in file.ImageComments
    tissue, flow, _, right = file.SequenceOfUltrasoundRegions
    assert "PixelComponentOrganization" not in tissue
    assert (flow.TransducerFrequency, flow.PulseRepetitionFrequency) == (6500, 3000)
    assert flow.SteeringAngle == pytest.approx(15)
    assert "DopplerCorrectionAngle" not in flow
    assert max(flow.TableOfParameterValues) == pytest.approx(17.769, abs=1e-3)
    assert max(right.TableOfParameterValues) == pytest.approx(45)
    # Words and bars stand still, outside of the regions.
    around = np.ones((file.Rows, file.Columns), bool)
    for region in (tissue, file.SequenceOfUltrasoundRegions[2]):
        x0, y0 = region.RegionLocationMinX0, region.RegionLocationMinY0
        around[y0 : region.RegionLocationMaxY1 + 1, x0 : region.RegionLocationMaxX1 + 1] = False
    still = file.pixel_array[:, around]
    assert (still == still[0]).all()
    banner = lettering(BANNER, 10.0) > 0.9
    place = np.argwhere(around & (file.pixel_array[0, :, :, 1] > 180))
    found = any(
        (file.pixel_array[0, row : row + banner.shape[0], 16 : 16 + banner.shape[1], 1] > 180)[
            banner
        ].all()
        for row in np.unique(place[:, 0] - np.argwhere(banner)[0, 0])
    )
    assert found


def test_what_is_given_is_in_the_file(tmp_path):
    times_s = (0.0, 0.033, 0.2, 0.233)
    frames = [
        dataclasses.replace(make_frame(index), time_s=time_s)
        for index, time_s in enumerate(times_s)
    ]
    patient = Patient("Müller^Ann", "12-3", "19700131", "F", "20240102", "Carotid left", "A-77")
    assert "Ann" not in repr(patient)
    angled = look(CORRECTED, angle_rad=math.radians(60))
    file = written(tmp_path / "clip.dcm", frames, angled, patient)
    assert (str(file.PatientName), file.PatientID) == ("Müller^Ann", "12-3")
    assert (file.PatientBirthDate, file.PatientSex) == ("19700131", "F")
    assert (file.StudyDate, file.StudyDescription) == ("20240102", "Carotid left")
    assert file.AccessionNumber == "A-77"
    assert file.FrameIncrementPointer == 0x00181065
    np.testing.assert_allclose(file.FrameTimeVector, [0, 33, 167, 33], rtol=1e-5)
    _, flow = file.SequenceOfUltrasoundRegions
    assert flow.DopplerCorrectionAngle == pytest.approx(60)
    assert max(flow.TableOfParameterValues) == pytest.approx(90)
    assert "along the vessel at 60 deg" in file.ImageComments


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dciodvfy: install dicom3tools")
def test_dciodvfy_finds_no_error(tmp_path):
    frames = [make_frame(index) for index in range(3)]
    one = [make_frame(frame_interval_s=0.0)]
    patient = Patient("A^B", "1", "19700131", "O", "20240102", "Carotid left", "A-77")
    for shown, taken, named in (
        (look(RAW, angle_rad=0.5), frames, Patient()),
        (look(CORRECTED), one, patient),
        (look(BOTH), frames[::2] + frames[1:2], patient),
    ):
        path = tmp_path / "clip.dcm"
        write_dicom(path, taken, shown, named)
        command = ["dciodvfy", "-new", path]
        said = subprocess.run(command, check=False, capture_output=True, text=True).stderr
        assert "USMultiFrameImage" in said
        assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_every_colour_stands_for_one_velocity():
    for name in COLOUR_MAPS:
        colours = velocity_colours(name)
        assert len(np.unique(colours, axis=0)) == len(colours)
        assert (np.ptp(colours, axis=-1) > 0).all()


def test_the_scale_of_a_loop_is_that_of_its_fastest_frame():
    slow, fast = make_frame(15), make_frame(0)
    assert loop_scale_m_s([slow]) < loop_scale_m_s([fast]) == loop_scale_m_s([slow, fast])


def test_what_a_file_cannot_hold_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "clip.dcm"
    path.write_text("old")
    frames = [make_frame(index) for index in range(3)]
    other = make_frame(3, prf_hz=4000.0)
    with pytest.raises(DicomError, match="several settings"):
        write_dicom(path, [*frames, other], look())
    with pytest.raises(DicomError, match="no frames"):
        write_dicom(path, [], look())
    with pytest.raises(StoppedError):
        write_dicom(path, frames, look(), progress=lambda share: share < 0.5)
    with pytest.raises(StoppedError):
        write_dicom(path, frames, look(), progress=lambda share: share < 1.0)
    monkeypatch.setattr(dicom, "MOST_BYTES", 8_000_000)
    with pytest.raises(DicomError, match="3 frames are too many for a file: give at most 2"):
        write_dicom(path, frames, look())
    with pytest.raises(FileNotFoundError):
        write_dicom(tmp_path / "no" / "clip.dcm", frames[:1], look())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    for wrong in (
        {"name": "A\\B"},
        {"identity": "1\n2"},
        {"name": "x" * 65},
        {"birth_date": "1970-01-31"},
        {"study_date": "20241301"},
        {"study_date": "20990101"},
        {"birth_date": "19700231"},
        {"accession_number": "1" * 17},
        {"sex": "female"},
    ):
        with pytest.raises(DicomError, match="give"):
            Patient(**wrong)


def test_nothing_is_called_de_aliased_where_that_is_off(tmp_path):
    frame = make_frame()
    off = dataclasses.replace(frame.processing, dealias=False)
    raw = dataclasses.replace(
        frame, processing=off, fold=np.zeros_like(frame.fold), status=np.minimum(frame.status, 1)
    )
    for frames, words in (([raw], "as measured"), ([frame], "de-aliased")):
        file = written(tmp_path / f"{words}.dcm", frames, look())
        is_derived = words == "de-aliased"
        assert words in file.SeriesDescription
        assert ("de-aliased" in file.SeriesDescription) is is_derived
        assert file.ImageType[0] == ("DERIVED" if is_derived else "ORIGINAL")
        assert ("DerivationDescription" in file) is is_derived
        assert ("de-aliasing was off" in file.ImageComments) is not is_derived


def test_a_source_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "clip.dcm"
    command = ["dicom", "simulated:straight-tube", "-o", str(path), "--frames", "1"]
    command += ["--set", "dealias=off"]  # the network takes long to load
    asked = ["--panel", "raw", "--set", "baseline=0.2", "--prf", "2500", "--patient-id", "7"]
    assert main([*command, *asked]) == 0
    file = pydicom.dcmread(path)
    assert (file.NumberOfFrames, file.PatientID, str(file.PatientName)) == (1, "7", "")
    assert file.ImageType[0] == "ORIGINAL"
    _, flow = file.SequenceOfUltrasoundRegions
    assert flow.PulseRepetitionFrequency == 2500
    low, high = min(flow.TableOfParameterValues), max(flow.TableOfParameterValues)
    assert (high + low) / (high - low) == pytest.approx(0.2)
    path.unlink()
    capsys.readouterr()
    for wrong, words in (
        (["--patient-sex", "x"], "give M, F, O"),
        (["--frames", "0"], "--frames"),
        (["--frames", "100000"], "too many"),
        (["-o", str(tmp_path / "clip.png")], ".dcm"),
    ):
        assert main([*command, *wrong]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if "note:" not in line]
        assert len(said) == 1
        assert words in said[0]
    assert list(tmp_path.iterdir()) == []


def asked_for_the_patient(console):
    """The form, once it takes keys."""
    with console.qtbot.waitActive(console.window):
        console.window.activateWindow()  # no window manager goes back to it
    console.key(Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    console.until(lambda: isinstance(QApplication.activeWindow(), PatientForm))
    console.until(lambda: QApplication.focusWidget() is QApplication.activeWindow().lines["name"])
    return QApplication.activeWindow()


def test_the_frozen_loop_is_saved_and_a_file_can_be_left(live, tmp_path, monkeypatch):
    window, said = live.window, []
    window.dicom.said.connect(lambda text, is_error: said.append((text, is_error)))
    control = Qt.KeyboardModifier.ControlModifier
    chosen = tmp_path / "loop"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(chosen), ""))
    live.key(Qt.Key.Key_D, control)
    assert said.pop() == (dicom_on_screen.FREEZE_FIRST, False)
    live.play(2)
    live.freeze()
    n_held = len(live.engine.cine.indices())
    asked_for_the_patient(live)
    live.key(Qt.Key.Key_Return)  # all is empty
    live.until(lambda: bool(said))
    text, is_error = said.pop()
    assert (text, is_error) == (
        f"loop.dcm: {n_held} frames, in {tmp_path}. No patient is named",
        False,
    )
    path = tmp_path / "loop.dcm"
    file = pydicom.dcmread(path, stop_before_pixels=True)
    assert file.NumberOfFrames == n_held
    assert not any(str(file.get(name) or "") for name in OF_THE_PATIENT)
    assert window.dicom.button.isHidden()

    chosen = path  # to be replaced
    form = asked_for_the_patient(live)
    for text in ("Doe^Jane", "4711", "1970-02-31"):
        live.qtbot.keyClicks(QApplication.focusWidget(), text)
        live.key(Qt.Key.Key_Tab)
    live.key(Qt.Key.Key_F)
    assert form.save.text() == SAVE_NAMED
    live.key(Qt.Key.Key_Return)
    assert form.fault.text() == "Birth date: give a day up to today as YYYYMMDD"
    assert not said
    live.qtbot.keyClicks(QApplication.focusWidget(), "1970-01-31")  # it is selected
    for name, text in zip(OF_THE_STUDY, ("20240102", "Carotid left", "A-77"), strict=True):
        form.lines[name].setText(text)
    live.key(Qt.Key.Key_Return)
    live.until(lambda: bool(said))
    assert said.pop() == (
        f"loop.dcm: {n_held} frames, in {tmp_path}. Patient and study as given",
        False,
    )
    file = pydicom.dcmread(path, stop_before_pixels=True)
    assert [str(file[name].value) for name in OF_THE_PATIENT] == [
        "Doe^Jane", "4711", "19700131", "F", "20240102", "Carotid left", "A-77",
    ]  # fmt: skip
    form = asked_for_the_patient(live)
    assert not any(line.text() for line in form.lines.values())
    assert form.save.text() == SAVE_NAMELESS
    live.key(Qt.Key.Key_Escape)
    assert not said

    begun, pause = threading.Event(), threading.Event()

    def endless(path, frames, look, patient, progress):
        while progress(0.25):
            begun.set()
            pause.wait(0.005)
        raise StoppedError

    monkeypatch.setattr(dicom_on_screen, "write_dicom", endless)
    chosen = tmp_path / "left.dcm"
    asked_for_the_patient(live).save.click()
    live.until(lambda: begun.is_set() and window.dicom.button.text() == "Cancel DICOM 25 %")
    with live.qtbot.waitActive(window):
        window.activateWindow()
    live.key(Qt.Key.Key_D, control)
    assert "One DICOM file at a time" in said.pop()[0]
    live.qtbot.mouseClick(window.dicom.button, Qt.MouseButton.LeftButton)
    assert said.pop() == ("DICOM cancelled: nothing was written", False)
    live.qtbot.wait(50)
    assert window.dicom.button.isHidden()
    assert list(tmp_path.iterdir()) == [path]
