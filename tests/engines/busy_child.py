"""What the tests kill: a process that adds to, removes from and compacts a collection until it is killed.

It prints a line before each operation ("+ 3 4 5", "- 3", "c") and "ok" and the ids after it was answered.
"""

from __future__ import annotations

import random
import sys

import numpy as np

from zehn import engines
from zehn.engines import NewRecord

N_MOST = 400


def say(*words: object) -> None:
    """Print at once."""
    print(*words, flush=True)  # noqa: T201


def main(address: str, seed: int) -> None:
    """Write until killed."""
    chance, codes = random.Random(seed), np.random.default_rng(seed)
    with engines.connect(address) as engine:
        there = [record.id for batch in engine.walk() for record in batch]
        number = 0
        say("ready")
        while True:
            what = chance.choice("++-c") if len(there) < N_MOST else "-"
            if what == "+":
                names = [f"{seed}/{number + place}".encode() for place in range(chance.randint(1, 60))]
                number += len(names)
                say("+", *(name.decode() for name in names))
                vectors = codes.normal(size=(len(names), engine.n_components)).astype(np.float32)
                records = [NewRecord(name, 1, 2, b"", 3, 4) for name in names]
                added = engine.add(records, vectors, [b"picture" * 200] * len(names)).tolist()
                there += added
                say("ok", *added)
            elif what == "-":
                gone = chance.sample(there, min(len(there), chance.randint(1, 40)))
                there = [id_ for id_ in there if id_ not in set(gone)]
                say("-", *gone)
                engine.remove(gone)
                say("ok")
            else:
                say("c")
                engine.compact()
                say("ok")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
