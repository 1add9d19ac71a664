"""The versions of the packages that can change a result, as models and runs keep them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

PACKAGES = (
    "zehn", "numpy", "scipy", "torch", "pytorch-lightning", "kornia", "onnx", "onnxruntime", "h5py", "scikit-learn",
    "umap-learn", "numba", "matplotlib", "seaborn", "typst", "pillow",
)  # fmt: skip


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed version of each package; those not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
