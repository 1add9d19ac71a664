from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure

from zehn.errors import InputError
from zehn.figures import architecture
from zehn.figures.style import PAGE_HEIGHT, TEXT_WIDTH


def layer(half: str, kind: str, shape: tuple[int, ...], n_parameters: int = 0) -> dict[str, Any]:
    return {"half": half, "name": "body.0", "kind": kind, "shape": list(shape), "n_parameters": n_parameters}


def network(n_blocks: int) -> list[dict[str, Any]]:
    """Return the layers of a residual network with so many blocks at each of four sizes."""
    sides = ((32, 48), (16, 96), (8, 192), (4, 384))
    layers = []
    for half, order in (("encoder", sides), ("decoder", sides[::-1])):
        if half == "decoder":
            layers.append(layer(half, "Linear", (6144,), 67_584))
        for side, width in order:
            layers.append(layer(half, "Conv2d", (width, side, side), 9 * width * width))
            layers += [layer(half, "ResidualBlock", (width, side, side), 18 * width * width)] * n_blocks
            layers.append(layer(half, "SiLU", (width, side, side)))
        layers.append(layer(half, *(("Linear", (10,), 61_450) if half == "encoder" else ("Conv2d", (3, 32, 32), 1299))))
    return layers


@pytest.mark.parametrize("n_blocks", [0, 1, 3, 8, 40])
def test_it_fits_on_a_page_and_can_be_read(n_blocks: int, check_fit: Callable[[Figure, float], None]) -> None:
    figure = architecture(network(n_blocks), title="residual, 10 latent neurons")
    assert figure.get_figwidth() == TEXT_WIDTH
    assert figure.get_figheight() <= PAGE_HEIGHT + 1e-6
    check_fit(figure, 7.0)


def test_every_layer_shows_its_kind_shape_and_parameters(texts: Callable[[Figure], list[str]]) -> None:
    shown = texts(architecture(network(1)))
    assert shown.count("residual block") == 8
    assert shown.count("48 × 32 × 32") == 6
    assert shown.count("3 × 32 × 32") == 1
    assert "61,450" in shown
    assert "the code: 10 numbers" in shown
    total = sum(one["n_parameters"] for one in network(1) if one["half"] == "encoder")
    assert f"encoder · {total:,} parameters" in shown


def test_a_deep_network_is_drawn_in_groups_that_lose_no_parameter(texts: Callable[[Figure], list[str]]) -> None:
    layers = network(40)
    shown = texts(architecture(layers))
    assert "39 × residual block" in shown or "40 × residual block" in shown
    counts = [int(text.replace(",", "")) for text in shown if text.replace(",", "").isdecimal()]
    # the shapes of plain vectors are numbers too: the two ends of the code
    assert sum(counts) == sum(one["n_parameters"] for one in layers) + 10 + 6144


def test_layers_that_do_nothing_are_left_out(texts: Callable[[Figure], list[str]]) -> None:
    layers = [
        layer("encoder", "Pad", (3, 32, 32)),
        layer("encoder", "Linear", (10,), 30_730),
        layer("decoder", "Linear", (3, 33, 33), 35_937),
        layer("decoder", "Crop", (3, 32, 32)),
        layer("decoder", "Crop", (3, 32, 32)),
    ]
    shown = texts(architecture(layers))
    assert "pad" not in shown
    assert shown.count("crop") == 1


def test_half_a_network_is_refused() -> None:
    with pytest.raises(InputError, match="layers of an encoder and of a decoder"):
        architecture([layer("encoder", "Linear", (10,), 3)])


def test_the_shipped_architectures_can_be_drawn(texts: Callable[[Figure], list[str]]) -> None:
    import dataclasses

    from zehn import models

    layers = [dataclasses.asdict(one) for one in models.describe(models.build("dense", n_components=7))]
    assert "the code: 7 numbers" in texts(architecture(layers))
