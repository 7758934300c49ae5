"""Captures as gui4us pickles them, with classes that stand in for those of ARRUS."""

import pickle
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from recordings import C_M_S, FC_HZ, FS_HZ, PRF_HZ, START_S, element_x_m, samples

N_CYCLES = 2.0


@contextmanager
def made_up_modules():
    """Yield what makes an object of a class in a module that exists only here."""
    modules: dict[str, ModuleType] = {}

    def make(path: str, **attributes: Any) -> Any:
        parts = path.split(".")
        for n in range(1, len(parts)):
            module, name = ".".join(parts[:n]), parts[n]
            home = sys.modules[module] = modules.setdefault(module, ModuleType(module))
        if not hasattr(home, name):
            setattr(home, name, type(name, (), {"__module__": module}))
        made = getattr(home, name)()
        made.__dict__.update(attributes)
        return made

    try:
        yield make
    finally:
        for module in modules:
            del sys.modules[module]


def transmit(make, n_elements: int, **changes: Any) -> Any:
    """One transmit and what is received after it; changes by ``tx_``, ``rx_`` or as they are."""
    everywhere = np.ones(n_elements, bool)
    tx = {"aperture": everywhere, "delays": np.zeros(n_elements), "placement": "Probe:0"}
    rx = {"aperture": everywhere, "padding": (0, 0), "sample_range": (0, samples().shape[2])}
    pulse = {"center_frequency": FC_HZ, "n_periods": N_CYCLES, "inverse": False}
    others = {"pri": 1.0 / PRF_HZ}
    for key, value in changes.items():
        part, _, name = key.partition("_")
        named = {"tx": tx, "rx": rx, "pulse": pulse}
        named.get(part, others)[name if part in named else key] = value
    tx["excitation"] = make("arrus.ops.us4r.Pulse", **pulse)
    return make(
        "arrus.ops.us4r.TxRx",
        tx=make("arrus.ops.us4r.Tx", **tx),
        rx=make("arrus.ops.us4r.Rx", **rx),
        **others,
    )


def metadata(make, ops: list[Any], **changes: Any) -> Any:
    """What describes one output; changes by their name."""
    told = {
        "element_pos_x": element_x_m(),
        "speed_of_sound": C_M_S,
        "sampling_frequency": FS_HZ,
        "rx_offset": START_S + 0.5 * N_CYCLES / FC_HZ,
        "sri": None,
        "device_hz": 65e6,
        **changes,
    }
    x_m = told["element_pos_x"]
    model = make(
        "arrus.devices.probe.ProbeModel",
        model_id=make("arrus.devices.probe.ProbeModelId", manufacturer="esaote", name="sl1543"),
        n_elements=len(x_m),
        element_pos_x=x_m,
        element_pos_z=told.get("element_pos_z", np.zeros(len(x_m))),
    )
    probe = make("arrus.devices.probe.ProbeDTO", model=model)
    return make(
        "arrus.metadata.ConstMetadata",
        _context=make(
            "arrus.metadata.FrameAcquisitionContext",
            device=make(
                "arrus.devices.us4r.Us4RDTO", probe=[probe], sampling_frequency=told["device_hz"]
            ),
            raw_sequence=make(
                "arrus.ops.us4r.TxRxSequence", ops=ops, tgc_curve=np.array([]), sri=told["sri"]
            ),
            medium=make("arrus.medium.Medium", speed_of_sound=told["speed_of_sound"]),
            custom_data={},
        ),
        _data_char=make(
            "arrus.metadata.EchoDataDescription",
            sampling_frequency=told["sampling_frequency"],
            custom={"rx_offset": told["rx_offset"], 7: "seven"},
        ),
        _input_shape=(1, len(ops)),
        _dtype=np.dtype(np.int16),
        _version="0.11.3",
    )


def write_gui4us(
    path: Path,
    frames: list[Any] | None = None,
    *,
    protocol: int = 4,
    ops: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    """Save frames, each (repeats, transmits, samples, elements), as the second of two outputs."""
    if frames is None:
        frames = [samples().swapaxes(1, 2)[None]]
    n_elements = len(changes.get("element_pos_x", element_x_m()))
    with made_up_modules() as make:
        if ops is None:
            told = [transmit(make, n_elements)] * frames[0].shape[1]
        else:
            told = [transmit(make, n_elements, **each) for each in ops]
        about = metadata(make, told, **changes)
        image = np.zeros((1, 8, 5), np.float32)
        data = [frame if frame is None else (image, frame) for frame in frames]
        content = {"metadata": (about, about), "data": data}
        path.write_bytes(pickle.dumps(content, protocol))
    return path
