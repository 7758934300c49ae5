"""Label files: what was written is read, and nothing that a file says is believed unchecked."""

import dataclasses
import json
import signal

import h5py
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from labels_for_tests import PROVENANCE, labelled

from ultrasound_console import labels
from ultrasound_console.frames import IqFrame
from ultrasound_console.sources import SourceError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A label with the frame before it, and its file."""
    path = tmp_path_factory.mktemp("labels") / f"one{labels.SUFFIX}"
    one = labelled(1)
    labels.save(path, one)
    return one, path


def assert_equal(found, wanted):
    """Compare values field by field, arrays to the bit."""
    for item in dataclasses.fields(wanted):
        a, b = getattr(found, item.name), getattr(wanted, item.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, item.name)
        elif isinstance(b, (labels.Label, labels.Shown, IqFrame)):
            assert_equal(a, b)
        elif item.name not in ("received_s", "stage_seconds"):
            assert a == b, item.name


@pytest.mark.parametrize("with_before", [True, False])
def test_what_was_written_is_read(tmp_path, with_before):
    one = labelled(1, with_before=with_before)
    path = tmp_path / labels.file_name(one)
    labels.save(path, one)
    again = labels.load(path)
    assert (again.before is None) == (not with_before)
    assert_equal(again, one)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert labels.label_files(tmp_path) == (path,)


def test_the_truth_is_the_measured_velocity_and_the_folds_that_were_given():
    one = labelled(1)
    turns = (one.truth_m_s - one.shown.velocity_m_s) / one.acquisition.nyquist_velocity_m_s
    given = one.label.given
    np.testing.assert_allclose(turns[given], 2.0 * one.shown.fold[given] + 2.0, atol=1e-5)
    assert not turns[~given].any()


def test_a_name_says_the_source_the_time_and_the_frame_and_leads_nowhere_else():
    one = labelled()
    assert labels.file_name(one) == "made-up-20260102030405-1.label.h5"
    iq = one.shown.iq
    rude = dataclasses.replace(iq.acquisition, source="../a b\n\x1b[31m.mat" + 90 * "x")
    shown = dataclasses.replace(one.shown, iq=dataclasses.replace(iq, acquisition=rude))
    name = labels.file_name(dataclasses.replace(one, shown=shown))
    assert name.startswith("a-b---31m-mat")
    assert len(name) < 90


def test_a_label_is_of_the_frame_that_its_samples_are_of():
    one = labelled()
    wrong = dataclasses.replace(one.shown.iq, index=7)
    with pytest.raises(ValueError, match="another frame"):
        labels.Shown.of(wrong, dataclasses.replace(_picture(), index=1))


def _picture():
    from labels_for_tests import pictures

    return pictures()[1][1]


def test_a_folder_without_labels_says_so(tmp_path):
    (tmp_path / "other.h5").write_bytes(b"")
    with pytest.raises(SourceError, match=r"no labels \(\*\.label\.h5\); give their folder"):
        labels.label_files(tmp_path)


def test_settings_of_another_version_are_left_out(written, tmp_path):
    one, _ = written
    path = _changed(written, tmp_path, processing={"magic": 1, "f_number": 99.0, "dealias": False})
    found = labels.load(path).processing
    assert found == dataclasses.replace(type(one.processing)(), dealias=False)


# ---- damaged and hostile files -------------------------------------------------------------


def _about(path):
    with h5py.File(path) as file:
        return json.loads(file["about"][()].tobytes())


def _changed(written, tmp_path, **changes):
    """Copy of the file whose text says something else; "a/b" is a value inside a group."""
    path = tmp_path / f"changed{labels.SUFFIX}"
    path.write_bytes(written[1].read_bytes())
    about = _about(path)
    for name, value in changes.items():
        *groups, last = name.split("/")
        inner = about
        for group in groups:
            inner = inner[group]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
    _write_about(path, json.dumps(about).encode())
    return path


def _write_about(path, text):
    with h5py.File(path, "a") as file:
        del file["about"]
        file["about"] = np.frombuffer(text, np.uint8)


def refused(path):
    """What is said of the file: one line that names it."""
    with pytest.raises(SourceError) as caught:
        labels.load(path)
    text = str(caught.value)
    assert text.startswith(path.name + ": ")
    assert text.isprintable()
    assert len(text) < 300
    return text


def read_or_refused(path):
    """A label, or what is said of the file."""
    try:
        return labels.load(path), ""
    except SourceError as error:
        return None, str(error)


TEXTS = [
    ({"format": "photograph"}, "format: not that of a label"),
    ({"format": ...}, "format: not that of a label"),
    ({"version": 2}, "version: this program reads version 1 only"),
    ({"acquisition": ...}, "acquisition: missing"),
    ({"acquisition": [1]}, "acquisition: missing, or not a group"),
    ({"acquisition/prf_hz": ...}, "acquisition/prf_hz: missing"),
    ({"acquisition/prf_hz": "fast"}, "acquisition/prf_hz: is not what it should be"),
    ({"acquisition/prf_hz": True}, "acquisition/prf_hz: is not what it should be"),
    ({"acquisition/prf_hz": 1e300}, "acquisition/prf_hz: is not what it should be"),
    ({"acquisition/prf_hz": float("nan")}, "acquisition/prf_hz: is not what it should be"),
    ({"acquisition/prf_hz": 0.0}, "acquisition/prf_hz: 0 is outside"),
    ({"acquisition/prf_hz": None}, "acquisition/prf_hz: inf is outside"),
    ({"acquisition/sound_speed_m_s": -1540.0}, "acquisition/sound_speed_m_s: -1540 is outside"),
    ({"acquisition/n_pulses": 12.5}, "acquisition/n_pulses: is not what it should be"),
    ({"acquisition/n_second_pulses": 2}, "acquisition/second_prf_hz: missing"),
    ({"acquisition/n_pulses": 10**9}, "acquisition/n_pulses: 1e+09 is outside"),
    ({"acquisition/n_pulses": 14}, "frame/samples: is int16 (64, 64, 2, 15), not int16"),
    ({"made_with": {"wall_filter": "polynomial-14"}}, "'polynomial-14' is no filter of 15 pulses"),
    ({"acquisition/transmit_angle_rad": 1.6}, "acquisition/transmit_angle_rad: 1.6 is outside"),
    ({"acquisition/frame_interval_s": None}, "acquisition/frame_interval_s: inf is outside"),
    ({"acquisition/colour_grid/kind": "round"}, "colour_grid/kind: is not what it should be"),
    ({"acquisition/colour_grid/n_depths": 1}, "acquisition/colour_grid: an image grid needs"),
    ({"acquisition/colour_grid/n_depths": 10**7}, "acquisition/colour_grid: too large"),
    ({"acquisition/colour_grid/n_depths": 65}, "given: is uint8 (64, 64), not uint8 (65, 64)"),
    ({"acquisition/bmode_grid/lines": [0.0, 1e3]}, "acquisition/bmode_grid: too large"),
    ({"acquisition/bmode_grid/lines": [0.0]}, "bmode_grid/lines: is not what it should be"),
    ({"acquisition/bmode_grid/angle_rad": 1.57}, "acquisition/bmode_grid: too steep"),
    ({"acquisition/probe/element_x_m": []}, "acquisition/probe: element_x_m and element_z_m"),
    ({"acquisition/probe/element_x_m": [0.0] * 70000}, "probe/element_x_m: is not what it"),
    ({"acquisition/notes": ["x" * 2000]}, "acquisition/notes: is not what it should be"),
    ({"acquisition/depth_gain_db": [[0.0, 1e9]]}, "acquisition: the gain over depth is 1e+09"),
    ({"processing": 3}, "processing: missing"),
    ({"made_with": {"wall_filter": "sieve\n"}}, "made_with/wall_filter: 'sieve?' is no filter"),
    ({"provenance": ...}, "provenance: missing"),
    ({"provenance/by": 7}, "provenance/by: is not what it should be"),
    ({"frames": None}, "frame: missing"),
    ({"frames/frame": {"index": 1}}, "frame/time_s: missing"),
    ({"frames/before": 1}, "before: missing, or not a group"),
]


@pytest.mark.parametrize(("changes", "said"), TEXTS)
def test_text_that_makes_no_sense_is_refused(written, tmp_path, changes, said):
    assert said in refused(_changed(written, tmp_path, **changes))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 5000, b"[]", b"9" * 5000], ids=len)
def test_text_that_is_none_is_refused(written, tmp_path, text):
    path = _changed(written, tmp_path)
    _write_about(path, text)
    assert ": about: " in (said := refused(path)) or ": format: " in said


def _with(written, tmp_path, name, values):
    path = tmp_path / f"changed{labels.SUFFIX}"
    path.write_bytes(written[1].read_bytes())
    with h5py.File(path, "a") as file:
        old = file[name][()]
        del file[name]
        if values is not None:
            file[name] = values(old)
    return path


def _spoilt(value):
    def change(old):
        new = old.copy()
        new[(0,) * new.ndim] = value
        return new

    return change


ARRAYS = [
    ("about", None, "about: missing"),
    ("fold", None, "fold: missing"),
    ("fold", _spoilt(5), "fold: holds values beyond 4"),
    ("fold", _spoilt(-128), "fold: holds values beyond 4"),
    ("fold", lambda old: old.astype(np.int16), "fold: is int16 (64, 64), not int8 (64, 64)"),
    ("given", _spoilt(2), "given: holds values beyond 1"),
    ("frame/samples", None, "frame/samples: missing"),
    ("frame/samples", lambda old: old[..., 1:], "frame/samples: is int16 (64, 64, 2, 14)"),
    ("frame/peak", _spoilt(np.nan), "frame/peak: holds values beyond"),
    ("frame/velocity_m_s", _spoilt(np.nan), "frame/velocity_m_s: holds values beyond 0.23"),
    ("frame/velocity_m_s", _spoilt(0.3), "frame/velocity_m_s: holds values beyond 0.23"),
    ("frame/power_db", _spoilt(np.inf), "frame/power_db: holds values beyond"),
    ("frame/status", _spoilt(4), "frame/status: holds values beyond 3"),
    ("before/bandwidth", lambda old: old.T[:-1].T, "before/bandwidth: is float32 (64, 63)"),
    ("before/confidence", lambda old: b"no", "before/confidence: not an array of numbers"),
    ("before/fold", lambda old: h5py.SoftLink("/fold"), "before/fold: a link"),
    ("before/fold", lambda old: h5py.ExternalLink("/etc/passwd", "/"), "before/fold: a link"),
]


@pytest.mark.parametrize(("name", "values", "said"), ARRAYS)
def test_arrays_that_make_no_sense_are_refused(written, tmp_path, name, values, said):
    assert said in refused(_with(written, tmp_path, name, values))


def test_folds_beside_the_given_pixels_do_not_count(written, tmp_path):
    one, _ = written
    row, column = np.argwhere(~one.label.given)[0]

    def stray(old):
        new = old.copy()
        new[row, column] = 3
        return new

    found = labels.load(_with(written, tmp_path, "fold", stray))
    np.testing.assert_array_equal(found.label.fold, one.label.fold)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@hypothesis.given(data=st.data(), value=_JSON)
@hypothesis.settings(max_examples=80, deadline=None, database=None)
def test_any_text_is_read_or_refused(written, tmp_path_factory, data, value):
    about = _about(written[1])
    inner = about
    while True:
        name = data.draw(st.sampled_from(sorted(inner)), label="name")
        if not isinstance(inner[name], dict) or data.draw(st.booleans(), label="whole"):
            break
        inner = inner[name]
    inner[name] = value
    path = tmp_path_factory.getbasetemp() / f"told{labels.SUFFIX}"
    path.write_bytes(written[1].read_bytes())
    _write_about(path, json.dumps(about).encode())
    found, said = read_or_refused(path)
    if found is None:
        assert said.isprintable()
    else:
        assert np.isfinite(found.truth_m_s).all()


def test_who_gave_it_is_said_only_by_those_who_want_to(tmp_path):
    assert not PROVENANCE.by
    one = labelled()
    told = dataclasses.replace(one.provenance, by="second reader")
    path = tmp_path / "x"
    labels.save(path, dataclasses.replace(one, provenance=told))
    assert labels.load(path).provenance.by == "second reader"


def test_on_a_full_disk_an_error_is_raised_and_nothing_is_left(tmp_path):
    """The limit of a file's size stands in for the disk; HDF5 itself would end the program."""
    resource = pytest.importorskip("resource")
    path, label = tmp_path / "some.label.h5", labelled()
    labels.save(path, label)
    whole = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, before[1]))
        with pytest.raises(OSError, match="large"):
            labels.save(path, label)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]
