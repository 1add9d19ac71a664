"""The passes through a model: images → codes and codes → images, batch by batch, the same on every machine.

On the processor ONNX Runtime computes them in float32 from the graphs in the model file, so that nothing here needs
PyTorch, and so that a model's codes do not depend on what else is installed. A GPU is used where it is asked for by
name, through PyTorch, in full float32 too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from numpy.typing import NDArray

from zehn import plugins
from zehn.errors import ConfigError, InputError, ModelFileError, UnknownNameError
from zehn.images import as_float, check_images
from zehn.progress import Progress
from zehn.store import Model

BATCH_SIZE = 256
DEVICES = ("auto", "cpu", "cuda", "mps")
"""``auto`` is the processor here: encoding is quick there, and its codes are the same on every machine."""

Pass = Callable[[Float32[np.ndarray, "n ..."]], Float32[np.ndarray, "n ..."]]

_passes: WeakKeyDictionary[Model, dict[tuple[str, str], Pass]] = WeakKeyDictionary()
_passes_lock = threading.Lock()
_LOG_ERRORS_ONLY = 3


def count_threads() -> int:
    """Return how many threads to use: what ``OMP_NUM_THREADS`` says, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def encode(
    model: Model,
    images: Any,
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    progress: Progress | None = None,
) -> Float32[np.ndarray, "n d"]:
    """Return the codes of many images.

    Args:
        model: What encodes.
        images: (n, H, W, 3), uint8, or floating point in [0, 1]; H and W are the model's image size. May be a memory
            map: one batch is read at a time.
        batch_size: Images at a time; it bounds the memory and changes no code by more than rounding.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: Told how many images are done and how many there are, after each batch.

    Raises:
        InputError: images of another shape, type, range or size.
        ConfigError: a device that is unknown or not there.
        ModelFileError: the model's graph and weights do not go together.

    """
    batch = images if isinstance(images, np.ndarray) else check_images(images)
    is_long_to_check = batch.ndim == 4 and batch.shape[-1] == 3 and batch.dtype.kind == "f"
    check_images(batch[:1] if is_long_to_check else batch)
    size = model.image_size
    if batch.shape[1:3] != (size, size):
        raise InputError(
            f"expected images of {size} × {size} pixels, as the model was trained on, came "
            f"{batch.shape[1]} × {batch.shape[2]}; make them so with zehn.images.resize_all(images, {size})"
        )
    return _through(_pass(model, "encoder", device), batch, _as_input, batch_size, _naming(progress, "encoding"))


def decode(
    model: Model,
    codes: Any,
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    progress: Progress | None = None,
) -> Float32[np.ndarray, "n h w 3"]:
    """Return the images (float32 in [0, 1]) that the model's decoder sees in codes of shape (n, d).

    Raises:
        InputError: codes of another shape, or that are no finite numbers.
        ConfigError: a device that is unknown or not there.
        ModelFileError: the model's graph and weights do not go together.

    """
    batch = _check_codes(model, codes)
    images = _through(
        _pass(model, "decoder", device), batch, lambda part: part, batch_size, _naming(progress, "decoding")
    )
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).clip(0, 1)


def _check_codes(model: Model, codes: Any) -> Float32[np.ndarray, "n d"]:
    batch = np.asarray(codes)
    if batch.ndim != 2 or batch.shape[1] != model.n_components or len(batch) == 0:
        raise InputError(
            f"expected codes of shape (n, {model.n_components}) for this model ({model.fingerprint}), came "
            f"{batch.shape}; give codes that this model made"
        )
    if batch.dtype.kind not in "fiu" or not np.isfinite(batch).all():
        raise InputError(f"expected codes that are finite numbers, came {batch.dtype}; give codes that encode returned")
    return batch.astype(np.float32)


def _through(
    run: Pass,
    batch: NDArray[Any],
    prepare: Callable[[NDArray[Any]], Float32[np.ndarray, "n ..."]],
    batch_size: int,
    tell: Callable[[int, int], None],
) -> Float32[np.ndarray, "n ..."]:
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, came {batch_size}")
    results: Float32[np.ndarray, "n ..."] | None = None
    for start in range(0, len(batch), batch_size):
        result = run(prepare(batch[start : start + batch_size]))
        if results is None:
            results = np.empty((len(batch), *result.shape[1:]), np.float32)
        results[start : start + batch_size] = result
        tell(min(start + batch_size, len(batch)), len(batch))
    if results is None:
        raise InputError("expected at least one image or code, came none")
    return results


def _naming(progress: Progress | None, what: str) -> Callable[[int, int], None]:
    return (lambda n_done, n_all: progress(what, n_done, n_all)) if progress else (lambda *_: None)


def _as_input(images: Shaped[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n 3 h w"]:
    whole: UInt8[np.ndarray, "n h w 3"] = check_images(images)
    floats = as_float(whole) if images.dtype == np.uint8 else images.clip(0, 1).astype(np.float32)
    return np.ascontiguousarray(floats.transpose(0, 3, 1, 2))


def _pass(model: Model, half: str, device: str) -> Pass:
    if device not in DEVICES:
        raise UnknownNameError("device", device, DEVICES)
    where = "cpu" if device == "auto" else device
    with _passes_lock:
        known = _passes.setdefault(model, {})
        if (half, where) not in known:
            known[half, where] = _onnx_pass(model, half) if where == "cpu" else _torch_pass(model, half, where)
        return known[half, where]


def _onnx_pass(model: Model, half: str) -> Pass:
    """Start an ONNX Runtime session on a half's graph, whose tensors come from the model's weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.intra_op_num_threads = count_threads()
    # threads that spin while they wait take the processor from whatever decodes the next images
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    weights = _float32_weights(model, half)
    options.add_external_initializers(
        list(weights), [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
    )
    try:
        session = onnxruntime.InferenceSession(model.graphs[half], options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no other parent
        raise ModelFileError(
            f"ONNX Runtime {onnxruntime.__version__} cannot use the {half} graph of this model ({error}); upgrade "
            "onnxruntime, or save the model again with the Zehn that trained it"
        ) from error
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def _float32_weights(model: Model, half: str) -> dict[str, NDArray[Any]]:
    """Return the weights that a half's graph reads, by their names there; they are those whose place is marked."""
    return {
        name: value.astype(np.float32)
        for name, value in ((name.removeprefix(f"{half}."), value) for name, value in model.weights.items())
        if tensor_location(name).encode() in model.graphs[half]
    }


def tensor_location(name: str) -> str:
    """Return what a graph says of the place of an external tensor; it marks the tensor as one of the weights."""
    return f"<weights/{name}>"


def _torch_pass(model: Model, half: str, device: str) -> Pass:
    """Put a half of the network on a GPU; it computes in float32 proper, not in TF32, so that codes stay the same."""
    from zehn.codes.network import to_network

    torch = plugins.require("torch", "train")
    there = torch.cuda.is_available() if device == "cuda" else device == "cpu" or torch.backends.mps.is_available()
    if not there:
        raise ConfigError(f"device {device!r} is not there or not usable by PyTorch; use device 'cpu'")
    module = getattr(to_network(model), half).to(device)

    def run(batch: Float32[np.ndarray, "n ..."]) -> Float32[np.ndarray, "n ..."]:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return module(torch.from_numpy(batch).to(device)).float().cpu().numpy()

    return run
