from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from zehn.figures import render

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    """No figure of pyplot's stays open and no setting stays changed, whatever is drawn."""
    settings = dict(mpl.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == settings


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def texts() -> Callable[[Figure], list[str]]:
    """Return a function that lists every text that a figure shows."""

    def list_texts(figure: Figure) -> list[str]:
        render(figure, "png")
        found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
        return [text.get_text().strip() for text in found if text.get_text().strip()]

    return list_texts


@pytest.fixture
def pixels() -> Callable[[Figure], np.ndarray]:
    """Return a function that gives a figure's PNG as an array (h, w, 3)."""
    return lambda figure: np.asarray(Image.open(BytesIO(render(figure, "png"))).convert("RGB"))


@pytest.fixture
def check_fit() -> Callable[[Figure, float], None]:
    """Return a function that fails where a text reaches over the figure's edge or is smaller than so many points."""

    def check(figure: Figure, least: float) -> None:
        render(figure, "png")
        drawn, slack = figure.get_tightbbox(), 0.02
        assert min(drawn.x0, drawn.y0) >= -slack
        assert drawn.x1 <= figure.get_figwidth() + slack
        assert drawn.y1 <= figure.get_figheight() + slack
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if text.get_visible() and text.get_text().strip():
                assert float(text.get_fontsize()) >= least, text.get_text()

    return check
