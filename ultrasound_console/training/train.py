"""Training of the network: by one command, with checkpoints, and the same again with the same seed.

At the end its model is written twice: as it is, and in eight bits.

Every step draws from its own generator, made of the run's seed and the number of the step, so that
a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.features import N_FOLDS
from .batches import UNKNOWN, Batch, draw, inputs_of, labels_of
from .dataset import Shards, make_shards
from .labelled import make_labelled_shards
from .network import FoldNet, export_onnx
from .pytorch import Tensor, functional, torch
from .quantised import quantise
from .synthetic import SHAPE
from .taken_up import network_of, start_of

MODEL, INT8_MODEL = "folds.onnx", "folds-int8.onnx"
CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
PLOT = "log.png"
FRAMES, CHAIN_FRAMES, LABELLED_FRAMES = "frames", "chain", "labelled"

_COLUMNS = (
    "step",
    "seconds",
    "learning_rate",
    "loss",
    "wrong_share",
    "held_out_wrong_share",
    "held_out_aliased_share",
)
_WARM_UP = 100
_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 1.0
_LOG_STEPS = 50
# Frames that say what reaches each layer of an ONNX file's network.
_N_LOOKED_AT = 48
# The network that makes the previous frames follows every so many steps.
_REFRESH_STEPS = 100
_HELD_OUT_STEPS = 500
_CHECKPOINT_S = 180.0
# Small lumina count for more than their pixels, down to this share of a mean one.
_SMALLEST_LUMEN = 0.3
_DICE_SHARE, _LUMEN_SHARE = 0.3, 0.5
_DICE_FLOOR = 50.0


@dataclass(frozen=True)
class Plan:
    """What to train, and how.

    Attributes
    ----------
    folder : Path
        Where the model, the checkpoint, the log and, by default, the frames go.
    n_steps : int
    seed : int
    n_scenes, n_held_out : int
        Scenes to learn from, and to look at on the way.
    n_chain_scenes : int
        Scenes of the whole signal chain to learn from; if there are any, half of each batch is
        theirs.
    labels : Path, optional
        Folder of frames that people gave the folds of; they get as large a share of each batch as
        either of the others.
    batch : int
    learning_rate : float
        At its highest; it falls to zero along half a cosine.
    n_threads, n_processes : int
        Threads of the training; processes that make the frames before it.
    resume : bool
        Go on from the checkpoint.
    start : Path, optional
        Checkpoint of another training, or ONNX file, whose network this one starts from.
    """

    folder: Path
    n_steps: int
    seed: int = 0
    n_scenes: int = 4000
    n_held_out: int = 32
    n_chain_scenes: int = 0
    labels: Path | None = None
    batch: int = 12
    learning_rate: float = 3e-3
    n_threads: int = 1
    n_processes: int = 1
    resume: bool = False
    start: Path | None = None


class Average:
    """Exponential moving average of a network's numbers: what is kept in the end.

    Parameters
    ----------
    network : FoldNet
    """

    def __init__(self, network: FoldNet) -> None:
        self.network = FoldNet(network.widths)
        self.network.load_state_dict(network.state_dict())
        self.network.eval()

    def follow(self, network: FoldNet, step: int) -> None:
        """Move a little towards the network; by more at the beginning."""
        keep = min(0.998, (1.0 + step) / (20.0 + step))
        # These share their numbers with the networks, and are outside of any gradient.
        own = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                own[name].lerp_(value, 1.0 - keep)
            else:
                own[name].copy_(value)


def loss_of(logits: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Cross entropy and Dice over the folds of the lumen, and cross entropy of the lumen.

    Parameters
    ----------
    logits : (batch, N_FOLDS + 1, rows, columns)
    labels : (batch, rows, columns)
        See :class:`.batches.Batch`.

    Returns
    -------
    loss : Tensor
    wrong_share : float
        Share of the lumen whose likeliest fold is not the true one.
    """
    inside, known = labels >= 0, labels != UNKNOWN
    lumen = functional.binary_cross_entropy_with_logits(
        logits[:, N_FOLDS], inside.float(), weight=known.float()
    )
    n_inside = int(inside.sum())
    if n_inside == 0:
        return lumen, 0.0
    likely = functional.log_softmax(logits[:, :N_FOLDS].movedim(1, -1)[inside], dim=1)
    wanted = labels[inside]
    share = inside.flatten(1).sum(1) / (n_inside / len(labels))
    weight = (1.0 / share.clamp(min=_SMALLEST_LUMEN)).repeat_interleave(inside.flatten(1).sum(1))
    entropy = functional.nll_loss(likely, wanted, reduction="none")
    entropy = (entropy * weight).sum() / weight.sum()
    posterior = likely.exp()
    truth = functional.one_hot(wanted, N_FOLDS).float()
    overlap = (posterior * truth).sum(0)
    dice = 1.0 - 2.0 * overlap / ((posterior + truth).sum(0) + _DICE_FLOOR)
    wrong = float((likely.argmax(1) != wanted).float().mean())
    return entropy + _DICE_SHARE * dice.mean() + _LUMEN_SHARE * lumen, wrong


