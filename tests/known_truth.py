"""Sources with a known velocity, through the whole chain, and their scores."""

import dataclasses

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from ultrasound_console.accuracy import Accuracy, erode, score
from ultrasound_console.frames import Status
from ultrasound_console.pipeline import doppler, form
from ultrasound_console.settings import Settings
from ultrasound_console.sources import open_source

DISC = {"wall_filter": "none", "ensemble": 0}
ROTATION_RAD_S = -60.8


def frames_of(name, n_frames=1, skip=0, segmenter=None, **changes):
    """Frames of a source through the pipeline, in order; by continuity without a network."""
    source = open_source(str(name), real_time=False)
    start = source.defaults(Settings().acquisition)
    settings = dataclasses.replace(Settings(), acquisition=start).replace(**changes)
    source.configure(settings.acquisition)
    source.start()
    previous, frames = None, []
    for index in range(skip + n_frames):
        frame = source.read(60.0)
        if index >= skip:
            formed = form(frame, settings.processing)
            previous = doppler(formed, settings.processing, previous, segmenter)
            frames.append(previous)
    source.close()
    return frames


def sampled(planes, name, grid):
    """Plane of the reference file on another grid; NaN outside."""
    x_m, z_m = grid.positions_m()
    at = RegularGridInterpolator(
        (planes["z"], planes["x"]),
        planes[name].astype(float),
        bounds_error=False,
        fill_value=np.nan,
    )
    return at(np.stack([z_m, x_m], axis=-1))


def disc_reference(data_folder):
    """Full-PRF frame of the rotating disc, where it turns, and what PyMUST makes of it."""
    with np.load(data_folder / "PWI_disk_reference.npz") as file:
        planes = {name: file[name] for name in ("x", "z", "disk_mask", "pymust_vd_hamming9")}
    (frame,) = frames_of(data_folder / "PWI_disk.mat", **DISC)
    step_m = planes["x"][1] - planes["x"][0]
    planes["inside"] = erode(planes["disk_mask"], (step_m, step_m))
    grid = frame.acquisition.colour_grid
    inside = sampled(planes, "inside", grid) > 0.99
    return frame, inside, sampled(planes, "pymust_vd_hamming9", grid)


def rigid_r2(frame, inside):
    """Share of the velocity that rigid rotation explains.

    Against the line itself, so that a wrong slope counts; an axis beside x = 0 does not.
    """
    x_m, _ = frame.acquisition.colour_grid.positions_m()
    velocity, rigid = frame.velocity_m_s[inside], ROTATION_RAD_S * x_m[inside]
    return 1.0 - np.var(velocity - rigid) / np.var(velocity)


def scored_against(frame, truth_m_s, where):
    """Score one frame against a velocity map."""
    accuracy, _ = score(
        frame.velocity_m_s,
        frame.fold,
        truth_m_s,
        where,
        frame.nyquist_velocity_m_s,
        abstained=frame.status == Status.ABSTAINED,
    )
    return accuracy.all


def lumen_of(frame):
    return erode(frame.vessel_mask, frame.acquisition.colour_grid.pixel_size_m)


def scored(frames):
    total, error = Accuracy(), None
    for frame in frames:
        one, error = score(
            frame.velocity_m_s,
            frame.fold,
            frame.truth_m_s,
            lumen_of(frame),
            frame.nyquist_velocity_m_s,
            abstained=frame.status == Status.ABSTAINED,
            previous=error,
        )
        total += one
    return total.all


def prf_for(scene, ratio, **where):
    """PRF at which the fastest true velocity of these frames is this many v_N."""
    frames = frames_of(scene, dealias=False, **where)
    fastest_m_s = max(float(np.abs(f.truth_m_s[lumen_of(f)]).max()) for f in frames)
    acquisition = frames[0].acquisition
    per_prf = acquisition.nyquist_velocity_m_s / acquisition.prf_hz
    return fastest_m_s / ratio / per_prf


TUBE = ("simulated:straight-tube", {})
SYSTOLE = ("simulated:femoral-bifurcation", {"skip": 2, "n_frames": 5})
JET = ("simulated:stenosis", {"skip": 3, "n_frames": 3})
