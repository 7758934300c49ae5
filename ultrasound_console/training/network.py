"""The network that sees which fold a velocity is in: a small U-Net, and its ONNX file.

Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation",
MICCAI 2015. To stay within milliseconds on one CPU thread it works at half resolution (the last
layer gives the four pixels of each sample), adds its skips instead of stacking them, and takes the
evidence maps where their resolution is at home.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

from ..dsp.features import EVIDENCE, N_EVIDENCE, N_FOLDS, N_PLANES, PLANES, STRIDE
from .pytorch import Tensor, functional, nn, torch

WIDTHS = (16, 32, 48, 64, 96)
EVIDENCE_WEIGHT = "down.1.layers.0.weight"
"""Name of the weights that the evidence comes in by, behind ``WIDTHS[0]`` other inputs."""
LOGITS = "logits"
_OPSET = 17


class _Block(nn.Module):  # type: ignore[misc]
    """Two convolutions, each normalised and rectified; the first may halve the picture."""

    def __init__(self, n_in: int, n_out: int, *, halves: bool = False) -> None:
        super().__init__()
        # Taking every second pixel of a convolution is quicker than folding pixels into channels.
        size, step = (4, 2) if halves else (3, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(n_in, n_out, size, stride=step, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, rows, columns) to n_out channels, and perhaps half the rows and columns."""
        y: Tensor = self.layers(x)
        return y


class FoldNet(nn.Module):  # type: ignore[misc]
    """Logits of the folds and of the lumen for every pixel.

    Parameters
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4 ... of the resolution; at least two.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        n_in = [N_PLANES, widths[0] + N_EVIDENCE, *widths[1:-1]]
        self.down = nn.ModuleList(
            _Block(below, width, halves=level == 0)
            for level, (below, width) in enumerate(zip(n_in, widths, strict=True))
        )
        self.narrow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, width, 1, bias=False), nn.BatchNorm2d(width))
            for width, wide in pairwise(widths)
        )
        self.up = nn.ModuleList(_Block(width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4 * (N_FOLDS + 1), 1)

    def forward(self, planes: Tensor, evidence: Tensor) -> Tensor:
        """Classify.

        Parameters
        ----------
        planes : (batch, N_PLANES, rows, columns)
            Rows and columns are multiples of the stride.
        evidence : (batch, N_EVIDENCE, rows / 4, columns / 4)

        Returns
        -------
        (batch, N_FOLDS + 1, rows, columns)
        """
        skips = [self.down[0](planes)]
        for level, block in enumerate(self.down):
            if level == 0:
                continue
            pooled = functional.max_pool2d(skips[-1], 2)
            skips.append(block(torch.cat([pooled, evidence], 1) if level == 1 else pooled))
        y = skips.pop()
        for level in reversed(range(len(self.up))):
            wider = functional.interpolate(self.narrow[level](y), scale_factor=2.0, mode="nearest")
            y = self.up[level](wider + skips[level])
        return self._of_four_pixels(y)

    def _of_four_pixels(self, y: Tensor) -> Tensor:
        """Logits of the four pixels of each sample."""
        logits: Tensor
        if torch.onnx.is_in_onnx_export():
            # The same as a transposed convolution, for which ONNX Runtime takes half the time. It
            # knows one bias for all four pixels: theirs come in with a channel of ones.
            weights = torch.cat([self.head.weight[:, :, 0, 0], self.head.bias[:, None]], 1)
            weights = weights.t().reshape(-1, N_FOLDS + 1, 2, 2)
            with_ones = functional.pad(y, (0, 0, 0, 0, 0, 1), value=1.0)
            logits = functional.conv_transpose2d(with_ones, weights, stride=2)
        else:
            logits = functional.pixel_shuffle(self.head(y), 2)
        return logits


def export_onnx(network: FoldNet, path: Path) -> None:
    """Write the network for ONNX Runtime; batch and image size stay free.

    Parameters
    ----------
    network : FoldNet
    path : Path
        ``*.onnx``; written next to its place and then moved there.
    """
    network = network.eval()
    planes = torch.zeros(1, N_PLANES, 2 * STRIDE, STRIDE)
    evidence = torch.zeros(1, N_EVIDENCE, STRIDE // 2, STRIDE // 4)
    free = {0: "batch", 2: "rows", 3: "columns"}
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        # The newer exporter needs one more package and makes the same file.
        warnings.simplefilter("ignore", DeprecationWarning)
        # What it leaves unfolded, ONNX Runtime folds when it loads.
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            network,
            (planes, evidence),
            str(part),
            input_names=[PLANES, EVIDENCE],
            output_names=[LOGITS],
            dynamic_axes={
                PLANES: free,
                EVIDENCE: {0: "batch", 2: "cell_rows", 3: "cell_columns"},
                LOGITS: free,
            },
            opset_version=_OPSET,
            dynamo=False,
        )
    part.replace(path)
