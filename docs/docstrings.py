"""Reads the house's docstrings as Markdown: an extension of griffe, which collects them for the site.

The docstrings have ``Example:`` sections, Sphinx roles and now and then a table of reStructuredText; the site knows
``Examples:``, code in backticks and code blocks.
"""

import re
from typing import Any

import griffe


class HouseDocstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object that was just loaded."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """A docstring in the style of the house as the site's Markdown with Google sections."""
    text = re.sub(r"^(\s*)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
    text = re.sub(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return "\n\n".join(map(_fenced, text.split("\n\n")))


def _fenced(paragraph: str) -> str:
    """A paragraph in a code block if it is a table between two lines of equals signs, else as it is."""
    lines = [line.strip() for line in paragraph.strip().splitlines()]
    is_table = len(lines) > 2 and all(set(line) == {"=", " "} for line in (lines[0], lines[-1]))
    return f"```text\n{paragraph}\n```" if is_table else paragraph
