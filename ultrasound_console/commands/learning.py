"""Commands that train the network and judge it."""

from __future__ import annotations

import argparse
import json

from ..arguments import changes_of
from .terminal import InputError, check_drawing, check_json, note, show_progress


def train_network(options: argparse.Namespace) -> int:
    """Train the network on simulated scenes."""
    counts = ("steps", "scenes", "batch", "threads", "processes")
    for name in counts:
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: give 1 or more")
    if options.chain_scenes < 0:
        raise InputError(f"--chain-scenes {options.chain_scenes}: give 0 or more")
    if not 0 <= options.seed <= 999:
        raise InputError(f"--seed {options.seed}: give 0 ... 999")
    if not 0.0 < options.rate < 1.0:
        raise InputError(f"--rate {options.rate:g}: give a number between 0 and 1")
    from ..sources import SourceError

    try:
        from ..training.train import Plan, train
    except ImportError as error:
        raise InputError(str(error)) from error
    plan = Plan(
        folder=options.out,
        n_steps=options.steps,
        seed=options.seed,
        n_scenes=options.scenes,
        n_chain_scenes=options.chain_scenes,
        labels=options.labels,
        batch=options.batch,
        learning_rate=options.rate,
        n_threads=options.threads,
        n_processes=options.processes,
        resume=options.resume,
        start=options.start,
    )
    try:
        model = train(plan)
    except (OSError, ValueError, SourceError) as error:
        raise InputError(str(error)) from error
    print(model)
    return 0


def judge_folds(options: argparse.Namespace) -> int:
    """Measure how well folds are found where the true flow is known."""
    from ..assets import AssetError
    from ..pipeline import PipelineError
    from ..segment import Segmenter
    from ..sources import SourceError
    from ..training import figures
    from ..training.chain import TEST_SEEDS
    from ..training.evaluate import Plan, evaluate
    from ..training.methods import Methods
    from ..training.report import table
    from ..training.sequences import NoTruthError

    changes = changes_of(options)
    if changes and not options.sources:
        raise InputError("--set and --prf are for sources; the test set has its own settings")
    if not 1 <= options.scenes <= len(TEST_SEEDS):
        raise InputError(f"--scenes {options.scenes}: give 1 ... {len(TEST_SEEDS)}")
    check_json(options.json)
    if options.figures is not None:
        check_drawing("--figures")
    segmenter = None
    try:
        segmenter = Segmenter(options.model)
    except ImportError as error:
        raise InputError(str(error)) from error
    except AssetError as error:
        if options.model is not None:
            raise InputError(str(error)) from error
        note(f"{error}; going on without a network")
    plan = Plan(options.scenes, options.frames, tuple(options.sources), changes, options.labels)
    try:
        report = evaluate(plan, Methods(segmenter), show_progress)
        print(table(report))
        if options.json is not None:
            name = None if segmenter is None else segmenter.name
            told = json.dumps({"model": name, **report.as_dict()}, indent=2)
            options.json.write_text(told + "\n", encoding="utf-8")
        drawn = figures.draw(report, options.figures) if options.figures else ()
    except (SourceError, PipelineError, AssetError, NoTruthError) as error:
        raise InputError(str(error)) from error
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise InputError(told) from error
    for path in drawn:
        print(path)
    return 0
