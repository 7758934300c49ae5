"""The network of an ONNX file, to train on from: the one that comes with the program, say.

Such a file holds convolutions that have taken in their normalisation. Here both are parted again:
each normalisation is given the statistics of what reaches it, and undoes them, so that the network
says what the file says, and may learn from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.features import N_FOLDS
from .network import FoldNet
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
