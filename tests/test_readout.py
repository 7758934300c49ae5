"""The values under the cursor and the small print, from planes that are known."""

import dataclasses

import numpy as np
import pytest
from frames_for_tests import SECTOR, SECTOR_BMODE, make_frame

from ultrasound_console.accuracy import Counts
from ultrasound_console.dsp.agreement import NOTE
from ultrasound_console.frames import Status
from ultrasound_console.settings import ProcessingSettings
from ultrasound_console.ui.readout import MINUS, badges_of, percent, readout_at, truth_lines


@pytest.fixture(scope="module")
def frame():
    return make_frame(abstained=True)


def place_of(frame, status, fold=None):
    chosen = frame.status == status
    if fold is not None:
        chosen &= frame.fold == fold
    rows, columns = np.nonzero(chosen)
    at = rows[len(rows) // 2], columns[len(columns) // 2]
    x_m, z_m = frame.acquisition.colour_grid.positions_m(*at)
    return at, float(x_m), float(z_m)


@pytest.mark.parametrize("polar", [False, True])
def test_values_are_those_of_the_sample_there(polar):
    grids = {"colour_grid": SECTOR, "bmode_grid": SECTOR_BMODE} if polar else {}
    frame = make_frame(**grids)
    at, x_m, z_m = place_of(frame, Status.CORRECTED, fold=1)
    values = readout_at(frame, x_m, z_m)
    assert values.velocity_m_s == float(frame.velocity_m_s[at])
    assert values.fold == 1
    assert values.corrected_m_s == pytest.approx(float(frame.corrected_m_s[at]), rel=1e-6)
    assert values.truth_m_s == float(frame.truth_m_s[at])
    assert values.confidence == float(frame.confidence[at])
    assert values.bmode_db is not None


def test_lines_carry_sign_unit_fold_and_status(frame):
    at, x_m, z_m = place_of(frame, Status.CORRECTED, fold=1)
    raw, fold, corrected = readout_at(frame, x_m, z_m).lines()
    assert raw.startswith(f"raw {100 * frame.velocity_m_s[at]:+.1f} cm/s".replace("-", MINUS))
    assert fold == "fold +1   de-aliased   confidence 90 %"
    assert corrected.startswith(f"de-aliased {100 * frame.corrected_m_s[at]:+.1f} cm/s   truth +")


def test_nothing_is_called_de_aliased_where_that_is_off(frame):
    _, x_m, z_m = place_of(frame, Status.KEPT)
    off = dataclasses.replace(frame.processing, dealias=False)
    readout = readout_at(dataclasses.replace(frame, processing=off), x_m, z_m)
    _, fold, corrected = readout.lines()
    assert fold == "as measured   de-aliasing is off"
    assert corrected.startswith("as measured ")
    assert readout_at(frame, x_m, z_m).lines()[2].startswith("de-aliased ")


def test_the_local_frequency_changes_what_is_read_and_not_the_fold(frame):
    at, x_m, z_m = place_of(frame, Status.CORRECTED, fold=1)
    factor = np.ones(frame.fold.shape, np.float32)
    factor[at] = 1.1
    values = readout_at(frame, x_m, z_m)
    local = readout_at(dataclasses.replace(frame, frequency_factor=factor), x_m, z_m)
    assert local.velocity_m_s == pytest.approx(1.1 * values.velocity_m_s)
    assert local.corrected_m_s == pytest.approx(1.1 * values.corrected_m_s)
    assert local.fold == values.fold
    assert local.frequency_hz == pytest.approx(6.5e6 / 1.1)
    assert local.lines()[0].endswith("   at 5.91 MHz")
    assert values.frequency_hz is None
    assert "MHz" not in values.lines()[0]


def test_no_flow_and_abstention_say_so(frame):
    _, x_m, z_m = place_of(frame, Status.NO_FLOW)
    assert readout_at(frame, x_m, z_m).lines()[1] == "no flow"
    _, x_m, z_m = place_of(frame, Status.ABSTAINED)
    _, fold, corrected = readout_at(frame, x_m, z_m).lines()
    assert fold == "left as measured: no fold stands out (20 % sure)"
    # What stands there is not a corrected velocity.
    assert corrected.startswith("as measured ")
    bloodless = frame.status == Status.ABSTAINED
    told = readout_at(dataclasses.replace(frame, bloodless=bloodless), x_m, z_m)
    assert told.lines()[1] == "left as measured: does not look like blood"


def test_the_reasons_for_leaving_flow_as_measured_are_counted(frame):
    n_flow = np.count_nonzero(frame.status)
    rows, columns = np.nonzero(frame.status == Status.ABSTAINED)
    unsure = f"{100 * len(rows) / n_flow:.0f} %"
    assert badges_of(frame).unsure == f"unsure: {unsure} of the flow"
    bloodless = np.zeros(frame.status.shape, bool)
    # Where nothing was left alone it does not count.
    bloodless[frame.status == Status.CORRECTED] = True
    n_bloodless = len(rows) // 3
    bloodless[rows[:n_bloodless], columns[:n_bloodless]] = True
    both = badges_of(dataclasses.replace(frame, bloodless=bloodless)).unsure
    unsure = f"{100 * (len(rows) - n_bloodless) / n_flow:.0f} %"
    other = f"{100 * n_bloodless / n_flow:.0f} %"
    assert both == f"unsure: {unsure}, not blood: {other} of the flow"
    alone = badges_of(dataclasses.replace(frame, bloodless=frame.status != Status.NO_FLOW)).unsure
    assert alone == f"not blood: {100 * len(rows) / n_flow:.0f} % of the flow"
    assert badges_of(make_frame(abstained=False)).unsure == ""


def test_what_a_badge_counts_is_not_told_again_as_a_note(frame):
    notes = (f"{NOTE}20% of the flow left as measured: unsure", "one channel is silent")
    outcome = badges_of(dataclasses.replace(frame, notes=notes)).outcome
    assert outcome == "partly de-aliased: one channel is silent"


def test_truth_is_told_only_inside_a_vessel(frame):
    row, column = np.argwhere(~frame.vessel_mask)[0]
    x_m, z_m = frame.acquisition.colour_grid.positions_m(row, column)
    assert readout_at(frame, float(x_m), float(z_m)).truth_m_s is None


def test_the_distance_to_the_truth_is_told_for_each_panel(frame):
    nyquist, region = frame.nyquist_velocity_m_s, frame.score.region
    shown = region & (frame.status != Status.NO_FLOW)
    raw, best, corrected = truth_lines(frame)
    folds = np.rint((frame.truth_m_s - frame.velocity_m_s) / (2 * nyquist))[shown]
    for line, velocity, wrong in (
        (raw, frame.velocity_m_s, folds != 0),
        (corrected, frame.corrected_m_s, folds != frame.fold[shown]),
    ):
        off = (velocity - frame.truth_m_s)[shown]
        bias = f"{100 * off.mean():+.1f}".replace("-", MINUS)
        rms = np.sqrt(np.mean(off**2)) / nyquist
        share = f"{100 * wrong.mean():.{int(wrong.mean() < 0.0995)}f} %"
        assert line == f"truth: wrong folds {share}, rms {rms:.2f} v_N, bias {bias} cm/s"
    assert raw != corrected
    share = np.count_nonzero(shown) / np.count_nonzero(region)
    assert best == f"truth: flow in {100 * share:.0f} % of vessels, best rms 0.02 v_N"


def test_few_wrong_folds_never_read_as_none(frame):
    counts = frame.score.shown
    for n_wrong, text in ((0, "0.0 %"), (1, "<0.1 %"), (994, "9.9 %"), (996, "10 %")):
        shown = dataclasses.replace(counts, n_pixels=10000, n_wrong=n_wrong)
        scored = dataclasses.replace(frame.score, shown=shown)
        line = truth_lines(dataclasses.replace(frame, score=scored))[2]
        assert line.startswith(f"truth: wrong folds {text}, ")


def test_without_a_truth_nothing_is_said_of_it(frame):
    assert truth_lines(dataclasses.replace(frame, score=None)) == ("", "", "")
    hidden = dataclasses.replace(frame.score, shown=Counts())
    assert truth_lines(dataclasses.replace(frame, score=hidden)) == (
        "",
        "truth: no flow is shown inside the vessels",
        "",
    )


def test_outside_the_colour_box_there_is_no_velocity(frame):
    values = readout_at(frame, 0.0, 0.033)
    assert values.bmode_db is not None
    assert values.velocity_m_s is None
    assert values.lines() == ("x +0.0 mm   z 33.0 mm", "", "")


def test_outside_the_picture_there_is_nothing(frame):
    values = readout_at(frame, 0.5, 0.5)
    assert values.bmode_db is None
    assert values.velocity_m_s is None


def test_badges_sum_up_what_was_done(frame):
    badges = badges_of(frame)
    assert badges.aliased == f"{100 * frame.aliased_share:.0f} % aliased"
    assert badges.folds == "folds 0 … +1"
    assert badges.outcome == f"partly de-aliased: {frame.notes[0]}"
    assert badges.caution


def test_a_few_pixels_left_alone_raise_no_alarm(frame):
    status = np.where(frame.status == Status.ABSTAINED, Status.KEPT, frame.status)
    status[tuple(np.argwhere(status == Status.KEPT)[0])] = Status.ABSTAINED
    badges = badges_of(dataclasses.replace(frame, status=status.astype(np.uint8)))
    assert badges.outcome.startswith("mostly de-aliased: ")
    assert badges.unsure == "unsure: <1 % of the flow"
    assert not badges.caution


def test_nothing_is_called_corrected_where_no_fold_was_found(frame):
    status = np.where(frame.status == Status.NO_FLOW, Status.NO_FLOW, Status.KEPT)
    status[tuple(np.argwhere(status == Status.KEPT)[0])] = Status.ABSTAINED
    still = dataclasses.replace(
        frame, status=status.astype(np.uint8), fold=np.zeros_like(frame.fold)
    )
    assert badges_of(still).outcome.startswith("as measured: no folds were found")


def test_badges_of_clean_pictures():
    aliased = badges_of(make_frame(abstained=False))
    assert (aliased.outcome, aliased.caution) == ("de-aliased", False)
    slow = badges_of(make_frame(abstained=False, peak_nyquist=0.5))
    assert (slow.aliased, slow.folds) == ("0 % aliased", "no folds")
    assert slow.outcome == "as measured: nothing is aliased"


def test_notes_are_told_whatever_was_done():
    notes = ("3 of 128 channels are silent: 4, 61, 62",)
    frames = [
        make_frame(abstained=False),
        make_frame(abstained=False, peak_nyquist=0.5),
        make_frame(processing=ProcessingSettings(dealias=False)),
    ]
    empty = np.full(frames[0].status.shape, Status.NO_FLOW, np.uint8)
    frames.append(dataclasses.replace(frames[0], status=empty))
    for frame in frames:
        plain = badges_of(dataclasses.replace(frame, notes=()))
        told = badges_of(dataclasses.replace(frame, notes=notes))
        assert told.outcome.startswith(plain.outcome)
        assert told.outcome.endswith(notes[0])
        assert told.caution == plain.caution


def test_badges_never_claim_a_correction_that_was_not_made(frame):
    off = make_frame(processing=ProcessingSettings(dealias=False), abstained=False)
    assert badges_of(off).outcome == "not de-aliased: that is off"
    status = np.where(frame.status == Status.NO_FLOW, Status.NO_FLOW, Status.ABSTAINED)
    nothing = dataclasses.replace(
        frame, status=status.astype(np.uint8), fold=np.zeros_like(frame.fold)
    )
    assert badges_of(nothing).outcome.startswith("not de-aliased: ")
    assert badges_of(nothing).caution
    empty = dataclasses.replace(nothing, status=np.zeros_like(frame.status), notes=())
    assert badges_of(empty).outcome == "no flow to de-alias"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.001, "<1 %"),
        (0.4, "40 %"),
        (0.994, "99 %"),
        (0.999, ">99 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_reads_as_none_or_all_only_where_it_is(share, text):
    assert percent(share) == text