def posterior_of(
    network: FoldNet, planes: NDArray[np.float32], evidence: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Probabilities of the folds, (n, N_FOLDS, rows, columns); the network is in ``eval`` mode."""
    with torch.no_grad(), _brief():
        logits = network(_laid_out(planes), _laid_out(evidence))
    found: NDArray[np.float32] = torch.softmax(logits[:, :N_FOLDS].float(), 1).numpy()
    return found


def wrong_share(network: FoldNet, shards: Shards, size: int = 16) -> tuple[float, float]:
    """Share of all lumen pixels with a wrong fold: the network's likeliest, and fold 0."""
    wrong = aliased = total = 0
    for first in range(0, len(shards), size):
        frames = shards.take(range(first, min(first + size, len(shards))))
        labels = labels_of(frames)
        inside = labels >= 0
        found = posterior_of(network, *inputs_of(frames)).argmax(axis=1)
        wrong += int(np.count_nonzero(found[inside] != labels[inside]))
        aliased += int(np.count_nonzero(labels[inside] != N_FOLDS // 2))
        total += int(np.count_nonzero(inside))
    return wrong / total, aliased / total


@dataclass
class _Run:
    """A training on its way; ``before`` gives the folds of the frames before."""

    plan: Plan
    shards: Shards
    held_out: Shards
    network: FoldNet
    average: Average
    before: FoldNet
    optimiser: Any
    drawing: ThreadPoolExecutor
    step: int = 0
    seconds: float = 0.0
    recent: list[tuple[float, float]] = field(default_factory=list)
    ahead: Future[Batch] | None = None

    def advance(self) -> None:
        """Take one step, while the batch of the next one is drawn."""
        batch = self._drawn(self.step) if self.ahead is None else self.ahead.result()
        # Nothing is being drawn just now.
        if self.step % _REFRESH_STEPS == 0:
            self.before.load_state_dict(self.average.network.state_dict())
        self.ahead = self.drawing.submit(self._drawn, self.step + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        self.network.train()
        loss, wrong = _learn(self.network, batch, self.optimiser)
        self.step += 1
        self.average.follow(self.network, self.step)
        self.recent.append((loss, wrong))

    @property
    def learning_rate(self) -> float:
        """Up along a line, down along half a cosine."""
        part = self.step / max(1, self.plan.n_steps)
        falling = 0.5 * (1.0 + np.cos(np.pi * min(1.0, part)))
        return self.plan.learning_rate * min(1.0, (self.step + 1) / _WARM_UP) * float(falling)

    def _drawn(self, step: int) -> Batch:
        rng = np.random.default_rng([self.plan.seed, step])
        return draw(rng, self.shards, self.plan.batch, partial(posterior_of, self.before))

    def report(self) -> None:
        """Write a line of the log and show it."""
        loss, wrong = np.mean(self.recent, axis=0)
        self.recent.clear()
        row: list[object] = [
            self.step,
            f"{self.seconds:.1f}",
            f"{self.learning_rate:.3e}",
            f"{loss:.4f}",
            f"{wrong:.4f}",
        ]
        if self.step % _HELD_OUT_STEPS == 0 or self.step == self.plan.n_steps:
            row += [f"{value:.4f}" for value in wrong_share(self.average.network, self.held_out)]
        path = self.plan.folder / LOG
        is_new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(_COLUMNS)
            writer.writerow(row + [""] * (len(_COLUMNS) - len(row)))
        left_s = self.seconds / self.step * (self.plan.n_steps - self.step)
        held_out = f", held out {float(str(row[5])):.2%}" if len(row) > 5 else ""
        _show(
            f"step {self.step} of {self.plan.n_steps}, loss {loss:.3f}, wrong {wrong:.2%}"
            f"{held_out}, {left_s / 60.0:.0f} min left"
        )

    def save(self) -> None:
        """Write the checkpoint, the model so far and the plot."""
        path = self.plan.folder / CHECKPOINT
        part = path.with_suffix(".part")
        torch.save(
            {
                "seed": self.plan.seed,
                "n_steps": self.plan.n_steps,
                "step": self.step,
                "seconds": self.seconds,
                "network": self.network.state_dict(),
                "average": self.average.network.state_dict(),
                "before": self.before.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
            part,
        )
        part.replace(path)
        export_onnx(self.average.network, self.plan.folder / MODEL)
        plot(self.plan.folder / LOG, self.plan.folder / PLOT)

    def load(self) -> None:
        """Go on where the checkpoint was written."""
        path = self.plan.folder / CHECKPOINT
        kept = torch.load(path, weights_only=True)
        for name in ("seed", "n_steps"):
            if kept[name] != getattr(self.plan, name):
                raise ValueError(f"{path} is of another run: its {name} is {kept[name]}")
        self.network.load_state_dict(kept["network"])
        self.average.network.load_state_dict(kept["average"])
        self.before.load_state_dict(kept["before"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step, self.seconds = kept["step"], kept["seconds"]


def train(plan: Plan) -> Path:
    """Make the frames that are missing, then train.

    Returns
    -------
    Path
        The model, ``folds.onnx`` in the plan's folder; ``folds-int8.onnx`` lies beside it.

    Raises
    ------
    ValueError
        The checkpoint is of another seed or number of steps, or there is no network to start from
        in the file named.
    FileExistsError
        There is a checkpoint, and the plan is not to resume.
    FileNotFoundError
        There is no checkpoint to resume or to start from.
    SourceError
        A label cannot be read, or there is none.
    """
    checkpoint = plan.folder / CHECKPOINT
    if checkpoint.is_file() and not plan.resume:
        raise FileExistsError(f"{checkpoint} exists: resume, or take another folder")
    if plan.resume and not checkpoint.is_file():
        raise FileNotFoundError(f"{checkpoint}: nothing to resume")
    # Asked for before hours go into frames.
    started = None if plan.start is None else start_of(plan.start, _show)
    plan.folder.mkdir(parents=True, exist_ok=True)
    folders = [plan.folder / FRAMES]
    if plan.labels is not None:
        folders.append(plan.folder / LABELLED_FRAMES)
        make_labelled_shards(plan.labels, folders[-1], SHAPE)
    held_out = make_shards(
        plan.folder / "held-out", plan.n_held_out, seed=0, held_out=True, show=_show
    )
    make_shards(
        plan.folder / FRAMES,
        plan.n_scenes,
        seed=plan.seed,
        n_processes=plan.n_processes,
        show=_show,
    )
    if plan.n_chain_scenes:
        folders.insert(1, plan.folder / CHAIN_FRAMES)
        make_shards(
            plan.folder / CHAIN_FRAMES,
            plan.n_chain_scenes,
            seed=plan.seed,
            kind="chain",
            n_processes=plan.n_processes,
            show=_show,
        )
    shards = Shards(*folders)
    torch.set_num_threads(plan.n_threads)
    torch.manual_seed(plan.seed)
    network = FoldNet() if started is None else started[0]
    if started is not None and started[1] is not None:
        rng = np.random.default_rng(plan.seed)
        seen = draw(rng, shards, _N_LOOKED_AT, partial(posterior_of, network))
        network = network_of(started[1], seen.planes, seen.evidence)
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=plan.learning_rate, weight_decay=_WEIGHT_DECAY
    )
    average = Average(network)
    drawing = ThreadPoolExecutor(1, "batches")
    run = _Run(
        plan, shards, held_out, network, average, Average(network).network, optimiser, drawing
    )
    if plan.resume:
        run.load()
    before_s = saved_s = time.monotonic()
    try:
        while run.step < plan.n_steps:
            run.advance()
            now_s = time.monotonic()
            run.seconds += now_s - before_s
            before_s = now_s
            if run.step % _LOG_STEPS == 0 or run.step == plan.n_steps:
                run.report()
            if now_s - saved_s > _CHECKPOINT_S:
                run.save()
                saved_s = time.monotonic()
    finally:
        drawing.shutdown()
        run.save()
    model = plan.folder / MODEL
    quantise(model, shards, plan.folder / INT8_MODEL, seed=plan.seed)
    return model


def plot(log: Path, path: Path) -> None:
    """Draw the course of a training."""
    from matplotlib.figure import Figure

    if not log.is_file():
        return
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, name in ((upper, "loss"), (lower, "wrong_share"), (lower, "held_out_wrong_share")):
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        if points:
            axes.semilogy(*zip(*points, strict=True), label=name.replace("_", " "))
    lower.set_xlabel("step")
    for axes in (upper, lower):
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)


@contextmanager
def _brief() -> Iterator[None]:
    """Multiply in bfloat16: 1.6 times as fast on a CPU that has it, and as good here."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


def _laid_out(array: NDArray[np.float32]) -> Tensor:
    """Tensor with the channels last, as the convolutions like it."""
    return torch.from_numpy(array).contiguous(memory_format=torch.channels_last)


def _learn(network: FoldNet, batch: Batch, optimiser: Any) -> tuple[float, float]:
    """Take one gradient step; loss and share of wrong folds before it."""
    with _brief():
        logits = network(_laid_out(batch.planes), _laid_out(batch.evidence))
    loss, wrong = loss_of(logits.float(), torch.from_numpy(batch.labels))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
    optimiser.step()
    return float(loss.detach()), wrong


def _show(line: str) -> None:
    sys.stderr.write(f"\r{line:<100}" if sys.stderr.isatty() else f"{line}\n")
    sys.stderr.flush()
