"""The trained network in ONNX Runtime: planes of a frame in, probabilities of its folds out."""

from __future__ import annotations

import hashlib
import logging
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .assets import AssetError, check_listed, model
from .dsp import features
from .dsp.arrays import aligned_empty, aligned_zeros
from .dsp.device import missing_gpu, reason
from .dsp.evidence import CELL, N_MAPS, cells_of

_log = logging.getLogger(__name__)

MODEL, INT8_MODEL = "folds.onnx", "folds-int8.onnx"
"""Models that come with the program: as it was trained, and the same in eight bits."""
LOGITS = "logits"
"""Name of the output."""
N_CLASSES = features.N_FOLDS + 1
"""Folds -3 ... 3, and the lumen."""

_CHANNELS = {features.PLANES: features.N_PLANES, features.EVIDENCE: features.N_EVIDENCE}
_FLOAT = "tensor(float)"
_LARGEST_FILE = 256 * 2**20
_SILENT = 4  # log nothing: what fails is raised, and said by us
# Instructions that multiply eight-bit numbers and add them up, as LLVM calls them.
_BYTE_PRODUCTS = ("avx2", "dotprod")
_CUDA = "CUDAExecutionProvider"
# Without this it tries all algorithms at each new picture size.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}

# Objects of ONNX Runtime, which has no types.
_Session = Any

Float32 = NDArray[np.float32]


