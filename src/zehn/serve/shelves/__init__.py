"""What is served: collections and runs, each under its name."""

from zehn.serve.shelves.shelf import COLLECTION, ROBUST, RUN, Added, Info, Shelf
from zehn.serve.shelves.shelves import Shelves

__all__ = ["COLLECTION", "ROBUST", "RUN", "Added", "Info", "Shelf", "Shelves"]
