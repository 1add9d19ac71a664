"""Make a model that ships of a finished run: float16 weights in the package, and its card in the docs.

    python scripts/ship.py runs/cifar10-full cifar10

writes ``src/zehn/weights/cifar10.h5`` and ``docs/models/cifar10.md``. The test set is scored once, by both protocols.
With ``--robust`` it is the model that the stage ``robust`` retrained, and the card has the run's comparison of both.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zehn import codes, config, datasets, store
from zehn.evaluate import evaluate

ROOT = Path(__file__).resolve().parent.parent
MEASURES = ("P@1", "P@10", "P@100", "mAP@1000", "MAP@R", "20-NN accuracy", "hit@10")
DISTORTED = ("P@10 kept", "recall@1", "recall@10", "overlap")
PROTOCOLS = {"main": "against all 60,000", "literature": "against the 50,000 training images"}
LIMITS = (
    "It has seen nothing but CIFAR-10, at 32 × 32 pixels. On pictures of another world its codes are of little use: "
    "train on those pictures, which is what Zehn is for (`zehn run --dataset folder:PATH`). What is reconstructed from "
    "ten numbers is a blur."
)


def main() -> None:
    """Ship a run's model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="folder of a run whose model is trained")
    parser.add_argument("name", help="name that the model ships by")
    parser.add_argument("--note", default="", help="what one should know besides")
    parser.add_argument("--command", default="zehn train --preset full", help="what trains it again")
    parser.add_argument("--robust", action="store_true", help="the run's model as retrained with distorted images")
    given = parser.parse_args()
    settings = config.read(given.run / "config.toml")
    part = "robust" if given.robust else "train"
    model = shrink(given.run / part / "model.h5", given.run, given.name, settings)
    compared = json.loads((given.run / "robust/robust.json").read_text(encoding="utf-8")) if given.robust else None
    dataset = datasets.load(model.card["dataset"])
    found = evaluate(model, dataset, baselines=False)
    path = ROOT / "src" / "zehn" / "weights" / f"{given.name}.h5"
    path.parent.mkdir(exist_ok=True)
    store.save_model(path, model, dtype="float16")
    page = write_card(model, settings, found, path.stat().st_size, given.note, given.command, compared)
    (ROOT / "docs" / "models").mkdir(exist_ok=True)
    store.write_atomically(ROOT / "docs" / "models" / f"{given.name}.md", page)
    sys.stdout.write(page)


def shrink(path: Path, run: Path, name: str, settings: config.Config) -> store.Model:
    """Return a run's model with float16 weights, its statistics and graphs made anew of them."""
    trained = store.load_model(path)
    dataset = datasets.load(settings.data.name)
    kept, _ = datasets.split_validation(dataset.n_train, settings.data.validation_share, settings.seed)
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    card = {**trained.card, "name": name, "machine": facts["machine"], "limits": LIMITS}
    return codes.from_network(
        codes.to_network(trained),
        dataset.x_train[kept],
        config_toml=config.to_toml(settings),
        card=card,
        dtype="float16",
    )


def write_card(
    model: store.Model,
    settings: config.Config,
    found: Mapping[str, Any],
    n_bytes: int,
    note: str,
    command: str,
    compared: Mapping[str, Any] | None,
) -> str:
    """Return the model's card as markdown: data, recipe, seed, time, machine, figures, limits."""
    card, train, machine, painted = model.card, settings.train, model.card["machine"], found["reconstruction"]
    objectives = settings.robust.objectives if compared else train.objectives
    weights = ", ".join(f"{weight:g} × {name}" for name, weight in objectives.items())
    facts = {
        "data": f"{card['dataset']}, {100 * (1 - settings.data.validation_share):g} % of its training images",
        "architecture": f"{model.architecture}, `{dict(model.options)}`",
        "objective": weights,
        "optimiser": f"{train.optimizer}, batches of {train.batch_size} images",
        "seed": card["seed"],
        "training time": f"{card['seconds'] / 60:.0f} minutes"
        + (f", after those of `{card['start']}`, which it goes on from" if compared else ""),
        "machine": f"{machine['processor']}, {machine['cores']} core(s), GPU: {machine['gpu'] or 'none'}",
        "trained on a CPU": machine["gpu"] is None,
        "trained again by": f"`{command}`",
        "fingerprint": f"`{model.fingerprint}`",
        "file": f"`zehn/weights/{card['name']}.h5`, {n_bytes / 1e6:.1f} MB, weights in float16",
    }
    return "\n".join(
        [
            f"# Model card: `{card['name']}`",
            "",
            f'`zehn.Autoencoder.load("{card["name"]}")`, `zehn run --model {card["name"]}`: ten numbers an image of '
            f"{model.image_size} × {model.image_size} pixels, and back.",
            "",
            *_table(("what", "value"), facts.items()),
            "",
            note or "The whole configuration lies in the model file (`/configuration`).",
            "",
            "## Figures",
            "",
            f"`zehn evaluate --model {card['name']} --dataset {card['dataset']} --json`, "
            f"{found['dataset']['n_test']:,} test images asked, means with 95 % bootstrap intervals over "
            "queries; one seed.",
            "",
            *_table(("measure", *PROTOCOLS.values()), _rows(found)),
            "",
            f"Reconstruction of the test images: MSE {_interval(painted['mse'], 4)}, PSNR "
            f"{_interval(painted['psnr'], 2)} dB, SSIM {_interval(painted['ssim'])}.",
            "",
            *_table(("class", "P@10", "20-NN accuracy"), _classes(found)),
            "",
            *(_distorted(compared) if compared else ()),
            f"Without labels: {found['label_free']['verdict']}. {found['label_free']['explanation']}",
            "",
            "## Chosen how, and good for what",
            "",
            card["selection"],
            "",
            LIMITS,
            "",
        ]
    )


def _distorted(compared: Mapping[str, Any]) -> list[str]:
    """Return what distorted queries find, by the model that it goes on from and by this one."""
    rows = [
        (f"{row['kind'].replace('_', ' ')} {row['strength']:g}", *(_both(row, name) for name in DISTORTED))
        for row in compared["distortions"]
        if row["seen"] or row["strength"] == (compared["unseen"] or {}).get("severity")
    ]
    return [
        f"Distorted queries ({compared['n_queries']:,} test images against all clean images), before → after the "
        "retraining, measured before the weights were rounded to float16 "
        f"(`{compared['models']['new']['fingerprint']}`); the retraining saw noise and perspective alone, the others "
        "are at severity 3 of CIFAR-10-C:",
        "",
        *_table(("distortion", *DISTORTED), rows),
        "",
        compared["explanation"],
        "",
    ]


def _both(row: Mapping[str, Any], name: str) -> str:
    return f"{row['old'][name]['mean']:.3f} → {_interval(row['new'][name])}"


def _rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(name, *(_interval(found["protocols"][protocol][name]) for protocol in PROTOCOLS)) for name in MEASURES]


def _classes(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    shown = ("P@10", "20-NN accuracy")
    return [(row["name"], *(_interval(row[name]) for name in shown)) for row in found["classes"] or ()]


def _interval(value: Mapping[str, float], digits: int = 3) -> str:
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    main()