class Segmenter:
    """A network that stays loaded, and the buffers of one picture size; for one thread.

    Parameters
    ----------
    path : Path, optional
        ONNX file; by default those of the program, which must be the ones that their folder lists:
        that in eight bits for a CPU with instructions for it, and else the one as trained.

    Attributes
    ----------
    wants_gpu : bool
        Compute on the GPU, as far as that works.

    Raises
    ------
    AssetError
        ONNX Runtime or the file is missing, or the model is not one for this program; the message
        names the file, what is wrong, and the way out.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.wants_gpu = False
        self._why_no_gpu = ""
        # By whether it is for the GPU.
        self._paths = {
            True: path or model(MODEL),
            False: path or model(INT8_MODEL if _has_byte_products() else MODEL),
        }
        self._contents = {
            file: _read(file, listed=path is None) for file in dict.fromkeys(self._paths.values())
        }
        self._sessions: dict[bool, _Session] = {}
        self._bound: _Bound | None = None
        if fault := _fault(self._session(on_gpu=False)):
            raise self._refusal(fault)
        self.prepare((features.STRIDE, features.STRIDE))

    @property
    def name(self) -> str:
        """Of the file that it computes with."""
        return self._paths[self.device == "GPU"].name

    @property
    def fingerprint(self) -> str:
        """First digits of the SHA-256 of that file."""
        return self.sha256[:16]

    @property
    def sha256(self) -> str:
        """Checksum of that file."""
        content = self._contents[self._paths[self.device == "GPU"]]
        return hashlib.sha256(content).hexdigest()

    @property
    def device(self) -> str:
        """Where it computes."""
        return "GPU" if self.wants_gpu and not self._why_no_gpu else "CPU"

    @property
    def note(self) -> str:
        """Why it does not compute on the GPU as it was to; empty where it does as it was told."""
        fails = self.wants_gpu and self._why_no_gpu
        return f"the network computes on the CPU: {self._why_no_gpu}" if fails else ""

    def prepare(self, shape: tuple[int, int]) -> None:
        """Get ready for pictures of (n_depths, n_lines), so that the first is no slower.

        Raises
        ------
        AssetError
            The model fails at this size.
        """
        nothing = aligned_zeros(shape)
        maps = aligned_zeros((N_MAPS, *cells_of(shape)))
        # The first run plans its memory, the second one has it.
        for _ in range(2):
            self.posterior(nothing, nothing, nothing, nothing, previous=nothing, evidence=maps)

    def posterior(
        self,
        velocity: Float32,
        power_db: Float32,
        bandwidth: Float32,
        echo_db: Float32,
        *,
        previous: Float32 | None = None,
        evidence: Float32 | None = None,
    ) -> Float32:
        """Find how likely each fold is.

        Parameters
        ----------
        velocity, power_db, bandwidth, echo_db, previous : (n_depths, n_lines) float32
            See :func:`.dsp.features.planes`.
        evidence : (N_MAPS, n_depths / 4, n_lines / 4) float32, optional
            See :func:`.dsp.features.evidence`.

        Returns
        -------
        (n_depths, n_lines, N_CLASSES) float32
            See :func:`.dsp.features.posterior`.

        Raises
        ------
        AssetError
            The model fails.
        """
        shape = velocity.shape[0], velocity.shape[1]
        bound = self._fitted(shape)
        features.planes(velocity, power_db, bandwidth, echo_db, previous, out=bound.planes[0])
        features.evidence(evidence, shape, out=bound.evidence[0])
        bound = self._run(bound)
        found: Float32 = aligned_empty((*shape, N_CLASSES))
        features.posterior(bound.logits[0], shape, out=found)
        return found

    def _fitted(self, shape: tuple[int, int]) -> _Bound:
        """Buffers for a picture size on the device of now."""
        size, on_gpu = features.padded(shape), self.wants_gpu and not self._why_no_gpu
        bound = self._bound
        if bound is None or bound.size != size or bound.on_gpu != on_gpu:
            session = self._session(on_gpu=on_gpu)
            bound = _Bound(session, size, on_gpu=on_gpu and not self._why_no_gpu)
            self._bound = bound
        return bound

    def _run(self, bound: _Bound) -> _Bound:
        """Run the network; a GPU that fails is not used again."""
        try:
            bound.run()
        except Exception as error:  # ONNX Runtime raises errors of its own
            if not bound.on_gpu:
                raise self._refusal(_first_line(error)) from error
            _log.exception("the network failed on the GPU")
            self._why_no_gpu = reason(error)
            on_cpu = _Bound(self._session(on_gpu=False), bound.size, on_gpu=False)
            on_cpu.planes[...], on_cpu.evidence[...] = bound.planes, bound.evidence
            self._bound = bound = self._run(on_cpu)
        return bound

    def _session(self, *, on_gpu: bool) -> _Session:
        """Session on a device, made once; that of the CPU where there is no GPU for it."""
        if on_gpu and True not in self._sessions:
            self._why_no_gpu = missing_gpu()
            if not self._why_no_gpu:
                try:
                    self._sessions[True] = self._opened(on_gpu=True)
                except Exception as error:  # noqa: BLE001 - a broken driver may raise anything
                    self._why_no_gpu = reason(error)
        if on_gpu and not self._why_no_gpu:
            return self._sessions[True]
        if False not in self._sessions:
            try:
                self._sessions[False] = self._opened(on_gpu=False)
            except ImportError as error:
                raise AssetError(
                    f"ONNX Runtime cannot be loaded: {_first_line(error)}; the command 'doctor' "
                    "says how to mend it"
                ) from error
            except Exception as error:  # ONNX Runtime raises errors of its own
                raise self._refusal(_first_line(error)) from error
        return self._sessions[False]

    def _opened(self, *, on_gpu: bool) -> _Session:
        return _open(self._contents[self._paths[on_gpu]], on_gpu=on_gpu)

    def _refusal(self, fault: str) -> AssetError:
        return _refusal(self._paths[False], fault)


class _Bound:
    """A session with its inputs and output in buffers of one size."""

    def __init__(self, session: _Session, size: tuple[int, int], *, on_gpu: bool) -> None:
        rows, columns = size
        self.size, self.on_gpu = size, on_gpu
        self._session, self._binding = session, session.io_binding()
        cells = rows // CELL, columns // CELL
        self.planes: Float32 = aligned_zeros((1, features.N_PLANES, rows, columns))
        self.evidence: Float32 = aligned_zeros((1, features.N_EVIDENCE, *cells))
        self.logits: Float32 = aligned_empty((1, N_CLASSES, rows, columns))
        self._bind_inputs()
        self._binding.bind_output(
            LOGITS, "cpu", 0, np.float32, self.logits.shape, self.logits.ctypes.data
        )

    def _bind_inputs(self) -> None:
        for name, array in ((features.PLANES, self.planes), (features.EVIDENCE, self.evidence)):
            self._binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self) -> None:
        """Make the logits of the planes and the evidence."""
        if self.on_gpu:  # they travel when they are bound
            self._bind_inputs()
        self._session.run_with_iobinding(self._binding)


def _has_byte_products() -> bool:
    """Whether the processor is quicker with eight bits.

    They take half of the time with AVX512-VNNI, three quarters with AVX2 alone. A clock would know
    better, but the same processor should find the same folds each time, and a clock may say one
    thing today and another tomorrow.
    """
    from llvmlite import binding

    has = binding.get_host_cpu_features()  # empty where LLVM does not know the processor
    return any(has.get(feature) for feature in _BYTE_PRODUCTS)


def _open(content: bytes, *, on_gpu: bool) -> _Session:
    """Open a session.

    Raises
    ------
    ImportError
        ONNX Runtime cannot be loaded.
    Exception
        Whatever it raises where it cannot run the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    # The calling thread computes alone: the other stages need theirs.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers: list[Any] = ["CPUExecutionProvider"]
    if on_gpu:
        if _CUDA not in onnxruntime.get_available_providers():
            raise RuntimeError("this ONNX Runtime is made for the CPU")
        onnxruntime.set_default_logger_severity(_SILENT)
        onnxruntime.preload_dlls()
        providers.insert(0, (_CUDA, _CUDA_OPTIONS))
    # It would print, and go on with another device.
    session = onnxruntime.InferenceSession(content, options, providers, enable_fallback=0)
    if on_gpu and _CUDA not in session.get_providers():
        raise RuntimeError("ONNX Runtime finds no CUDA or cuDNN of its version")
    return session


