"""What Zehn keeps on disk: the HDF5 model file and the run folder, written whole or not at all."""

from zehn.store.files import inputs_hash, to_json, write_atomically, writing
from zehn.store.hdf5 import NUMBERS, Hdf5Reader, open_hdf5
from zehn.store.model import Model, find_model, load_model, save_model, shipped_names, with_dtype
from zehn.store.run import Run
from zehn.store.versions import package_versions

__all__ = [
    "NUMBERS",
    "Hdf5Reader",
    "Model",
    "Run",
    "find_model",
    "inputs_hash",
    "load_model",
    "open_hdf5",
    "package_versions",
    "save_model",
    "shipped_names",
    "to_json",
    "with_dtype",
    "write_atomically",
    "writing",
]
