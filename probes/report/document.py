"""Layout of documents: headings, lines and tables as text for a terminal or as GitHub's Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

TextForm = Literal["terminal", "markdown"]


@dataclass(frozen=True)
class Lines:
    """A list with one entry per line; nothing is laid out where it is empty."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table of cells that are formatted already."""

    title: str
    """Line above the table; empty for none."""
    headers: tuple[str, ...]
    """One for each column."""
    rows: tuple[tuple[str, ...], ...]
    """Cells as text, one for each column."""
    words: int | None = None
    """Number of leading columns of words, which are left-aligned, before columns of numbers. None: all."""
    widths: tuple[int | None, ...] | None = None
    """Widest text of each column in characters, beyond which it is wrapped; None for any."""


Block = str | Lines | Table
"""Part of a document; a str is a paragraph."""


@dataclass(frozen=True)
class _Style:
    tabulate: str
    heading: str
    bullet: str


_STYLES: Mapping[TextForm, _Style] = {
    "terminal": _Style("simple", "{}", ""),
    "markdown": _Style("github", "### {}", "- "),
}


def table_of(title: str, rows: Sequence[Mapping[str, str]], words: int | None = None) -> Table:
    """A table of rows that map a header to a cell.

    Args:
        title: line above the table; empty for none.
        rows: in order; a header that a row lacks is an empty cell. Columns are in the order of first appearance.
        words: see :attr:`Table.words`.
    """
    headers = tuple(dict.fromkeys(header for row in rows for header in row))
    return Table(
        title, headers, tuple(tuple(row.get(header, "") for header in headers) for row in rows), words
    )


def layout(title: str, blocks: Sequence[Block], form: TextForm) -> str:
    """A document as text; parts are separated by an empty line.

    Args:
        title: heading; empty for none.
        blocks: in order.
        form: ``terminal`` or ``markdown``.
    """
    style = _STYLES[form]
    parts = [style.heading.format(title)] if title else []
    for block in blocks:
        parts += _laid_out(block, style)
    return "\n\n".join(parts)


def _laid_out(block: Block, style: _Style) -> list[str]:
    if isinstance(block, str):
        return [block]
    if isinstance(block, Lines):
        return ["\n".join(style.bullet + line for line in block.lines)] if block.lines else []
    numbers = None if block.words is None else len(block.headers) - block.words
    text = tabulate(
        block.rows,
        block.headers,
        style.tabulate,
        disable_numparse=True,  # numbers are formatted already; tabulate must not read them again
        colalign=None if numbers is None else ["left"] * (len(block.headers) - numbers) + ["right"] * numbers,
        maxcolwidths=None if block.widths is None else list(block.widths),
    )
    return [block.title, text] if block.title else [text]