def _read(path: Path, *, listed: bool) -> bytes:
    """Content of a model file; what is checked is what is loaded."""
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ValueError("not a regular file")  # a pipe would be waited for without end
        if status.st_size > _LARGEST_FILE:
            raise ValueError("too large")
        content = path.read_bytes()
        if listed:
            check_listed(path, content)
    except OSError as error:
        raise AssetError(f"{path}: {error.strerror or error}; give the name of a file") from error
    except ValueError as error:
        if listed:
            raise AssetError(f"{path}: {error}; install the program again") from error
        raise _refusal(path, str(error)) from error
    return content


def _refusal(path: Path, fault: str) -> AssetError:
    # What the runtime says may repeat any bytes of the file.
    fault = "".join(c if c.isprintable() else "?" for c in fault)
    return AssetError(f"{path}: {fault}; take a model made by 'ultrasound-console train'")


def _fault(session: _Session) -> str:
    """Say what keeps a model from being one for this program; empty if nothing does."""
    inputs, outputs = (
        {node.name: node for node in nodes}
        for nodes in (session.get_inputs(), session.get_outputs())
    )
    for name in inputs:
        if name not in _CHANNELS:
            return f"unknown input {name!r}"
    for what, nodes, channels in (
        ("input", inputs, _CHANNELS),
        ("output", outputs, {LOGITS: N_CLASSES}),
    ):
        for name, n_channels in channels.items():
            if name not in nodes:
                return f"no {what} {name!r}, only {', '.join(nodes)}"
            node = nodes[name]
            if node.type != _FLOAT:
                return f"{what} {name!r} is {node.type}, not {_FLOAT}"
            if len(node.shape) != 4:
                return f"{what} {name!r} has {len(node.shape)} dimensions, not 4"
            batch, found, *size = node.shape
            # A free size has a name, or none at all.
            if isinstance(found, int) and found != n_channels:
                return f"{what} {name!r} has {found} channels, not {n_channels}"
            if isinstance(batch, int) and batch != 1:
                return f"{what} {name!r} is for {batch} pictures at once, not 1"
            if any(isinstance(n, int) for n in size):
                return f"{what} {name!r} is for {size[0]} x {size[1]} pixels only, not for any size"
    return ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
