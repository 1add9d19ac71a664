"""Collections: a user's own images, their codes and what is known of them, in one durable file, searched by image.

>>> from zehn import Collection, load_dataset
>>> digits = load_dataset("digits")
>>> with Collection.create("./digits.zehn", "cifar10") as collection:
...     len(collection)
0
"""

from zehn.collection.collection import Collection
from zehn.collection.duplicates import Duplicate, groups
from zehn.collection.hits import Explanation, Hit
from zehn.collection.ingest import Changes
from zehn.collection.places import collections, exists

__all__ = ["Changes", "Collection", "Duplicate", "Explanation", "Hit", "collections", "exists", "groups"]
