"""From nothing to a code that is as good: the P@10 that the Keras autoencoder has after three epochs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _autoencoders, _data, _images
from benchmarks.bench._neighbours import n_threads
from benchmarks.bench._protocol import PEERS, ZEHN, Case, Comparison, Goal, Work, peer

N_IMAGES, N_EPOCHS = 50_000, 3
_BUDGETS = (5_000, 10_000, 20_000, 40_000, 80_000, 160_000)
"""Images that Zehn's training sees: the least that reaches the aim counts, from a process that does nothing else."""
_N_QUERIES = 2_000
_AIM = _data.FOLDER / "aim.json"


@peer("Keras 3 on TensorFlow", PEERS)
def keras(case: Case) -> Work:
    """From starting Python to a trained model."""
    return _timed(case, "keras", 0)


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``Autoencoder(…).fit``, from starting Python; the recipe of the presets with the least budget that is enough."""
    del case
    return Work(lambda: [_reach()])


def _timed(case: Case, who: str, budget: int) -> Work:
    def turn() -> list[float]:
        seconds, codes = _train(who, case["n"], budget)
        _AIM.write_text(json.dumps({"n": case["n"], "P@10": _precision(codes, case["n"])}))
        return [seconds]

    return Work(turn)


def _reach() -> float:
    aim = json.loads(_AIM.read_text())
    for budget in _BUDGETS:
        seconds, codes = _train("zehn", aim["n"], budget)
        came = _precision(codes, aim["n"])
        print(f"{budget} images seen: {seconds:.1f} s, P@10 {came:.4f}, aim {aim['P@10']:.4f}", file=sys.stderr)
        if came >= aim["P@10"]:
            return seconds
    raise RuntimeError(f"no budget up to {_BUDGETS[-1]:,} images reached a P@10 of {aim['P@10']:.4f}")


def _train(who: str, n: int, budget: int) -> tuple[float, np.ndarray]:
    """Return the seconds of a new process until its model is trained, and the codes that it makes afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codes.npy"
        command = [sys.executable, "-m", f"{__package__}.reaching", who, str(n), str(budget), str(path)]
        began = time.time()
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(answer.stdout.splitlines()[-1]) - began, np.load(path)


def _precision(codes: np.ndarray, n: int) -> float:
    """Return the mean share of a query's ten nearest that have its class: main protocol, test images ask all."""
    labels = np.concatenate([_images.labels()[:n], _images.labels()[N_IMAGES:]])
    queries = codes[n:][:_N_QUERIES].astype(np.float64)
    among = codes.astype(np.float64)
    hits = []
    for start in range(0, len(queries), 100):
        part = queries[start : start + 100]
        squares = np.square(part)[:, None].sum(-1) + np.square(among).sum(-1) - 2 * part @ among.T
        squares[np.arange(len(part)), n + start + np.arange(len(part))] = np.inf
        near = np.argpartition(squares, 9, axis=1)[:, :10]
        hits.append(labels[near] == labels[n + start : n + start + len(part)][:, None])
    return float(np.concatenate(hits).mean())


def _main() -> None:
    """Train in this process, say when it was done, and write the codes of all images."""
    who, n, budget, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    images = _images.cifar10()
    images = np.concatenate([images[:n], images[N_IMAGES:]])
    codes_of = _by_keras(images[:n]) if who == "keras" else _by_zehn(images[:n], budget)
    print(time.time(), flush=True)
    np.save(path, codes_of(images))


def _by_keras(images: np.ndarray) -> Any:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n_threads())
    tf.config.threading.set_inter_op_parallelism_threads(n_threads())
    model, encoder = _autoencoders.by_keras()
    x = images.astype(np.float32) / 255
    model.fit(x, x, batch_size=_autoencoders.BATCH, epochs=N_EPOCHS, verbose=0)
    return lambda some: encoder.predict(some.astype(np.float32) / 255, batch_size=_autoencoders.BATCH, verbose=0)


def _by_zehn(images: np.ndarray, budget: int) -> Any:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from zehn import Autoencoder

    settings = {"train": {"n_seen": budget, "decoder_seen": 0}}
    # no more images than are seen: the statistics of the codes need no others
    return Autoencoder(settings=settings).fit(images[:budget]).transform


def _cases(given: Any) -> list[dict[str, Any]]:
    return [{"n": n} for n in given.sizes or [N_IMAGES]]


COMPARISON = Comparison(
    name="reaching",
    title="From nothing to the P@10 of three epochs of Keras",
    what="A new process until the model is trained. Keras trains the network above for three epochs; Zehn's "
    "`Autoencoder` (its own architecture and objectives) tries budgets of 5,000 images seen and twice as many each "
    "time, and the first whose codes come to the same P@10 (2,000 test images ask all) counts. Once each.",
    unit="training",
    needs_images=True,
    minutes="17",
    cases=_cases,
    peers=[keras, zehn],
    goals=(Goal(5.0, over="keras"),),
    n_turns=1,
)

if __name__ == "__main__":
    _main()
