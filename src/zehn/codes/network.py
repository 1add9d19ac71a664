"""A trained network to a model (weights, ONNX graphs, statistics of its codes) and back."""

from __future__ import annotations

import io
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zehn import plugins
from zehn.codes.passes import decode, encode, tensor_location
from zehn.errors import InputError, ModelFileError, TrainingError
from zehn.progress import Progress
from zehn.store import Model, package_versions, with_dtype

if TYPE_CHECKING:
    from zehn.models import Network

_OPSET = 20
_TOLERANCE = 1e-3
_LEGACY_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed. Please remove usage of this function",
)


def from_network(
    network: Network,
    x_train: Any,
    *,
    config_toml: str = "",
    card: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    progress: Progress | None = None,
) -> Model:
    """Make a model of a trained network, with the mean and covariance of the training images' codes.

    Args:
        network: The trained network; it stays as it is.
        x_train: Images (n, H, W, 3) whose codes give the statistics, at least two.
        config_toml: The configuration that trained it.
        card: What one should know of the model: name, data set, seed, seconds, figures.
        dtype: ``float32``, or ``float16`` for a file of half the size. The weights are rounded before anything else,
            so that statistics and fingerprint are those of the model as it is stored.
        progress: Told how many training images are encoded and how many there are.

    Raises:
        TrainingError: the codes are no finite numbers: training went wrong.
        InputError: fewer than two images, or images of the wrong shape.
        MissingExtraError: PyTorch or onnx is not installed.

    """
    n_components = network.n_components
    bare = Model(
        architecture=network.architecture,
        n_components=n_components,
        image_size=network.image_size,
        options=dict(network.options),
        weights=_weights(network),
        code_mean=np.zeros(n_components),
        code_covariance=np.eye(n_components),
        graphs={},
        config_toml=config_toml,
        card=dict(card or {}),
        versions={"python": platform.python_version(), **package_versions()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return _with_statistics(_with_graphs(with_dtype(bare, dtype)), x_train, progress)


def to_network(model: Model) -> Network:
    """Build the PyTorch network of a model, in float32 and evaluation mode.

    Raises:
        ModelFileError: the weights are not those of the architecture.
        MissingExtraError: PyTorch is not installed.

    """
    torch = plugins.require("torch", "train")
    from zehn import models

    network = models.build(
        model.architecture, n_components=model.n_components, image_size=model.image_size, options=model.options
    )
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in model.weights.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"the weights are not those of architecture {model.architecture!r} as this Zehn builds it ({error}); "
            "read the model with the Zehn that trained it, or train it again"
        ) from error
    return network.eval()


def _weights(network: Network) -> dict[str, NDArray[Any]]:
    return {
        name: np.array((value.float() if value.is_floating_point() else value).detach().cpu().numpy(), order="C")
        for name, value in network.state_dict().items()
    }


def _with_graphs(model: Model) -> Model:
    torch, network = plugins.require("torch", "train"), to_network(model)
    images = torch.rand(2, 3, model.image_size, model.image_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes = network.encoder(images)
        expected = network.decoder(codes)
    if not torch.isfinite(codes).all():
        raise TrainingError("the codes are no finite numbers: training went wrong; train again with a lower rate")
    graphs = {"encoder": _graph(network.encoder, images), "decoder": _graph(network.decoder, codes)}
    complete = replace(model, graphs=graphs)
    _check_graphs(complete, images.permute(0, 2, 3, 1).numpy(), codes.numpy(), expected.permute(0, 2, 3, 1).numpy())
    return complete


def _check_graphs(model: Model, images: NDArray[Any], codes: NDArray[Any], decoded: NDArray[Any]) -> None:
    """Compare the graphs with the network once: an architecture may do what the exporter does not understand."""
    for half, came, expected in (
        ("encoder", encode(model, images), codes),
        ("decoder", decode(model, codes), decoded),
    ):
        if not np.allclose(came, expected, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(expected).max()):
            raise ModelFileError(
                f"the ONNX graph of the {half} of {model.architecture!r} computes something else than the network; "
                "write the architecture with operations that torch.onnx.export knows"
            )


def _graph(half: Any, example: Any) -> bytes:
    """Export a half as an ONNX graph of any batch size, without the tensors that the weights hold anyway.

    Those stay in the graph as external tensors: a name, a shape and a type, to be handed to ONNX Runtime with
    ``SessionOptions.add_external_initializers``.
    """
    torch, onnx = plugins.require("torch", "train"), plugins.require("onnx", "train")
    buffer = io.BytesIO()
    with _quiet_export():
        torch.onnx.export(
            half,
            (example,),
            buffer,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "n"}, "output": {0: "n"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    exported = onnx.load_from_string(buffer.getvalue())
    _share_tensors(exported.graph, half, onnx)
    return exported.SerializeToString(deterministic=True)


def _share_tensors(graph: Any, half: Any, onnx: Any) -> None:
    """Make every weight of the half that the graph reads an external tensor of the graph.

    The exporter merges tensors that happen to be equal by ``Identity`` nodes; that is undone here, so that other
    weights may take their places. Weights that nothing reads stay out: ONNX Runtime takes no tensor for nothing.
    """
    weights = {name: value for name, value in half.state_dict().items() if value.is_floating_point()}
    nodes = [node for node in graph.node if not (node.op_type == "Identity" and node.output[0] in weights)]
    constants = [tensor for tensor in graph.initializer if tensor.name not in weights]
    read = {name for node in nodes for name in node.input}
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    for name in sorted(read & set(weights)):
        tensor = graph.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT, dims=weights[name].shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=tensor_location(name))


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Silence what PyTorch says of its older exporter, which is the one that keeps the layers' names and is quick.

    Its tracer warns of sizes that become constants; all but the number of images are meant to.
    """
    with warnings.catch_warnings():
        for message in _LEGACY_WARNINGS:
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        warnings.filterwarnings("ignore", category=plugins.require("torch.jit", "train").TracerWarning)
        yield


def _with_statistics(model: Model, x_train: Any, progress: Progress | None) -> Model:
    if len(x_train) < 2:
        raise InputError(
            f"expected at least two training images for the statistics of the codes, came {len(x_train)}; give more"
        )
    codes = encode(model, x_train, progress=progress).astype(np.float64)
    if not np.isfinite(codes).all():
        raise TrainingError("the codes are no finite numbers: training went wrong; train again with a lower rate")
    return replace(model, code_mean=codes.mean(axis=0), code_covariance=np.cov(codes, rowvar=False))
