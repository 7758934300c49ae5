"""The network that a training starts from: another's checkpoint, or an ONNX file.

That which comes with the program is such a file. It holds convolutions that have taken in their
normalisation. Here both are parted again: each normalisation is given the statistics of what
reaches it, and undoes them, so that the network says what the file says, and may learn from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.evidence import CELL
from ..dsp.features import N_EVIDENCE, N_FOLDS, N_PLANES, STRIDE
from .network import EVIDENCE_WEIGHT, FoldNet
from .pytorch import Tensor, nn, torch

Float32 = NDArray[np.float32]

# '/down.0/layers/layers.3/Conv' is the convolution 'down.0.layers.3'.
_NODE = re.compile(r"/(?P<block>\w+)\.(?P<level>\d+)/(?:\w+/)?[\w.]*\.(?P<place>\d+)/Conv")


@dataclass(frozen=True)
class OnnxNetwork:
    """What an ONNX file holds.

    Attributes
    ----------
    convolutions : mapping
        Weights and bias by the name of the module in :class:`.network.FoldNet`.
    head : (n_channels + 1, N_FOLDS + 1, 2, 2) array
        See ``FoldNet._of_four_pixels``.
    """

    convolutions: Mapping[str, tuple[Float32, Float32]]
    head: Float32


def read_network(model: Path) -> OnnxNetwork:
    """Read a file of :func:`.network.export_onnx`, in 32 bits.

    Raises
    ------
    ImportError
        The package onnx is missing.
    OSError
        The file cannot be read.
    ValueError
        It holds another network, or none.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "an ONNX file needs the package onnx: install the extra 'train'"
        ) from error

    content = model.read_bytes()
    try:
        graph = onnx.load_from_string(content).graph
        numbers = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        convolutions, head = {}, None
        for node in graph.node:
            if node.op_type == "Conv":
                weight, bias = (numbers[key] for key in node.input[1:3])
                convolutions[_module_name(node.name)] = weight, bias
            elif node.op_type == "ConvTranspose":
                head = numbers[node.input[1]]
        wanted = {
            name: (tuple(module.weight.shape), (module.out_channels,))
            for name, module in _convolutions(FoldNet()).items()
        }
        found = {name: (w.shape, b.shape) for name, (w, b) in convolutions.items()}
        n_last = FoldNet().head.in_channels
        if found != wanted or head is None or head.shape != (n_last + 1, N_FOLDS + 1, 2, 2):
            raise ValueError("it has other layers")
    except Exception as error:  # protobuf raises errors of its own
        raise ValueError(f"{model}: not a network as this program trains it ({error})") from error
    return OnnxNetwork(convolutions, head)


def network_of(kept: OnnxNetwork, planes: Float32, evidence: Float32) -> FoldNet:
    """Build the network that a file held.

    Parameters
    ----------
    kept : OnnxNetwork
    planes, evidence : array
        Inputs as training draws them: what the statistics are taken from.
    """
    network = FoldNet()
    network.eval()
    modules = dict(network.named_modules())
    hooks = []
    for name, (weight, bias) in kept.convolutions.items():
        _set(modules[name].weight, weight)
        hooks.append(modules[_next(name)].register_forward_pre_hook(_part(modules[name], bias)))
    together = kept.head.reshape(-1, 4 * (N_FOLDS + 1)).T
    _set(network.head.weight, together[:, :-1, None, None])
    _set(network.head.bias, together[:, -1])
    with torch.no_grad():
        network(torch.from_numpy(planes), torch.from_numpy(evidence))
    for hook in hooks:
        hook.remove()
    return network


def start_of(start: Path, show: Callable[[str], None]) -> tuple[FoldNet, OnnxNetwork | None]:
    """Take the network that a training starts from.

    Parameters
    ----------
    start : Path
        Checkpoint of another training, or an ONNX file.
    show : callable
        Takes a line to tell.

    Returns
    -------
    network : FoldNet
        That of an ONNX file says what it should, and cannot learn.
    kept : OnnxNetwork or None
        What :func:`network_of` makes one of that can.

    Raises
    ------
    ImportError, OSError, ValueError
        See :func:`read_network`.
    """
    network = FoldNet()
    if start.suffix.lower() == ".onnx":
        kept_file = read_network(start)
        nothing = (
            np.zeros((1, n, STRIDE // size, STRIDE // size), np.float32)
            for n, size in ((N_PLANES, 1), (N_EVIDENCE, CELL))
        )
        return network_of(kept_file, *nothing), kept_file
    try:
        kept: dict[str, Tensor] = torch.load(start, weights_only=True)["average"]
        kept_weight, wanted = kept[EVIDENCE_WEIGHT], network.state_dict()[EVIDENCE_WEIGHT]
        if kept_weight.shape != wanted.shape:
            show(f"{start} saw other evidence: what it makes of it starts from zero")
            n_picture = network.widths[0]
            kept[EVIDENCE_WEIGHT] = torch.zeros_like(wanted)
            kept[EVIDENCE_WEIGHT][:, :n_picture] = kept_weight[:, :n_picture]
        network.load_state_dict(kept)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{start} is no checkpoint of a training like this") from error
    return network, None


def _convolutions(network: FoldNet) -> dict[str, Any]:
    """All that have a normalisation behind them."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module is not network.head
    }


def _module_name(node: str) -> str:
    found = _NODE.fullmatch(node)
    if found is None:
        return ""
    layers = "" if found["block"] == "narrow" else ".layers"
    return f"{found['block']}.{found['level']}{layers}.{found['place']}"


def _next(name: str) -> str:
    """Name of the normalisation behind a convolution."""
    block, place = name.rsplit(".", 1)
    return f"{block}.{int(place) + 1}"


def _set(parameter: Tensor, values: Float32) -> None:
    parameter.data.copy_(torch.from_numpy(values.copy()))


def _part(convolution: Any, bias: Float32) -> Any:
    """Make a hook that parts a convolution and its normalisation, by what comes through first."""

    def hook(normalise: Any, arriving: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = arriving
        # The size of its weights sets how fast a channel learns: the same for all.
        size = convolution.weight.flatten(1).norm(dim=1).clamp(min=1e-6)
        convolution.weight.data /= size[:, None, None, None]
        x = x / size[:, None, None]
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        normalise.running_mean.copy_(mean)
        normalise.running_var.copy_(variance)
        deviation = (variance + normalise.eps).sqrt()
        normalise.weight.data.copy_(deviation * size)
        normalise.bias.data.copy_(torch.from_numpy(bias.copy()) + mean * size)
        return (x,)

    return hook
