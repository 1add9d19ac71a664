"""JPEG files into a collection."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench import _images
from benchmarks.bench._neighbours import n_threads
from benchmarks.bench._protocol import ZEHN, Answer, Case, Comparison, Goal, Work, peer

SIZES = [250, 500, 1_000, 2_000]
_BATCH = 256


@peer("Zehn", ZEHN)
def zehn(case: Case) -> Work:
    """``Collection.add``: hashes, thumbnails, codes and all, each batch durable."""
    from zehn import Collection

    folder, codes = _images.jpegs(case["n"]), {}

    def turn() -> list[float]:
        with tempfile.TemporaryDirectory() as home, Collection.create(Path(home) / "one.zehn") as collection:
            began = time.perf_counter()
            collection.add(folder)
            seconds = time.perf_counter() - began
            codes["last"] = collection.engine.all_codes()[1]
        return [seconds]

    def answer() -> dict[str, np.ndarray]:
        turn()
        return {"codes": codes["last"]}

    return Work(turn, answer)


@peer("plain PyTorch loop", ZEHN)
def torch_loop(case: Case) -> Work:
    """A DataLoader with a worker per core, Pillow, the same network; an array of codes at the end and no more."""
    return Work(*_looping(case, is_whole=False))


@peer("plain PyTorch loop, with hash and thumbnail", ZEHN, is_beside=True)
def torch_loop_whole(case: Case) -> Work:
    """The same loop doing what a collection does with a file beside its code."""
    return Work(*_looping(case, is_whole=True))


def _looping(case: Case, *, is_whole: bool) -> Any:
    import torch
    from torch.utils.data import DataLoader, Dataset

    from zehn import codes, load_model

    torch.set_num_threads(n_threads())
    network = codes.to_network(load_model("cifar10")).encoder.eval()
    paths = sorted(_images.jpegs(case["n"]).rglob("*.jpg"))

    class Files(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, place: int) -> Any:
            return _read(paths[place], is_whole=is_whole)

    def turn() -> list[float]:
        began = time.perf_counter()
        loop()
        return [time.perf_counter() - began]

    def loop() -> np.ndarray:
        loader = DataLoader(Files(), _BATCH, num_workers=n_threads())
        with torch.inference_mode():
            found = [network(batch.permute(0, 3, 1, 2).float() / 255).numpy() for batch in loader]
        with tempfile.TemporaryDirectory() as home:
            np.save(Path(home) / "codes.npy", np.concatenate(found))
        return np.concatenate(found)

    return turn, lambda: {"codes": loop()}


def _read(path: Path, *, is_whole: bool) -> np.ndarray:
    """Return an image's middle square at the model's size, as such a loop has it."""
    from io import BytesIO

    from PIL import Image

    data = path.read_bytes()
    image = Image.open(BytesIO(data)).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((32, 32), Image.Resampling.BICUBIC)
    if is_whole:
        hashlib.sha256(data).digest()
        small = image.copy()
        small.thumbnail((128, 128))
        small.save(BytesIO(), "JPEG", quality=82)
    return np.array(square)


def _compare(reference: Answer, answer: Answer, case: Case) -> str:  # noqa: ARG001
    """Pictures are shrunk in two ways, so codes may differ a little; they must be of the same pictures."""
    expected, came = reference["codes"], answer["codes"]
    if expected.shape != came.shape:
        return f"expected codes of shape {expected.shape}, came {came.shape}"
    alike = [float(np.corrcoef(*pair)[0, 1]) for pair in zip(expected.T, came.T, strict=True)]
    return "" if min(alike) > 0.8 else f"codes agree too little: correlation {min(alike):.2f} in a dimension"


COMPARISON = Comparison(
    name="ingest",
    title="Adding images to a collection from JPEG files",
    what="Files of 33 kB on average (400 × 300) in the page cache; from their folder to their codes in an empty "
    "collection, or in an array. The goal is over the loop that keeps codes alone; the one that also hashes each file "
    "and makes its thumbnail, as a collection does, stands beside.",
    unit="image",
    needs_images=True,
    minutes="3",
    cases=lambda given: [{"n": n} for n in given.sizes or SIZES],
    peers=[zehn, torch_loop, torch_loop_whole],
    goals=(Goal(2.0),),
    n_items=lambda case: case["n"],
    compare=_compare,
    grows="n",
    growth_only=frozenset(SIZES[:-1]),
    n_turns=5,
    seconds=30,
)
