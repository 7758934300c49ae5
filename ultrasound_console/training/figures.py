"""What came out of an evaluation as pictures; needs Matplotlib, which training has as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .calibration import SHARES
from .report import TEST_SET, Report
from .scores import ALL, SPEED_STEP, Scores

_DPI = 110
_FEWEST_PIXELS = 200
_MOST_FOLDS = 3.5
_MARGIN = 6


def draw(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write PNG files of the test set, or of the first set where there is none of that.

    Parameters
    ----------
    report : Report
    folder : Path
        Made if need be.

    Returns
    -------
    tuple of Path
        In the order in which they are to be looked at.

    Raises
    ------
    ImportError
        Matplotlib is missing.
    OSError
        A file cannot be written.
    """
    figures = _figures(report)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures:
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=_DPI)
    return tuple(paths)


def _figures(report: Report) -> Iterator[tuple[str, Any]]:
    methods = report.sets.get(TEST_SET) or next(iter(report.sets.values()))
    yield "wrong-folds-by-speed", _by_speed(methods)
    if any(scores.coverage for scores in methods.values()):
        yield "coverage", _coverage(methods)
        yield "reliability", _reliability(methods)
    if report.examples:
        yield "examples", _examples(report)


def _axes(x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _by_speed(methods: Any) -> Any:
    figure, axes = _axes("|v| / v_N", "wrong folds, %")
    for name, scores in methods.items():
        points = [
            (SPEED_STEP * (k + 0.5), 100.0 * counts.wrong_share)
            for k, counts in enumerate(scores.speeds)
            if counts.n_pixels >= _FEWEST_PIXELS
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
    axes.set_ylim(bottom=0.0)
    axes.legend()
    return figure


def _sure(methods: Any) -> Iterator[tuple[str, Scores]]:
    return ((name, scores) for name, scores in methods.items() if scores.coverage)


def _coverage(methods: Any) -> Any:
    figure, axes = _axes("surest pixels, %", "wrong folds among them, %")
    for name, scores in _sure(methods):
        share, wrong = 100.0 * np.transpose(scores.coverage)
        (line,) = axes.plot(share, wrong, marker=".", label=name)
        everything = 100.0 * scores.groups[ALL].wrong_share
        axes.axhline(everything, color=line.get_color(), linestyle=":", alpha=0.5)
    axes.set_xlim(100.0 * SHARES[0], 100.0)
    axes.set_ylim(bottom=0.0)
    axes.legend()
    return figure


def _reliability(methods: Any) -> Any:
    figure, axes = _axes("confidence", "share of right folds")
    axes.plot([0.0, 1.0], [0.0, 1.0], color="grey", linestyle=":")
    for name, scores in _sure(methods):
        points = [(c, right) for c, right, n in scores.reliability if n >= _FEWEST_PIXELS]
        if points:
            label = f"{name}, ECE {scores.calibration_error:.3f}"
            axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set_aspect("equal")
    axes.legend()
    return figure


def _examples(report: Report) -> Any:
    """Raw velocity, true and found folds, and how sure they are; the lumen only."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    titles = ("measured, v_N", "true fold", f"found fold ({report.shown})", "confidence")
    n = len(report.examples)
    figure = Figure(figsize=(13.0, 1.9 * n), layout="constrained")
    steps = colormaps["coolwarm"].resampled(round(2 * _MOST_FOLDS))
    folds = {"cmap": steps, "vmin": -_MOST_FOLDS, "vmax": _MOST_FOLDS}
    for row, example in zip(
        figure.subplots(n, len(titles), squeeze=False), report.examples, strict=True
    ):
        case, found = example.case, example.found
        confidence = case.flow if found.confidence is None else found.confidence
        wanted = np.rint((case.truth - case.velocity) / 2.0)
        planes: tuple[tuple[Any, dict[str, Any]], ...] = (
            (case.velocity, {"cmap": "seismic", "vmin": -1.0, "vmax": 1.0}),
            (wanted, folds),
            (found.fold, folds),
            (confidence, {"cmap": "viridis", "vmin": 0.0, "vmax": 1.0}),
        )
        rows, lines = np.nonzero(case.region)
        height, width = case.pixel_m
        for axes, title, (plane, look) in zip(row, titles, planes, strict=True):
            shown = np.where(case.region, plane, np.nan)
            image = axes.imshow(shown, aspect=height / width, interpolation="nearest", **look)
            axes.set_ylim(rows.max() + _MARGIN, rows.min() - _MARGIN)
            axes.set_xlim(lines.min() - _MARGIN, lines.max() + _MARGIN)
            axes.set_title(title, fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            figure.colorbar(image, ax=axes, shrink=0.8)
        row[0].set_ylabel(f"{case.sequence}\n{case.kind}", fontsize=8)
    return figure
