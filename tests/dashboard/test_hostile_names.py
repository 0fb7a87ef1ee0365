"""Names of gates, splits, classes and runs from a foreign log are plain text on every page.

An image link in one of them would make the browser request another host, and a link in a figure would lead there.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.dashboard import sentences
from memgate.log.reader import SampleLog
from memgate.runs.run import Run

EVIL = '![x](http:q.png)<a href="q">y</a>$a$ :red[z]'
LIVE = re.compile(r"(?<!\\)(!\[x|\]\(http|<a href|:red\[|\$a)", re.IGNORECASE)
"""A part of it that Markdown would interpret."""
PAGES = {
    **{
        name: {}
        for name in ("runs", "overview", "gallery", "sample", "explorer", "critical", "export", "health")
    },
    **{f"hardness {part}": {"part": part} for part in ("detection", "epochs", "map", "labels", "deciles")},
    "compare": {},
}
"""Page, and which part of it, to the parameters of its URL."""
MARKDOWN = ("markdown", "caption", "info", "warning", "error", "success", "header", "subheader", "title")
"""Elements whose value is Markdown."""


def markdown_of(page: Any) -> Iterator[tuple[str, str]]:
    """Kind and text of everything on a page that Streamlit reads as Markdown."""
    for kind in MARKDOWN:
        yield from ((kind, element.value) for element in page.get(kind))
    for kind in ("radio", "button", "toggle", "checkbox", "selectbox", "multiselect", "number_input", "tab"):
        for element in page.get(kind):
            yield kind, str(getattr(element, "label", ""))
            yield kind, str(getattr(element.proto, "help", ""))
    for element in page.get("radio"):
        yield from (("radio", option) for option in element.options)
    for kind in ("button_group", "page_link", "popover", "expander", "download_button"):
        for element in page.get(kind):
            yield kind, str(getattr(element, "proto", ""))


def texts(value: Any) -> Iterator[str]:
    """Every text in the specification of a figure."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@pytest.fixture
def hostile(make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose gates, classes and folder have hostile names."""
    run = make_run(gates=("b2", "b3"), noise=("symmetric:0.3", "randx:0.1"))
    original = SampleLog.__init__

    def renamed(log: SampleLog, path: Path) -> None:
        original(log, path)
        log.gates = tuple(f"{gate}{EVIL}" for gate in log.gates)
        log.class_names = tuple(f"{name}{EVIL}" for name in log.class_names)

    monkeypatch.setattr(SampleLog, "__init__", renamed)
    evil = run.path.with_name(f"run{EVIL}".replace("/", "").replace('"', ""))
    run.path.rename(evil)
    return Run(evil)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_are_plain_text(hostile: Run, open_page: Callable[..., Any], name: str) -> None:
    page = open_page(name.split()[0], run=hostile.name, id="3", runs=hostile.name, **PAGES[name])
    found = [(kind, text) for kind, text in markdown_of(page) if LIVE.search(text)]
    specs = [json.loads(element.proto.spec) for element in page.get("plotly_chart")]
    figures = [text for spec in specs for text in texts(spec) if "<a href" in text.lower()]
    assert (found, figures) == ([], [])
    assert (
        any(sentences.escaped(EVIL) in option for radio in page.sidebar.radio for option in radio.options)
        or name == "runs"
    )
