"""How the model grew: each rung of the ladder trained under the same small budget, and scored by protocol.md.

    python benchmarks/ladder.py --minutes 3 --seeds 3 --out runs/ladder

writes ``ladder.md`` (the table; what a rung gained over the one before it, with the standard error) and ``ladder.json``
(every number) into the folder, after each training; what is there already, of the same settings, is not trained again.
A few batches of each rung tell how many epochs fit into the budget, which is counted in processor time where there is
no accelerator; ``--epochs`` fixes them instead. No label is used but to score. ``--publish`` writes the table into
docs/ladder.md, with what it shows and what it does not, and for the report.

While recipes are being chosen, ``--held-out 5000`` scores on that many training images that no rung learns from, and
leaves the test set alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zehn import codes, config, datasets, models, store
from zehn.config import Config, ModelConfig, TrainConfig
from zehn.datasets import Dataset
from zehn.errors import UnknownNameError
from zehn.evaluate import evaluate
from zehn.train import choose_device, train

MEASURES = ("P@10", "mAP@1000", "MAP@R", "20-NN accuracy")
PACE_BATCHES = 8
"""Batches that tell how fast a rung trains."""
SECONDS_PER_MINUTE = 60
VALIDATION_SHARE = 0.02
HELD_OUT_SEED = 1

REBUILD: Mapping[str, float] = {"reconstruction": 1.0}
CONTRAST: Mapping[str, float] = {"contrastive": 1.0, "code_contrastive": 1.0, "denoising": 20.0}
RATE: Mapping[str, float] = {"coding_rate": 0.02, "code_contrastive": 1.0, "denoising": 20.0}
NEIGHBOURS: Mapping[str, float] = {**RATE, "code_neighbours": 0.5}


@dataclass(frozen=True)
class Rung:
    """One step of the ladder."""

    name: str
    why: str
    """What it adds, and what is hoped for."""
    architecture: str = "compact"
    objectives: Mapping[str, float] = field(default_factory=lambda: REBUILD)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kept: bool = False
    """Whether the recipe of the presets has it."""
    is_close: bool = False
    """Whether it lies so near its neighbours that one seed cannot tell them apart: ``--seeds`` counts for it alone."""
    teacher: str = ""
    """The rung whose model of the same seed this one learns from."""


RUNGS = (
    Rung("dense", "Two dense layers each way: what ten numbers keep of a picture without knowing it is one.", "dense"),
    Rung("conv", "Convolutions know that neighbouring pixels belong together.", "conv"),
    Rung("residual", "Depth, trainable because each block adds to what is there.", "residual"),
    Rung("compact", "A mean over places and twice the mirror image: what is there counts, not where.", kept=True),
    Rung(
        "+ denoising",
        "The clean picture from a cropped, recoloured view: the code may not hang on what a view changes.",
        objectives={"denoising": 1.0},
        kept=True,
    ),
    Rung(
        "+ contrastive",
        "Two views of a picture should have one code, and different pictures different ones: kind instead of colour.",
        objectives=CONTRAST,
        options={"code_contrastive": {"n_views": 2}},
        is_close=True,
    ),
    Rung(
        "+ coding rate",
        "Four views instead of two agree, and all of them together fill the space: more is learnt from each picture.",
        objectives=RATE,
        kept=True,
        is_close=True,
    ),
    Rung(
        "+ neighbours",
        "Pictures that look alike to the features are drawn together in the code, which views alone cannot do.",
        objectives=NEIGHBOURS,
        kept=True,
        is_close=True,
    ),
    Rung(
        "+ self-labelling",
        "Prototypes share the images among themselves, so that groups form where views alone leave a continuum.",
        objectives={**NEIGHBOURS, "self_labelling": 0.5},
        options={"self_labelling": {"begin": 0.4}},
        is_close=True,
    ),
    Rung(
        "+ distillation",
        "A student learns the flip-averaged codes of the neighbours' rung, without contrasts of its own.",
        objectives={"distillation": 1.0, "denoising": 20.0},
        teacher="+ neighbours",
        is_close=True,
    ),
)


ELSEWHERE = """**What this does not show.** So few minutes are two or three epochs of these images for the upper rungs:
objectives that take four views of each picture, or that begin to count late, have hardly begun. The last column says
what was hoped for; the column before it says what came, and below 0 the rung lost, at this budget. Muon is no rung: it
is the optimiser of all of them (it moves convolutions that a normalisation follows and leaves the rest to AdamW).

