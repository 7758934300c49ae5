"""The network in whole numbers of eight bits: half the time on a processor that multiplies those.

Each activation is rounded to one of 256 steps, each weight to one of 128; how long a step is, a few
dozen training frames say (Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018). The first convolution stays as it is: it sees the
phase itself, and would be no quicker. So does the head, whose logits are told apart finely.

    python -m ultrasound_console.training.quantised MODEL --frames DIR [DIR] --out FILE

makes the model of eight bits from that of a training and its frames.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.features import EVIDENCE, N_FOLDS, PLANES
from .batches import draw
from .dataset import Shards

N_CALIBRATION_FRAMES = 48

# With all of these ONNX Runtime computes between the first convolution and the head in eight bits.
_OPERATORS = ["Conv", "Relu", "MaxPool", "Concat", "Resize", "Add"]

Float32 = NDArray[np.float32]


def quantise(model: Path, shards: Shards, path: Path, *, seed: int = 0) -> None:
    """Write a model of eight bits; the same one for the same frames and seed.

    Parameters
    ----------
    model : Path
        Of :func:`.network.export_onnx`.
    shards : Shards
        Training frames; each of their folders gives the same share.
    path : Path
        ``*.onnx``; written next to its place and then moved there.
    seed : int
        Of the frames that are drawn.

    Raises
    ------
    ImportError
        The package onnx is missing.
    """
    import onnx
    import onnxruntime
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    batch = draw(rng, shards, N_CALIBRATION_FRAMES, partial(_folds, session))
    part = path.with_suffix(".part")
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        quant_pre_process(model, plain, skip_symbolic_shape=True)
        nodes = onnx.load(plain).graph.node
        first = next(node.name for node in nodes if node.op_type == "Conv")
        quantization.quantize_static(
            plain,
            part,
            _Frames(batch.planes, batch.evidence),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            nodes_to_exclude=[first],
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            # Seven bits of weight: sums of eight overflow where there are no dot products.
            reduce_range=True,
        )
    part.replace(path)


class _Frames:
    """Hands the frames of a batch to the calibration, one by one."""

    def __init__(self, planes: Float32, evidence: Float32) -> None:
        self._inputs = zip(planes[:, None], evidence[:, None], strict=True)

    def get_next(self) -> dict[str, Float32] | None:
        """Take the inputs of the next frame; None after the last."""
        inputs = next(self._inputs, None)
        return None if inputs is None else dict(zip((PLANES, EVIDENCE), inputs, strict=True))


def _folds(session: Any, planes: Float32, evidence: Float32) -> Float32:
    """Probabilities of the folds, as :func:`.batches.draw` wants them."""
    logits = session.run(None, {PLANES: planes, EVIDENCE: evidence})[0][:, :N_FOLDS]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    folds: Float32 = powers / powers.sum(axis=1, keepdims=True)
    return folds


def main(arguments: list[str] | None = None) -> int:
    """Make the model of eight bits."""
    parser = argparse.ArgumentParser(
        prog="python -m ultrasound_console.training.quantised",
        description="Round a trained network to eight bits.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="as training writes it")
    parser.add_argument("--frames", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        parser.error(f"no file {options.model}")
    try:
        quantise(options.model, Shards(*options.frames), options.out, seed=options.seed)
    except OSError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
