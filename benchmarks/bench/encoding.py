"""Images to codes with the model that ships."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from benchmarks.bench import _data, _images
from benchmarks.bench._neighbours import n_threads
from benchmarks.bench._protocol import PEERS, ZEHN, Answer, Case, Comparison, Goal, Work, peer

SIZES = [1_000, 2_000, 4_000, 60_000]
_MOST = 4_000
"""Of more images a turn encodes the next so many."""
_BATCH = 256
_N_CHECKED = 300
_MODEL = "cifar10"

Encode = Callable[[np.ndarray], np.ndarray]
"""From images (n, 32, 32, 3), uint8, to codes (n, 10)."""


def _work(encode: Encode, case: Case, **facts: Any) -> Work:
    images = _images.cifar10(case["n"])
    pieces = cycle([images[start : start + _MOST] for start in range(0, len(images), _MOST)])
    encode(images[: 2 * _BATCH])

    def turn() -> list[float]:
        piece = next(pieces)
        began = time.perf_counter()
        encode(piece)
        return [(time.perf_counter() - began) * len(images) / len(piece)]

    return Work(turn, lambda: {"codes": encode(images[:_N_CHECKED])}, {**facts, "n_done": min(_MOST, len(images))})


def _in_batches(run: Callable[[np.ndarray], np.ndarray]) -> Encode:
    """As one writes it: a batch of floats, channels first, at a time."""

    def encode(images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH].transpose(0, 3, 1, 2).astype(np.float32) / 255
            parts.append(run(np.ascontiguousarray(batch)))
        return np.concatenate(parts)

    return encode


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``zehn.codes.encode``, which ``transform``, ``add`` and the pipeline call."""
    from zehn import codes, load_model

    model = load_model(_MODEL)
    return _work(lambda images: codes.encode(model, images), case, operations=_operations(model))


@peer("PyTorch, float32", ZEHN)
def torch_eager(case: Case) -> Work:
    """The network as PyTorch runs it, eagerly."""
    return _work(_by_torch(channels_last=False), case)


@peer("PyTorch, float32, channels last", ZEHN)
def torch_channels_last(case: Case) -> Work:
    """The same with the memory format that its convolutions like better."""
    return _work(_by_torch(channels_last=True), case)


def _by_torch(*, channels_last: bool) -> Encode:
    import torch

    from zehn import codes, load_model

    torch.set_num_threads(n_threads())
    network = codes.to_network(load_model(_MODEL)).encoder.eval()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(batch).contiguous(memory_format=layout)).numpy()

    return _in_batches(run)


@peer("ONNX Runtime", ZEHN)
def onnx_runtime(case: Case) -> Work:
    """The graph in a file of its own, with a session's defaults."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    session = onnxruntime.InferenceSession(str(_graph()), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _work(_in_batches(lambda batch: session.run(None, {name: batch})[0]), case)


@peer("OpenVINO, float32", PEERS)
def openvino(case: Case) -> Work:
    """The same graph, compiled for throughput; codes must be the same, so no bfloat16."""
    import openvino

    core = openvino.Core()
    properties = {
        "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": n_threads(),
    }  # fmt: skip
    compiled = core.compile_model(str(_graph()), "CPU", properties)
    n_streams = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def encode(images: np.ndarray) -> np.ndarray:
        codes = np.empty((len(images), _data.N_COMPONENTS), np.float32)
        queue = openvino.AsyncInferQueue(compiled, n_streams)
        queue.set_callback(lambda request, rows: codes.__setitem__(rows, request.get_output_tensor().data))
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH].transpose(0, 3, 1, 2).astype(np.float32) / 255
            queue.start_async(np.ascontiguousarray(batch), slice(start, start + len(batch)))
        queue.wait_all()
        return codes

    return _work(encode, case, streams=n_streams)


def _graph() -> Any:
    """Write the encoder's graph with its weights, once: by Zehn's process, which is the first to get ready."""
    path = _data.FOLDER / f"{_MODEL}-encoder.onnx"
    if path.is_file():
        return path
    import onnx

    from zehn import load_model

    model = load_model(_MODEL)
    graph = onnx.load_model_from_string(model.graphs["encoder"])
    weights = {name.removeprefix("encoder."): value for name, value in model.weights.items()}
    for tensor in graph.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            whole = onnx.numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name)
            tensor.CopyFrom(whole)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString())
    return path


def _operations(model: Any) -> float:
    """Return the float operations of an image: twice the multiplications of convolutions and dense layers."""
    import torch

    from zehn import codes

    encoder, counted = codes.to_network(model).encoder.eval(), [0]

    def count(module: Any, _given: Any, output: Any) -> None:
        n_inputs = module.weight[0].numel()
        counted[0] += 2 * n_inputs * output.numel()

    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        encoder(torch.zeros(1, 3, model.image_size, model.image_size))
    return float(counted[0])


def _compare(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001
    off = float(np.abs(reference["codes"] - answer["codes"]).max() / np.abs(reference["codes"]).max())
    return "" if off < 1e-3 else f"codes differ by up to {off:.2g} of the largest"


COMPARISON = Comparison(
    name="encoding",
    title="Encoding with the model that ships",
    what="CIFAR-10 images, uint8 in memory, to their ten numbers by the model cifar10 (mirror image averaged in). All "
    "compute in float32 and give the same codes; sessions and graphs are made beforehand. Of 60,000 images a turn "
    f"encodes the next {_MOST:,}, and the time is that of all at this pace.",
    unit="image",
    needs_images=True,
    minutes="4",
    cases=lambda given: [{"n": n} for n in given.sizes or SIZES],
    peers=[zehn, torch_eager, torch_channels_last, onnx_runtime, openvino],
    goals=(Goal(1.0),),
    n_items=lambda case: case["n"],
    compare=_compare,
    grows="n",
    growth_only=frozenset(SIZES[:-1]),
    n_turns=8,
    seconds=40,
)
