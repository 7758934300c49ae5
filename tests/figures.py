"""Print the accuracy figures of the README: ``python tests/figures.py``."""

# ruff: noqa: T201

import os
from pathlib import Path

import numpy as np
from known_truth import (
    DISC,
    JET,
    SYSTOLE,
    TUBE,
    disc_reference,
    frames_of,
    lumen_of,
    prf_for,
    rigid_r2,
    scored,
    scored_against,
)
from region_dealias import sweep_folds
from skimage.restoration import unwrap_phase

from ultrasound_console.accuracy import true_fold
from ultrasound_console.frames import Status
from ultrasound_console.segment import Segmenter

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ULTRASOUND_CONSOLE_DATA", ROOT.parent / "shared" / "data"))
NETWORK = Segmenter()
CYCLE = ("simulated:femoral-bifurcation", {"n_frames": 27})


def disc_figures():
    full, inside, reference = disc_reference(DATA)
    print("rotating disc, in the disc eroded by 0.5 mm")
    for wall_filter in ("none", "polynomial-1"):
        for ensemble in (0, 12):
            changes = {"wall_filter": wall_filter, "ensemble": ensemble}
            frame = frames_of(DATA / "PWI_disk.mat", **changes)[0]
            rms_mm_s = 1e3 * np.sqrt(np.mean((frame.velocity_m_s - reference)[inside] ** 2))
            print(
                f"  {wall_filter:13} {frame.acquisition.n_pulses:2} pulses: "
                f"r2 {rigid_r2(frame, inside):.4f}, rms to PyMUST {rms_mm_s:.1f} mm/s"
            )
        for divisor in (2, 3, 4, 5, 6):
            changes = DISC | {"wall_filter": wall_filter, "prf_hz": 10e3 / divisor}
            (frame,) = frames_of(DATA / "PWI_disk.mat", segmenter=NETWORK, **changes)
            counts = scored_against(frame, full.velocity_m_s, inside)
            print(
                f"  {wall_filter:13} PRF / {divisor}, {frame.acquisition.n_pulses:2} pulses: "
                f"aliased {100 * counts.aliased_share:.1f} %, "
                f"wrong {100 * counts.wrong_share:.2f} %, "
                f"abstained {100 * counts.abstained_share:.2f} %, IoU {counts.alias_iou:.3f}"
            )


def rivals(frames):
    """Percent of wrong folds: raw, reliability-sorted unwrapping, region merging."""
    wrong, n_pixels = np.zeros(3), 0
    for frame in frames:
        velocity = frame.velocity_m_s / frame.nyquist_velocity_m_s
        outside = frame.status == Status.NO_FLOW
        phase = np.pi * velocity
        unwrapped = unwrap_phase(np.ma.array(phase, mask=outside)).filled(0.0)
        sorted_folds = np.where(outside, 0, np.rint((unwrapped - phase) / (2.0 * np.pi)))
        merged = sweep_folds(phase.astype(np.float32), outside, np.pi, False)
        wanted = true_fold(frame.velocity_m_s, frame.truth_m_s, frame.nyquist_velocity_m_s)
        lumen = lumen_of(frame)
        folds = (np.zeros_like(wanted), sorted_folds, merged)
        wrong += [np.count_nonzero((fold != wanted)[lumen]) for fold in folds]
        n_pixels += int(lumen.sum())
    return 100.0 * wrong / n_pixels


def simulated_figures():
    print("simulated probe, lumen eroded by 0.5 mm, all pixels; wrong folds in percent")
    for scene, where in (TUBE, SYSTOLE, JET, CYCLE):
        for ratio in (0.9, 1.5, 3.0):
            where_prf = where | {"prf_hz": prf_for(scene, ratio, **where)}
            frames = frames_of(scene, segmenter=NETWORK, **where_prf)
            counts, others = scored(frames), rivals(frames)
            continuity = scored(frames_of(scene, **where_prf))
            print(
                f"  {scene.partition(':')[2]:22} {len(frames):2} frames, |v| <= {ratio} v_N: "
                f"raw {others[0]:.2f}, skimage {others[1]:.2f}, region-dealias {others[2]:.2f}, "
                f"continuity {100 * continuity.wrong_share:.2f}, "
                f"here {100 * counts.wrong_share:.2f} "
                f"(abstained {100 * counts.abstained_share:.2f}); rms / v_N "
                f"{counts.corrected_rms_nyquist:.3f}, oracle {counts.oracle_rms_nyquist:.3f}"
            )


if __name__ == "__main__":
    disc_figures()
    simulated_figures()
