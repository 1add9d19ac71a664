"""Every plot that Zehn draws: arrays and dicts in, matplotlib figures out, no file read.

Figures are drawn at the size at which an A4 page shows them (:data:`~zehn.figures.style.TEXT_WIDTH` wide), so that a
point of text is a point of text on paper. :func:`save` writes them: line art as vector PDF and as PNG, image grids as
PNG alone. Dicts are those of the run folder, as :mod:`zehn.evaluate` and :mod:`zehn.pipeline` describe them. No plot
needs labels, and none relies on colour alone.
"""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as error:
    from zehn.errors import MissingExtraError

    raise MissingExtraError("matplotlib", "report") from error

from zehn.figures.architecture import architecture
from zehn.figures.codes import pairplot, umap_scatter
from zehn.figures.distortions import distorted_queries, distortions
from zehn.figures.grids import cover, hits, reconstructions, samples
from zehn.figures.robustness import corruption_bars, robustness_curves
from zehn.figures.scores import evolution, overlap, precision
from zehn.figures.style import render, save
from zehn.figures.training import robust_training, scalars_of, training_curves

__all__ = [
    "architecture",
    "corruption_bars",
    "cover",
    "distorted_queries",
    "distortions",
    "evolution",
    "hits",
    "overlap",
    "pairplot",
    "precision",
    "reconstructions",
    "render",
    "robust_training",
    "robustness_curves",
    "samples",
    "save",
    "scalars_of",
    "training_curves",
    "umap_scatter",
]
