"""Read the pickles of CIFAR-10 without running what a pickle may ask to run.

Those files (protocol 2, written by Python 2) name three globals: numpy's array constructor, its argument ``ndarray``,
and ``dtype``. Only these names are admitted, and each stands for something harmless of our own.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zehn.datasets._checksums import REMEDY
from zehn.errors import DataError


def read_pickle(data: bytes, path: Path) -> Mapping[bytes, Any]:
    """Return the dictionary that a CIFAR-10 file holds, its keys and strings as bytes.

    Raises:
        DataError: the bytes are no such pickle, are cut short, or name anything that is not admitted.

    """
    try:
        _check_memo(data)
        content = _Unpickler(BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a pickle's opcodes may raise anything
        raise DataError(f"{path} is not a file of CIFAR-10: {error}; {REMEDY}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path} is not a file of CIFAR-10: expected a dictionary, came {type(content).__name__}; {REMEDY}"
        )
    if not all(isinstance(key, bytes) for key in content):
        raise DataError(f"{path} is not a file of CIFAR-10: expected bytes for names; {REMEDY}")
    return content


def _check_memo(data: bytes) -> None:
    """Refuse to remember more than there are bytes: for one high number pickle would make room for all below it."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name.endswith("PUT") and argument is not None and argument > len(data):
            raise pickle.UnpicklingError(f"it remembers something under the number {argument:,}")


def _empty_bytes(_kind: Any, _shape: Any, _typecode: Any) -> UInt8[np.ndarray, "0"]:
    return np.empty(0, np.uint8)


def _byte_type(name: Any, _align: Any, _copy: Any) -> np.dtype[Any]:
    if name != b"u1":
        raise pickle.UnpicklingError(f"expected bytes (u1), came the type {name!r}")
    return np.dtype(np.uint8)


_ADMITTED: Mapping[tuple[str, str], Callable[..., Any] | str] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_bytes,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _byte_type,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _ADMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which is not admitted") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it asks for the persistent object {pid!r}, which is not admitted")
