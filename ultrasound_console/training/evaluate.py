"""How well folds are found on what no training saw, by every method at hand.

PyTorch is not needed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..declared import Value
from ..settings import ProcessingSettings
from . import sequences
from .chain import TEST_SEEDS, TEST_SNRS_DB
from .labelled import look_at_labels
from .methods import Methods
from .pictures import look_at
from .report import CYCLES, TEST_SET, Example, Report
from .scores import Case, Found, Scores, Tally
from .sequences import DISC, NoTruthError, Progress, Sequence

Frames = Iterator[tuple[Case, dict[str, Found]]]

_MOST_EXAMPLES = 4


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Attributes
    ----------
    n_scenes : int
        Of the test set.
    frames : Path or None
        Folder where frames of the test set are kept from run to run.
    sources : tuple of str
        Sources, and folders of training frames, instead of the test set, its heart cycles and the
        disc.
    changes : mapping
        Settings for these sources.
    labels : Path, optional
        Folder of frames that people gave the folds of: judged too, and alone where no sources are
        named.
    """

    n_scenes: int = len(TEST_SEEDS)
    frames: Path | None = None
    sources: tuple[str, ...] = ()
    changes: Mapping[str, Value] = field(default_factory=dict)
    labels: Path | None = None


def evaluate(
    plan: Plan, methods: Methods, progress: Progress = lambda done, total, what: None
) -> Report:
    """Score all methods.

    Parameters
    ----------
    plan : Plan
    methods : Methods
    progress : callable

    Raises
    ------
    SourceError, PipelineError, NoTruthError
        A source cannot be opened or processed, or there is nothing to score.
    AssetError
        The network fails.
    OSError
        Frames cannot be kept.
    """
    reached: dict[str, Mapping[str, Scores]] = {}
    examples: dict[int, Example] = {}
    for name, frames in _sets(plan, methods, progress):
        tally = Tally()
        for case, founds in frames:
            tally.add(case, founds)
            if methods.shown in founds and len(examples) < _MOST_EXAMPLES:
                example = Example(case, founds[methods.shown])
                examples.setdefault(example.peak_class, example)
        scores = tally.scores()
        if not scores:
            raise NoTruthError(f"{name}: no lumen in the picture")
        reached[name] = scores
    return Report(methods.shown, reached, tuple(examples[k] for k in sorted(examples)))


def _sets(plan: Plan, methods: Methods, progress: Progress) -> Iterator[tuple[str, Frames]]:
    """Name the sets; their frames are made while they are gone through."""
    if plan.labels is not None:
        yield f"labels of {plan.labels.name}", look_at_labels(plan.labels, methods, progress)
    if plan.sources or plan.labels is not None:
        for name in plan.sources:
            if Path(name).is_dir():
                yield name, look_at(Path(name), methods.segmenter, progress)
            else:
                yield name, methods.look(sequences.of_source(name, plan.changes, progress))
        return

    def looked(made: Iterable[Sequence], total: int, what: str) -> Frames:
        progress(0, total, what)
        for done, sequence in enumerate(made, 1):
            yield from methods.look(sequence)
            progress(done, total, what)

    kept = plan.n_scenes, plan.frames
    n_pairs = plan.n_scenes * len(TEST_SNRS_DB)
    yield TEST_SET, looked(sequences.pairs(*kept), n_pairs, "pairs of frames")
    n_cycles = sequences.n_cycles(plan.n_scenes)
    yield CYCLES, looked(sequences.heart_cycles(*kept), n_cycles, CYCLES)
    folder = sequences.recordings()
    for disc in sequences.disc(folder):
        yield disc.name, methods.look(disc)
    filtered = list(sequences.disc(folder, ProcessingSettings().wall_filter))
    if filtered:
        yield f"{DISC}, filtered", looked(filtered, len(filtered), "filtered discs")
