"""The network of an ONNX file, to train on from: the one that comes with the program, say.

Such a file holds convolutions that have taken in their normalisation. Here both are parted again:
each normalisation is given the statistics of what reaches it, and undoes them, so that the network
says what the file says, and may learn from there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dsp.features import N_FOLDS
from .network import FoldNet
from .pytorch import Tensor, nn, torch

# '/down.0/layers/layers.3/Conv' is the convolution 'down.0.layers.3'.
_NODE = re.compile(r"/(?P<block>\w+)\.(?P<level>\d+)/(?:\w+/)?[\w.]*\.(?P<place>\d+)/Conv")


def network_of(model: Path, planes: NDArray[np.float32], evidence: NDArray[np.float32]) -> FoldNet:
    """Build the network that a file holds.

    Parameters
    ----------
    model : Path
        Of :func:`.network.export_onnx`, in 32 bits.
    planes, evidence : array
        Inputs of some frames, as :func:`.batches.inputs_of` gives them: what the statistics are
        taken from.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It holds another network, or none.
    """
    import onnx

    content = model.read_bytes()
    try:
        graph = onnx.load_from_string(content).graph
    except Exception as error:  # protobuf raises errors of its own
        raise ValueError(f"{model}: not an ONNX file") from error
    numbers = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    network = FoldNet()
    network.eval()
    modules = dict(network.named_modules())
    hooks, found = [], set()
    try:
        for node in graph.node:
            name = _module_name(node.name)
            if node.op_type == "Conv" and name in modules:
                weight, bias = (numbers[key] for key in node.input[1:3])
                _set(modules[name].weight, weight)
                part = _part(modules[name], bias)
                hooks.append(modules[_next(name)].register_forward_pre_hook(part))
                found.add(name)
            elif node.op_type == "ConvTranspose":
                # See `FoldNet._of_four_pixels`.
                together = numbers[node.input[1]].reshape(-1, 4 * (N_FOLDS + 1)).T
                _set(network.head.weight, together[:, :-1, None, None])
                _set(network.head.bias, together[:, -1])
                found.add("head")
        if found != {name for name, one in modules.items() if isinstance(one, nn.Conv2d)}:
            raise ValueError("other layers")
    except (KeyError, ValueError) as error:
        raise ValueError(f"{model}: not a network as this program trains it ({error})") from error
    with torch.no_grad():
        network(torch.from_numpy(planes), torch.from_numpy(evidence))
    for hook in hooks:
        hook.remove()
    return network


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


def _set(parameter: Tensor, values: NDArray[np.float32]) -> None:
    if parameter.shape != values.shape:
        raise ValueError(f"weights of {values.shape} where {tuple(parameter.shape)} belong")
    parameter.data.copy_(torch.from_numpy(values.copy()))


def _part(convolution: Any, bias: NDArray[np.float32]) -> Any:
    """Make a hook that parts a convolution and its normalisation, by what comes through first."""

    def hook(normalise: Any, arriving: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = arriving
        # The size of weights sets how fast they learn: one for each channel, as when they began.
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
