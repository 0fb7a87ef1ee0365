"""A report as text: for a terminal, as GitHub's Markdown, and as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tabulate import tabulate

from probes.report.report import Report
from probes.report.tables import Figure, Form, Table, facts, tables
from probes.stats.estimate import decimal, percent

STYLES = {"terminal": ("simple", "{}", ""), "markdown": ("github", "### {}", "- ")}
"""Form of the text to tabulate's format, the heading and what stands in front of a line."""


def to_json(report: Report) -> str:
    """The report as JSON; what is undefined is null."""
    return json.dumps(asdict(report), indent=2, allow_nan=False)


def to_terminal(report: Report, brief: bool = False) -> str:
    """The report as text for a terminal; ``brief`` is for the end of a training."""
    return _text(report, "terminal", brief)


def to_markdown(report: Report) -> str:
    """The report as GitHub's Markdown."""
    return _text(report, "markdown")


def _text(report: Report, style: str, brief: bool = False) -> str:
    title = f"{report.run}: epoch {report.epoch} of {report.planned} ({report.state}, log mode {report.mode})"
    lines = [f"{figure.row[0]}{shown(figure)}" for figure in facts(report)]
    return layout(
        title, lines if report.noise else [*lines, "Noise: none"], tables(report, brief), report.notes, style
    )


def layout(
    title: str,
    lines: Sequence[str],
    shown_tables: Sequence[Table],
    notes: Sequence[str],
    style: str,
    cell: Callable[[Figure], str] | None = None,
) -> str:
    """Heading, lines, tables and notes as one text.

    Args:
        title: of the whole.
        lines: facts, one a line.
        shown_tables: in order.
        notes: one a line.
        style: a key of :data:`STYLES`.
        cell: a figure as text; None: with its interval.
    """
    table_format, heading, bullet = STYLES[style]
    parts = [heading.format(title), "\n".join(bullet + line for line in lines)]
    for table in shown_tables:
        # Numbers are formatted already; tabulate must not read them again.
        rows = _rows(table, cell or shown)
        parts += [table.title, tabulate(rows, headers="keys", tablefmt=table_format, disable_numparse=True)]
    parts.append("\n".join(bullet + note for note in notes))
    return "\n\n".join(parts)


def _rows(table: Table, cell: Callable[[Figure], str]) -> list[dict[str, str]]:
    """A row for each of the rows that figures name, in the order in which they first appear."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for figure in table.figures:
        cells = found.setdefault(figure.row, dict(zip(table.heads, figure.row, strict=True)))
        cells[figure.column] = cell(figure)
    return list(found.values())


def shown(figure: Figure) -> str:
    """A figure as text, with its 95 % interval where it has one; ``-`` where it is undefined."""
    found = figure.value
    if found.value is None:
        return "-"
    if figure.form == "decimal":
        return decimal(found)
    if figure.form == "percent" and found.low is not None:
        return percent(found)
    return number(found.value, figure.form)


def number(value: float, form: Form) -> str:
    """A number in its form."""
    return {"count": "{:.0f}", "epoch": "{:.0f}", "percent": "{:.2%}", "decimal": "{:.3f}"}[form].format(
        value
    )
