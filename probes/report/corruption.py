"""Corruptions as text: the tables of a manifest, and the table of all kinds of corruption."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from memgate.console import Form
from noise.files.json_form import json_text
from noise.kinds import KINDS, SHARE, Kind, Target
from noise.manifest.manifest import Manifest
from noise.manifest.summary import label_changes, summary
from probes.report.document import Block, Table, layout, table_of

UNKNOWN = "–"
"""Text of a requested rate that is not known in advance, such as that of a file of labels."""

WIDE = 20
"""Number of classes up to which the whole transition matrix is shown; of more, this many largest changes."""


def describe_manifest(manifest: Manifest, form: Form = "terminal") -> str:
    """The summary of a manifest as text, see :func:`noise.manifest.summary.summary`.

    Args:
        manifest: the manifest.
        form: plain text, GitHub's Markdown, or JSON (the summary itself).
    """
    if form == "json":
        return json_text(summary(manifest), indent=2, ascii_only=False)
    header = manifest.header
    grey = ", grey: one draw for all channels" if header.grey else ""
    title = f"{header.dataset}: {header.count} samples, {header.class_count} classes, noise seed {header.seed}{grey}"
    return layout(title, manifest_tables(manifest), form)


def manifest_tables(manifest: Manifest) -> list[Table]:
    """Tables of the operations, rates, causes, classes and label transitions of a manifest."""
    content = summary(manifest)
    tables = [_operations(manifest), _rates(content), _causes(content), _classes(content)]
    return [*tables, _matrix(content) if manifest.header.class_count <= WIDE else _flows(manifest)]


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


def _rates(content: dict[str, Any]) -> Table:
    rows = [
        (
            what,
            _percent(content["rates"][what].get("requested")),
            _percent(content["rates"][what]["realised"]),
        )
        for what in ("label", "image", "any")
    ]
    return Table(
        "Share of all samples that is corrupted:", ("what", "requested", "realised"), tuple(rows), words=1
    )


def _causes(content: dict[str, Any]) -> Table:
    rows = [
        (cause, str(count), _percent(count / content["count"])) for cause, count in content["causes"].items()
    ]
    return Table("Samples by what is wrong with them:", ("cause", "samples", "share"), tuple(rows), words=1)


def _classes(content: dict[str, Any]) -> Table:
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
        for row in content["classes"]
    ]
    headers = ("class", "samples", "label requested", "realised", "image requested", "realised")
    return Table("Share of each class that is corrupted:", headers, tuple(rows), words=1)


def _matrix(content: dict[str, Any]) -> Table:
    names = content["class_names"]
    rows = [
        (f"{label} {names[label]}", *(f"{100 * share:.1f}" if share else "0" for share in shares))
        for label, shares in enumerate(content["transition"])
    ]
    title = "Given label (column) in percent of the samples with a clean label (row):"
    return Table(title, ("clean", *map(str, range(len(names)))), tuple(rows), words=1)


def _flows(manifest: Manifest) -> Table:
    """The largest off-diagonal entries of the transition matrix, ties in the order of the classes."""
    names = manifest.header.class_names
    changes = label_changes(manifest)
    totals = np.bincount(manifest.clean_label)
    commonest = np.argsort(-changes[2], kind="stable")[:WIDE]
    rows = [
        (f"{names[clean]} -> {names[given]}", str(count), _percent(count / int(totals[clean])))
        for clean, given, count in zip(*(column[commonest].tolist() for column in changes), strict=True)
    ]
    title = f"The {WIDE} commonest changes of a label (share: of the samples with that clean label):"
    shown = tuple(rows) or (("none", "0", _percent(0.0)),)
    return Table(title, ("clean -> given", "samples", "share"), shown, words=1)


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.2%}"


def kinds_table(form: Form = "terminal") -> str:
    """All kinds of corruption that ``--noise`` takes, with the meaning of the rate, parameters and convention.

    Args:
        form: plain text, GitHub's Markdown, or JSON (a list of objects).
    """
    if form == "json":
        kinds = [{"kind": name, "target": kind.target, **_kind_cells(kind)} for name, kind in KINDS.items()]
        return json_text(kinds, indent=2, ascii_only=False)
    blocks: list[Block] = ["KIND:RATE[:KEY=VALUE...]; an exact share is round(rate * N) of all N samples."]
    widths = (None, 24, 26, None, 46) if form == "terminal" else None
    for target in get_args(Target):
        rows = [{"kind": name, **_kind_cells(kind)} for name, kind in KINDS.items() if kind.target == target]
        title = f"{target.capitalize()} noise:"
        blocks.append(replace(table_of(title, rows), widths=widths))
    return layout("", blocks, form)


def _kind_cells(kind: Kind) -> dict[str, str]:
    return {
        "rate": _rate(kind),
        "parameters": _parameters(kind),
        "convention": kind.convention,
        "what it does": kind.description,
    }


def _rate(kind: Kind) -> str:
    """Meaning of the rate; the usual meaning in short, since it is in most rows."""
    return "exact share" if kind.rate == SHARE else kind.rate or "takes none"


def _parameters(kind: Kind) -> str:
    """``key=default [values]`` of each parameter, ``key=…`` without default; required parameters are marked."""
    texts = []
    for key, parameter in kind.parameters.items():
        default = str(parameter.default).lower() if parameter.default is not None else "…"
        needed = ", required" if parameter.required else ""
        texts.append(f"{key}={default} [{parameter.values}{needed}]")
    if "severity" in kind.parameters:
        return f"{texts[0]}, or {', '.join(texts[1:])}"
    return ", ".join(texts)
