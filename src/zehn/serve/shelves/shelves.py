"""Everything that one service serves."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

from zehn import engines, store
from zehn.collection import Collection, collections, defaults, exists, places
from zehn.errors import CollectionError, ConfigError, RunError, UnknownNameError, ZehnError
from zehn.serve.background import Background
from zehn.serve.settings import Settings
from zehn.serve.shelves.of_collection import CollectionShelf
from zehn.serve.shelves.of_run import RunShelf, is_servable
from zehn.serve.shelves.shelf import Info, Shelf
from zehn.store import Run
from zehn.store.run import STAGES_NAME

RUNS_PATH = Path("runs")
_Answer = TypeVar("_Answer")
_DAMAGED = "a collection or run cannot be read"
_logger = logging.getLogger(__name__)
_NAME = re.compile(r"[^\W_][\w .-]{0,62}", re.ASCII)


class Shelves:
    """Collections and runs by name; a context manager that closes them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.background = Background()
        """Where maps and the like are made."""
        self.problems: list[str] = []
        """Why something that is there is not served."""
        self.runs: dict[str, Run] = {}
        """Run folders by name: those that are served, and, where nothing was named, all in ``runs/``."""
        self.failed: dict[str, str] = {}
        """Why something that was opened could not be made ready, by name; every search of it says so too."""
        self._shelves: dict[str, Shelf] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    @classmethod
    def open(cls, names_or_paths: Sequence[str | Path] = (), settings: Settings | None = None) -> Shelves:
        """Open what is named; without a name the newest run in ``runs/`` and all collections that have a name.

        Of these, what cannot be opened is left out, and listed among the problems.

        Args:
            names_or_paths: Names of collections, paths of .zehn files, paths of run folders, names of folders in runs/.
            settings: How the service behaves.

        Raises:
            UnknownNameError: a name of nothing that is there.
            RunError: a run that has no codes yet, is damaged, or whose data set is no longer what it was.
            CollectionError: a collection that is damaged or of a newer Zehn.
            ConfigError: a collection whose model is yet to be trained.
            DataError: a run's data set cannot be had.

        """
        shelves = cls(settings or Settings())
        with ExitStack() as undoing:
            undoing.callback(shelves.close)
            for one in names_or_paths:
                shelves._open_one(one)
            if not names_or_paths:
                shelves._open_all()
            undoing.pop_all()
        return shelves

    def __getitem__(self, name: str) -> Shelf:
        """Return what is served under a name.

        Raises:
            UnknownNameError: nothing is.

        """
        if name not in self._shelves:
            raise UnknownNameError("collection", name, self._shelves)
        return self._shelves[name]

    def __contains__(self, name: object) -> bool:
        return name in self._shelves

    def __iter__(self) -> Iterator[Shelf]:
        return iter(list(self._shelves.values()))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._shelves)

    def names(self) -> list[str]:
        """Return the names, in the order in which they were opened."""
        return list(self._shelves)

    @property
    def ready(self) -> bool:
        """Say whether a search of any of them would be answered at once, be it by what is wrong with it."""
        return all(shelf.ready or shelf.name in self.failed for shelf in self)

    def infos(self) -> list[Info]:
        """Return what there is to know of each; what is damaged is left out and logged."""
        return list(self._of_sound(lambda shelf: shelf.info()))

    def counts(self) -> list[tuple[str, int]]:
        """Return the name of each and how many images it has; what is damaged is left out and logged."""
        return list(self._of_sound(lambda shelf: (shelf.name, len(shelf))))

    def warm(self) -> None:
        """Begin to make the indexes of all, in a thread of its own."""
        threading.Thread(target=self._warm, name="zehn-warming", daemon=True).start()

    def create(self, name: str, model: str = defaults.MODEL) -> Shelf:
        """Make an empty collection and serve it.

        Args:
            name: Letters, digits, spaces, and any of "._-"; at most 63.
            model: One that ships. Others would be a path, and the service opens no path that comes from outside.

        Raises:
            ConfigError: a name that is none.
            UnknownNameError: no such model ships.
            CollectionError: there is one of that name already, or it cannot be written.

        """
        if not _NAME.fullmatch(name) or name.endswith((".", " ", places.SUFFIX)):
            raise ConfigError(
                "expected a name of at most 63 letters, digits, spaces, dots, hyphens or underscores, with a letter or "
                "digit first and no dot, space or .zehn last, came another; choose one such as photos"
            )
        if model not in store.shipped_names():
            raise UnknownNameError("model", model, store.shipped_names())
        with self._lock:
            if name in self._shelves:
                raise CollectionError(f"there is a collection {name} already; choose another name")
            Collection.create(name, model).close()
            shelf = CollectionShelf.open(name, self.settings, self.background, name)
            shelf.warm()
            self._shelves[name] = shelf
        return shelf

    def close(self) -> None:
        """End what goes on in the background, and let go of all; a second call does nothing."""
        self._is_closed = True
        self.background.close()
        for shelf in self:
            shelf.close()

    def __enter__(self) -> Shelves:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _warm(self) -> None:
        for shelf in self:
            try:
                shelf.warm()
            except Exception as error:
                if self._is_closed:
                    return
                _logger.warning(_DAMAGED, exc_info=True, extra=_about(shelf.name, error))
                self.problems.append(f"{shelf.name}: {error}")
                self.failed[shelf.name] = str(error)

    def _of_sound(self, ask: Callable[[Shelf], _Answer]) -> Iterator[_Answer]:
        """Yield what each shelf answers: one that is damaged does not take the others with it."""
        for shelf in self:
            try:
                answer = ask(shelf)
            except Exception as error:
                _logger.warning(_DAMAGED, exc_info=not isinstance(error, ZehnError), extra=_about(shelf.name, error))
            else:
                yield answer

    def _open_one(self, given: str | Path) -> None:
        named = Path(given)
        if (named / STAGES_NAME).is_file():
            self._open_run(Run.open(named))
        elif exists(given):
            self._open_collection(given)
        elif (RUNS_PATH / named / STAGES_NAME).is_file():
            self._open_run(Run.open(RUNS_PATH / named))
        elif named.is_dir():
            raise RunError(f"{given} is no run folder: it has no {STAGES_NAME}; name a folder that zehn run made")
        else:
            there = [*collections(), *(path.name for path in _run_paths())]
            raise UnknownNameError("collection or run", engines.masked(given), there)

    def _open_all(self) -> None:
        found: list[Run] = []
        for path in _run_paths():
            with self._noting():
                self.runs[_free_name(path.name, ())] = run = Run.open(path)
                found += [run] if is_servable(run) else []
        for run in found[:1]:
            with self._noting():
                self._open_run(run)
        for name in collections():
            with self._noting():
                self._open_collection(name)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Put what goes wrong among the problems."""
        try:
            yield
        except ZehnError as error:
            self.problems.append(str(error))

    def _open_run(self, run: Run) -> None:
        name = _free_name(run.path.resolve().name, self._shelves)
        self._shelves[name] = RunShelf(run, name, self.settings, self.background)
        self.runs[name] = run

    def _open_collection(self, given: str | Path) -> None:
        name = _free_name(places.short_name_of(places.address_of(given)), self._shelves)
        self._shelves[name] = CollectionShelf.open(given, self.settings, self.background, name)


def _about(name: str, error: Exception) -> dict[str, dict[str, str]]:
    return {"fields": {"collection": name, "reason": str(error)}}


def _free_name(called: str, taken: Container[str]) -> str:
    """Return a name that goes into an address and is not taken."""
    plain = called.encode("utf-8", "replace").decode().replace("/", "-").strip() or "collection"
    numbered = (plain if number == 1 else f"{plain}-{number}" for number in count(1))
    return next(name for name in numbered if name not in taken)


def _run_paths() -> list[Path]:
    """Return the run folders in ``runs/``, the newest first."""
    books = sorted(RUNS_PATH.glob(f"*/{STAGES_NAME}"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [book.parent for book in books]
