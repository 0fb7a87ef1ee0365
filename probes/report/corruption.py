"""Corruptions as text: what a manifest did in tables, and the table of all kinds. Pure functions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from tabulate import tabulate

from memgate.console import Form
from noise.kinds import KINDS, SHARE, Kind, Target
from noise.manifest.manifest import Manifest
from noise.manifest.summary import label_counts, summary

UNKNOWN = "–"
"""Stands for a requested rate that only the outcome can tell (a file of labels has none)."""

WIDE = 20
"""Classes up to which the whole transition matrix is shown, and largest flows listed beyond."""


@dataclass(frozen=True)
class Table:
    """A table under a line that says what it is.

    Attributes:
        title: that line.
        headers: one for each column.
        rows: cells as text.
        words: number of leading columns that are words; the others are numbers.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def describe_manifest(manifest: Manifest, form: Form = "terminal") -> str:
    """What was done to a data set, in numbers: see :func:`noise.manifest.summary.summary`.

    Args:
        manifest: as loaded.
        form: plain text, GitHub's Markdown, or JSON (the summary as it is).
    """
    if form == "json":
        return json.dumps(summary(manifest), indent=2, ensure_ascii=False)
    header = manifest.header
    title = (
        f"{header.dataset}: {header.count} samples, {header.class_count} classes, noise seed {header.seed}"
    )
    style, heading = ("github", "### {}") if form == "markdown" else ("simple", "{}")
    parts = [heading.format(title)]
    for table in manifest_tables(manifest):
        # Numbers are formatted already; tabulate must not read them again.
        align = ["left"] * table.words + ["right"] * (len(table.headers) - table.words)
        text = tabulate(table.rows, table.headers, style, disable_numparse=True, colalign=align)
        parts += [table.title, text]
    return "\n\n".join(parts)


def manifest_tables(manifest: Manifest) -> list[Table]:
    """Operations, rates, causes, classes and transitions of a manifest."""
    found = summary(manifest)
    tables = [_operations(manifest), _rates(found), _causes(found), _classes(found)]
    return [*tables, _matrix(found) if manifest.header.class_count <= WIDE else _flows(manifest)]


def _operations(manifest: Manifest) -> Table:
    rows = [
        (
            operation.short,
            operation.convention,
            _percent(operation.requested),
            _percent(operation.realised),
            str(operation.selected),
        )
        for operation in manifest.header.operations
    ]
    return Table(
        "Operations in their order (requested, realised: share of all samples; touched: their number):",
        ("operation", "convention", "requested", "realised", "touched"),
        tuple(rows) or (("none", "", "", "", ""),),
        words=2,
    )


def _rates(found: dict[str, Any]) -> Table:
    rows = [
        (what, _percent(found["rates"][what].get("requested")), _percent(found["rates"][what]["realised"]))
        for what in ("label", "image", "any")
    ]
    return Table("Share of all samples that is corrupted:", ("what", "requested", "realised"), tuple(rows))


def _causes(found: dict[str, Any]) -> Table:
    rows = [(cause, str(count), _percent(count / found["count"])) for cause, count in found["causes"].items()]
    return Table("Samples by what is wrong with them:", ("cause", "samples", "share"), tuple(rows))


def _classes(found: dict[str, Any]) -> Table:
    rows = [
        (
            f"{row['class']} {row['name']}",
            str(row["count"]),
            *(
                _percent(row[f"{target}_{rate}"])
                for target in ("label", "image")
                for rate in ("requested", "realised")
            ),
        )
        for row in found["classes"]
    ]
    headers = ("class", "samples", "label requested", "realised", "image requested", "realised")
    return Table("Share of each class that is corrupted:", headers, tuple(rows))


def _matrix(found: dict[str, Any]) -> Table:
    names = found["class_names"]
    rows = [
        (f"{label} {names[label]}", *(f"{100 * share:.1f}" if share else "0" for share in shares))
        for label, shares in enumerate(found["transition"])
    ]
    title = "Given label (column) in percent of the samples with a clean label (row):"
    return Table(title, ("clean", *map(str, range(len(names)))), tuple(rows))


def _flows(manifest: Manifest) -> Table:
    """The largest entries beside the diagonal; equal ones in the order of the classes."""
    counts = label_counts(manifest)
    totals = counts.sum(axis=1)
    counts[range(len(counts)), range(len(counts))] = 0
    names = manifest.header.class_names
    rows = []
    for flat in (-counts).ravel().argsort(kind="stable")[:WIDE].tolist():
        clean, given = divmod(flat, len(names))
        count = int(counts[clean, given])
        if count:
            share = count / int(totals[clean])
            rows.append((f"{names[clean]} -> {names[given]}", str(count), _percent(share)))
    title = f"The {WIDE} commonest changes of a label (share: of the samples with that clean label):"
    return Table(
        title, ("clean -> given", "samples", "share"), tuple(rows) or (("none", "0", _percent(0.0)),)
    )


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.2%}"


def kinds_table() -> str:
    """All kinds of corruption that ``--noise`` takes: what the rate means, the parameters, the convention."""
    parts = ["KIND:RATE[:KEY=VALUE...]; an exact share is round(rate * N) of all N samples."]
    headers = ("kind", "rate", "parameters", "convention", "what it does")
    widths: Sequence[int | None] = (None, 24, 26, None, 46)
    for target in get_args(Target):
        rows = [
            (name, _rate(kind), _parameters(kind), kind.convention, kind.description)
            for name, kind in KINDS.items()
            if kind.target == target
        ]
        text = tabulate(rows, headers, "simple", disable_numparse=True, maxcolwidths=list(widths))
        parts += [f"{target.capitalize()} noise:", text]
    return "\n\n".join(parts)


def _rate(kind: Kind) -> str:
    """What the rate means; the usual meaning in short, since it stands in most rows."""
    return "exact share" if kind.rate == SHARE else kind.rate or "takes none"


def _parameters(kind: Kind) -> str:
    """``key=default [values]`` of each parameter, ``key=…`` where there is no default; what must be given first."""
    texts = []
    for key, parameter in kind.parameters.items():
        default = str(parameter.default).lower() if parameter.default is not None else "…"
        needed = ", required" if parameter.required else ""
        texts.append(f"{key}={default} [{parameter.values}{needed}]")
    if "severity" in kind.parameters:
        return f"{texts[0]}, or {', '.join(texts[1:])}"
    return ", ".join(texts)
