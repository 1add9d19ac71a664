"""The appendix: what it takes to make the run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zehn.report.document import Block, Cell, Heading, Listing, Paragraph, Rows, Section, Table, code
from zehn.report.facts import Facts
from zehn.report.gallery import Gallery
from zehn.report.wording import MISSING, breakable, duration

_LONG = 12
"""Lines from which on a configuration is set in two columns."""
_MACHINE = {
    "processor": "processor",
    "cores": "usable cores",
    "memory_gb": "memory, GB",
    "gpu": "GPU",
    "python": "Python",
    "platform": "system",
}


def build(facts: Facts, gallery: Gallery) -> list[Section]:  # noqa: ARG001
    """List everything that the run depends on."""
    blocks = [
        *_show_command(facts),
        *_show_stages(facts),
        *_show_origins(facts),
        *_show_machine(facts),
        *_show_config(facts),
    ]
    return [Section("Making this run again", blocks, appendix=True)]


def _show_command(facts: Facts) -> list[Block]:
    identity = facts.identity
    text = f"Run {breakable(facts.name)}, begun {facts.started:%Y-%m-%d %H:%M} {facts.started.tzname()}, preset "
    spans = [
        text,
        code(str(identity.get("preset", MISSING))),
        f", seed {facts.seed}, Zehn {identity.get('version', MISSING)}. ",
    ]
    command = str(identity.get("command") or "")
    if not command:
        return [Paragraph([*spans, "The command was not recorded."])]
    return [
        Paragraph([*spans, "The command that makes it again:"]),
        Listing([command]),
        Paragraph([_repeatability(facts)]),
    ]


def _repeatability(facts: Facts) -> str:
    """Say what stays the same where the run is made again, here and on another machine."""
    machine: Mapping[str, Any] = facts.identity.get("machine") or {}
    here = "On the machine that made it, with these versions and this seed,"
    if machine.get("gpu"):
        same = f"{here} it makes the same choices in the same order; what the GPU adds in no fixed order may differ."
    else:
        same = (
            f"{here} and with as many threads, it gives the same weights, codes and figures, bit for bit; times "
            "differ, and decide which of equally good distances is advised."
        )
    return (
        f"{same} Another processor, another number of threads, a GPU or other versions add in another order: the "
        "choice of images, the order of training and the queries stay, the last digits of every sum do not, and "
        "training carries them on into codes, figures and hits."
    )


def _show_stages(facts: Facts) -> list[Block]:
    stages = facts.stages
    if not stages:
        return []
    rows: Rows = [
        [
            name,
            duration(entry.get("seconds")),
            str(entry.get("finished", MISSING)),
            Cell(entry.get("inputs", MISSING), code=True),
        ]
        for name, entry in stages.items()
    ]
    total = sum(entry.get("seconds") or 0 for entry in stages.values())
    caption = [f"The stages of the run and the time each took, {duration(total)} in all."]
    return [
        Heading("Stages"),
        Table("tab:stages", caption, ["stage", "time", "finished", "inputs"], rows, words=(0, 2, 3)),
    ]


def _show_origins(facts: Facts) -> list[Block]:
    rows: Rows = [
        [breakable(name), Cell(breakable(value), code=True)]
        for name, value in {**_model_origin(facts), **((facts.data or {}).get("checksums") or {})}.items()
    ]
    if not rows:
        return []
    caption = [
        "Fingerprint of the model (SHA-256 over architecture, options and weights), and MD5 of the data's files."
    ]
    table = Table("tab:checksums", caption, ["what", "checksum"], rows, words=(0, 1), widths=(0.45, 0.55))
    return [Heading("Checksums"), table]


def _model_origin(facts: Facts) -> Mapping[str, str]:
    model = (facts.evaluation or {}).get("model") or {}
    retrained = ((facts.robust or {}).get("models") or {}).get("new") or {}
    named = {"model": model.get("fingerprint"), "model for robust search": retrained.get("fingerprint")}
    return {name: str(fingerprint) for name, fingerprint in named.items() if fingerprint}


def _show_machine(facts: Facts) -> list[Block]:
    machine: Mapping[str, Any] = facts.identity.get("machine") or {}
    versions: Mapping[str, Any] = facts.identity.get("versions") or {}
    blocks: list[Block] = []
    if machine:
        rows = [[name, breakable(machine[key])] for key, name in _MACHINE.items() if machine.get(key) is not None]
        blocks += [
            Heading("Machine"),
            Table("tab:machine", ["The machine that made the run."], ["", ""], rows, (0, 1), widths=(0.25, 0.75)),
        ]
    if versions:
        listed = [[str(name), str(version)] for name, version in versions.items()]
        half = -(-len(listed) // 2)
        rows = [
            row + (listed[index + half] if index + half < len(listed) else ["", ""])
            for index, row in enumerate(listed[:half])
        ]
        table = Table(
            "tab:versions",
            ["Versions of what can change a result."],
            ["package", "version"] * 2,
            rows,
            words=(0, 1, 2, 3),
            widths=[0.25] * 4,
        )
        blocks += [Heading("Versions"), table]
    return blocks


def _show_config(facts: Facts) -> list[Block]:
    if not facts.config_toml:
        return []
    return [Heading("Configuration"), Listing(_halve(facts.config_toml.strip()))]


def _halve(text: str) -> list[str]:
    """Cut a text at the blank line nearest to its middle."""
    lines = text.splitlines()
    blanks = [index for index, line in enumerate(lines) if not line.strip()]
    if len(lines) < _LONG or not blanks:
        return [text]
    middle = min(blanks, key=lambda index: abs(index - len(lines) / 2))
    return ["\n".join(lines[:middle]), "\n".join(lines[middle + 1 :])]
