"""What a process holds of a collection that is open: the engine that stores it, its names, its model."""

from __future__ import annotations

from zehn import codes, engines, store
from zehn.collection import keeping, places
from zehn.engines import Engine


class Handle:
    """A collection that is open, until it is closed."""

    def __init__(self, engine: Engine, address: str) -> None:
        self.engine = engine
        """What stores it."""
        self.address = engines.masked(address)
        """The path of its file, or its URL without a password."""
        self.name = places.name_of(address)
        self._place = address
        self.n_workers = codes.count_threads()
        """Processes that decode images; 0 decodes in this one."""
        self._model: store.Model | None = None

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self.engine.close()

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.engine)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self):,} images)"

    @property
    def model(self) -> store.Model:
        """The model that made the codes, as it is kept in the collection.

        Raises:
            ConfigError: it is yet to be trained.
            CollectionError: it is not there, damaged, or not the one that made the codes.

        """
        # asked anew each time: another process may have given the collection another model
        if self._model is None or self._model.fingerprint != self.engine.facts().get("fingerprint"):
            self._model = keeping.read(self.engine, self.name)
        return self._model
