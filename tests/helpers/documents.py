"""README and the pages under docs/, taken apart: code blocks, headings, links."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
)
"""Every page, by its path in the repository."""

NOT_RUN = re.compile(r"<!-- not run: .+ -->\s*$")
"""Stands above a Python block that a test cannot execute, with the reason."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    code: str
    runs: bool
    """Whether no comment above it says why it is not run."""


def text_of(page: str) -> str:
    """The Markdown of a page; of a notebook that of its cells."""
    path = ROOT / page
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def blocks(page: str, language: str) -> list[Block]:
    """The fenced blocks of a page in one language, in order."""
    text = text_of(page)
    return [
        Block(language, match[1], not NOT_RUN.search(text[: match.start()]))
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


def without_blocks(page: str) -> str:
    """The Markdown of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


def links(page: str) -> Iterator[str]:
    """Targets of the links and pictures of a page."""
    for match in re.finditer(r"\]\(([^)\s]+)\)", without_blocks(page)):
        yield match[1]
