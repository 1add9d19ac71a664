"""What libraries raise where a file of arrays is damaged; fuzzing found more than their documentation names."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib

OF_ARRAYS = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, EOFError, OverflowError, SyntaxError,
    tokenize.TokenError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Of NumPy and ``zipfile`` (.npy and .npz), of h5py and of pyarrow; beside ``MemoryError``, which may be honest."""