**How the recipe that ships was chosen**: by longer trainings, which stand in the findings, of one seed each, where a
difference of 0.01 may be chance.

- [Which label-free recipe learns most per processor-second](\
../LOG.md#2026-11-22-which-label-free-recipe-learns-most-per-processor-second),
  on held-out training images: in four minutes P@10 came to 0.323 to 0.362 with Muon, to 0.276 to 0.304 with AdamW
  alone; in eight, with Muon, two views by InfoNCE came to 0.386 and four by the coding rate to 0.391. So the coding
  rate was taken on a difference of 0.005.
- There, too, a new head trained on the features for 42 seconds came to 0.391 by views alone and to 0.400 with
  neighbours, and they were taken for that. Whether they earn their place in a training of an hour, no ablation shows.
- [The weights that ship](\
../LOG.md#2026-11-22-the-weights-that-ship-and-the-ladder-of-objectives): that recipe, by Muon, 16 epochs of
  49,000 images in 77 minutes on one core, has a P@10 of 0.557 [0.551, 0.563], asked by all 10,000 test images.
- Self-labelling is not in the recipe. Nor is distillation; `cifar10-robust` is trained by it, for another end
  ([robust search](robust.md)).

The finding to this table: [the ladder with three seeds](\
../LOG.md#2026-11-23-the-ladder-with-three-seeds-and-the-weight-of-the-picture). To make it again, from a clone:
"""


@dataclass(frozen=True)
class Budget:
    """What every rung may spend."""

    minutes: float
    epochs: int
    """Fixed number of epochs; 0 means as many as fit into the minutes."""
    assignments: tuple[str, ...] = ()
    """Settings for all rungs, as ``zehn --set`` takes them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score it, and write the table."""
    given = _parse(arguments)
    dataset = load_dataset(given)
    budget = Budget(given.minutes, given.epochs, tuple(given.set))
    results = []
    for seed, rung in itertools.product(range(given.seeds), _chosen(given.rungs)):
        if seed and not rung.is_close:
            continue
        results.append(climb(rung, dataset, budget, seed, given))
        write_table(results, given, dataset)
    print((given.out / "ladder.md").read_text(encoding="utf-8"))
    if given.publish:
        publish(results, given, dataset)


def load_dataset(given: argparse.Namespace) -> Dataset:
    """Load the images; with ``--held-out``, training images stand in for the test set."""
    dataset = datasets.subset(datasets.load(given.dataset), given.n_train, given.n_test, 0)
    if not given.held_out:
        return dataset
    kept, held = datasets.split_validation(dataset.n_train, given.held_out / dataset.n_train, HELD_OUT_SEED)
    labels = dataset.y_train
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name}, {len(held)} held-out training images",
        x_train=dataset.x_train[kept],
        y_train=None if labels is None else labels[kept],
        x_test=dataset.x_train[held],
        y_test=None if labels is None else labels[held],
        paths=None,
    )


def climb(rung: Rung, dataset: Dataset, budget: Budget, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return a rung's result for one seed: from its folder if it was made under the same settings, else by training."""
    folder = rung_path(given.out, rung.name, seed)
    settings = configure(rung, budget, seed, teacher_path(rung, seed, given))
    made_from: dict[str, Any] = {
        "config": config.to_toml(settings),
        "dataset": dataset.name,
        "n_images": [dataset.n_train, dataset.n_test],
    }
    made_from |= {"minutes": budget.minutes, "epochs": budget.epochs}
    path = folder / "result.json"
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["made_from"] == made_from:
            return dict(known)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"{rung.name}, seed {seed} …", flush=True)
    trained = train_rung(rung, settings, dataset, budget, folder)
    scores = score(store.load_model(folder / "model.h5"), dataset, settings.train.device)
    result = {"rung": rung.name, "seed": seed, "made_from": made_from, **trained, **scores}
    store.write_atomically(path, json.dumps(result, indent=1))
    return result


def rung_path(out: Path, name: str, seed: int) -> Path:
    """Return where a rung's model and result for one seed are kept."""
    return out / name.strip("+ ").replace(" ", "-") / str(seed)


def teacher_path(rung: Rung, seed: int, given: argparse.Namespace) -> Path | None:
    """Return the model that a rung learns from, if it learns from one."""
    if not rung.teacher:
        return None
    path = given.teacher or rung_path(given.out, rung.teacher, seed) / "model.h5"
    if not path.is_file():
        raise SystemExit(f"{rung.name!r} learns from {rung.teacher!r}: expected its model at {path}; train it first")
    return Path(path)


def configure(rung: Rung, budget: Budget, seed: int, teacher: Path | None) -> Config:
    """Return a rung's settings: the defaults, its objectives, and what was set for all rungs.

    Options of the model are for rungs of the default architecture alone.
    """
    has_options = rung.architecture == ModelConfig.architecture
    options = {name: dict(given) for name, given in rung.options.items()}
    if teacher is not None:
        options.setdefault("distillation", {})["teacher"] = str(teacher)
    own = TrainConfig(objectives=rung.objectives, objective_options=options, decoder_seen=0)
    model = ModelConfig(architecture=rung.architecture)
    shared = [name for name in budget.assignments if has_options or not name.startswith("model.options")]
    return config.changed(Config(seed=seed, model=model, train=own), shared)


def train_rung(rung: Rung, settings: Config, dataset: Dataset, budget: Budget, folder: Path) -> dict[str, Any]:
    """Train a rung within the budget, keep its model, and say what it took."""
    kept, held = datasets.split_validation(dataset.n_train, VALIDATION_SHARE, settings.seed)
    x_train, x_validation = dataset.x_train[kept], dataset.x_train[held]
    n_epochs, n_train = (budget.epochs, len(x_train)) if budget.epochs else pace(settings, x_train, budget, folder)
    x_train, training = x_train[:n_train], dataclasses.replace(settings.train, epochs=n_epochs)
    network, began = build(settings, x_train), clock(settings)
    train(network, x_train, x_validation, None, training, folder, seed=settings.seed)
    seconds = clock(settings) - began
    model = codes.from_network(network, x_train, config_toml=config.to_toml(settings), card={"name": rung.name})
    store.save_model(folder / "model.h5", model)
    shutil.rmtree(folder / "checkpoints")
    n_parameters = {half: models.n_parameters(getattr(network, half)) for half in ("encoder", "decoder")}
    return {"seconds": seconds, "epochs": n_epochs, "n_train": n_train, "n_parameters": n_parameters}


def pace(settings: Config, x_train: np.ndarray, budget: Budget, folder: Path) -> tuple[int, int]:
    """Return how many epochs over how many images fit into the budget, from the pace of a few batches."""
    n_probed = PACE_BATCHES * settings.train.batch_size
    probe = dataclasses.replace(settings.train, epochs=1, decoder_seen=0)
    network, began = build(settings, x_train), clock(settings)
    train(network, x_train[:n_probed], x_train[:0], None, probe, folder, seed=settings.seed)
    n_images = budget.minutes * SECONDS_PER_MINUTE * n_probed / (clock(settings) - began)
    n_epochs = max(1, math.ceil(n_images / len(x_train)))  # of fewer images where whole ones would miss the budget
    return n_epochs, min(len(x_train), max(settings.train.batch_size, round(n_images / n_epochs)))


def clock(settings: Config) -> float:
    """Return the time that a budget is counted in: the processor's, whatever else it does, or that of the wall."""
    return time.process_time() if choose_device(settings.train.device) == "cpu" else time.perf_counter()


def build(settings: Config, x_train: np.ndarray) -> models.Network:
    """Build a rung's untrained network."""
    model = settings.model
    return models.build(
        model.architecture,
        n_components=model.n_components,
        image_size=x_train.shape[1],
        options=model.options,
        seed=settings.seed,
    )


def score(model: store.Model, dataset: Dataset, device: str) -> dict[str, Any]:
    """Score a model by both protocols."""
    found = evaluate(model, dataset, baselines=False, device=device)
    protocols = found["protocols"].items()
    scores = {name: {measure: given[measure] for measure in MEASURES} for name, given in protocols}
    return {"mse": found["reconstruction"]["mse"], "scores": scores}


def write_table(results: Sequence[Mapping[str, Any]], given: argparse.Namespace, dataset: Dataset) -> None:
    """Write every number as JSON, and the table of means (and spreads, over several seeds) as markdown."""
    heads = ["rung", *COLUMNS, "P@10 against the one before", "what it adds, and what was hoped for"]
    lines = [describe(given, dataset), "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    before: list[float] = []
    for rung in RUNGS:
        rows = [result for result in results if result["rung"] == rung.name]
        if rows:
            cells = [told([read(row) for row in rows], form) for read, form in COLUMNS.values()]
            found = [value for row in rows if (value := COLUMNS["P@10"][0](row)) is not None]
            lines.append(f"| {rung.name} | {' | '.join(cells)} | {gained(found, before)} | {rung.why} |")
            before = found
    store.write_atomically(given.out / "ladder.json", json.dumps(list(results), indent=1))
    store.write_atomically(given.out / "ladder.md", "\n".join(lines) + "\n")


def describe(given: argparse.Namespace, dataset: Dataset) -> str:
    """Say in a sentence or two what every rung was given and how it was scored."""
    fit = f"training for {given.epochs} epochs" if given.epochs else f"{given.minutes:g} processor-minutes of training"
    seeds = f", one seed ({given.seeds} where a spread is given)" if given.seeds > 1 else ", one seed"
    return (
        f"Each rung had {fit} on images drawn from {dataset.n_train:,}{seeds}; {dataset.n_test:,} queries "
        f"({dataset.name}) against all images (main protocol)."
    )


def publish(results: Sequence[Mapping[str, Any]], given: argparse.Namespace, dataset: Dataset) -> None:
    """Write the table where the docs and the report find it."""
    root = Path(__file__).resolve().parent.parent
    table = (given.out / "ladder.md").read_text(encoding="utf-8")
    command = "python benchmarks/ladder.py " + " ".join(sys.argv[1:])
    store.write_atomically(root / "docs" / "ladder.md", page(results, command, table))
    rungs = [summarize(rung, [one for one in results if one["rung"] == rung.name]) for rung in RUNGS]
    ladder = {"budget": describe(given, dataset), "command": command, "rungs": [rung for rung in rungs if rung]}
    path = root / "src" / "zehn" / "pipeline" / "ladder.json"
    store.write_atomically(path, json.dumps(ladder, indent=1) + "\n")


def page(results: Sequence[Mapping[str, Any]], command: str, table: str) -> str:
    """Return docs/ladder.md: how the table was made, what it shows, and what stands elsewhere."""
    made = table.replace("(main protocol)", "([main protocol](measures.md))")
    given, _, rows = made.partition("\n\n")
    return f"# How the model grew\n\n{given} {shows(results)}\n\n{rows}\n{ELSEWHERE}\n`{command}`\n"


def shows(results: Sequence[Mapping[str, Any]]) -> str:
    """Say in words which rung came highest in P@10, and how far below it those after it came."""
    found: dict[str, list[float]] = {}
    for rung in RUNGS:
        values = [COLUMNS["P@10"][0](row) for row in results if row["rung"] == rung.name]
        scored = [value for value in values if value is not None]
        if scored:
            found[rung.name] = scored
    if not found:
        return ""
    best = max(found, key=lambda name: statistics.mean(found[name]))
    above = list(found)[list(found).index(best) + 1 :]
    after = [f"{name.removeprefix('+ ')} {gained(found[name], found[best])}" for name in above]
    said = f"P@10 is highest at **{best.removeprefix('+ ')}** ({told(found[best], '.3f')})"
    return f"{said}; nothing that came after it is above it (against it: {', '.join(after)})." if after else f"{said}."


def summarize(rung: Rung, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a rung's means and standard deviations over seeds; nothing where it was not trained."""
    if not results:
        return {}
    columns: dict[str, Any] = {"seconds": lambda result: result["seconds"], "mse": lambda result: result["mse"]["mean"]}
    columns |= {measure: _main_protocol(measure) for measure in MEASURES}
    values = {name: [read(result) for result in results] for name, read in columns.items()}
    spreads = {
        name: {"mean": statistics.mean(found), "std": statistics.stdev(found) if len(found) > 1 else None}
        for name, found in values.items()
    }
    return {"name": rung.name, "why": rung.why, "kept": rung.kept, "n_seeds": len(results), **spreads}


def told(values: Sequence[float | None], form: str) -> str:
    """Return a mean, with the standard deviation where there are several values; a dash where one is missing."""
    found = [value for value in values if value is not None]
    if len(found) < len(values):
        return "–"
    spread = f" ± {statistics.stdev(found):{form}}" if len(found) > 1 else ""
    return f"{statistics.mean(found):{form}}{spread}"


def gained(found: Sequence[float], before: Sequence[float]) -> str:
    """Return a difference of means, with its standard error where both have several values; a dash for the first."""
    if not found or not before:
        return "–"
    difference = f"{statistics.mean(found) - statistics.mean(before):+.3f}"
    if min(len(found), len(before)) < 2:
        return difference
    error = math.sqrt(sum(statistics.variance(values) / len(values) for values in (found, before)))
    return f"{difference} ± {error:.3f}"


def _main_protocol(measure: str) -> Callable[[Mapping[str, Any]], float | None]:
    return lambda result: (result["scores"]["main"][measure] or {}).get("mean")


COLUMNS: Mapping[str, tuple[Callable[[Mapping[str, Any]], float | None], str]] = {
    "MSE": (lambda result: result["mse"]["mean"], ".4f"),
    **{measure: (_main_protocol(measure), ".3f") for measure in MEASURES},
    "seconds": (lambda result: result["seconds"], ".0f"),
    "epochs": (lambda result: result["epochs"], ".0f"),
}
"""Columns of the table: how each is read from a result, and how it is written."""


def _chosen(names: str) -> list[Rung]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {rung.name: rung for rung in RUNGS}
    for name in wanted:
        if name not in known:
            raise UnknownNameError("rung", name, known)
    return [rung for rung in RUNGS if not wanted or rung.name in wanted]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/ladder"), help="folder for models, results and the table")
    add("--dataset", default="cifar10")
    add("--minutes", type=float, default=3.0, help="budget of one training")
    add("--epochs", type=int, default=0, help="fixed number of epochs instead of minutes")
    add("--seeds", type=int, default=1, help="trainings of each rung that lies close to others; of the rest, one")
    add("--rungs", default="", help='some rungs only, by name: "residual,+ contrastive"')
    add("--n-train", type=int, default=0, help="training images; 0 means all")
    add("--n-test", type=int, default=0, help="test images; 0 means all")
    add("--held-out", type=int, default=0, help="score on this many training images instead of the test set")
    add("--publish", action="store_true", help="write the table into docs/ and into the package, for the report")
    add("--teacher", type=Path, help="model to distil, instead of the rung above")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting for all rungs (train.device=cpu)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
