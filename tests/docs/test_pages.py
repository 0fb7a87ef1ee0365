"""Links of README and docs lead somewhere, generated pages are as generated, and README is short."""

import re
import runpy

import pytest

from app.dashboard.glossary import TERMS
from tests.helpers.documents import PAGES, ROOT, anchors, links, text_of, without_blocks

NOTEBOOKS = ("docs/tutorial/first_look.ipynb",)


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS])
def test_links_lead_somewhere(page: str) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.is_file(), f"{page}: {target}"
        name = there.resolve().relative_to(ROOT).as_posix()
        assert not anchor or anchor in anchors(name), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_paths_of_the_code_exist(page: str) -> None:
    named = r"`((?:noise|memgate|probes|app|tests|benchmarks|docs)/[\w./]+\.(?:py|pyi|md|csv|ipynb))`"
    for path in re.findall(named, without_blocks(page)):
        if "NAME" not in path:
            assert (ROOT / path).is_file(), f"{page}: {path}"


@pytest.mark.slow
def test_generated_pages_are_up_to_date() -> None:
    for name, content in runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]().items():
        page = ROOT / "docs" / "reference" / name
        assert page.read_text() == content, f"{page} is out of date: run 'python docs/generate.py'"


def test_the_glossary_has_the_definitions_of_the_dashboard() -> None:
    lines = text_of("docs/glossary.md").splitlines()
    for term, definition in TERMS.items():
        assert any(line.startswith(f"- **{term}**: {definition}") for line in lines), term


def test_every_page_is_in_the_navigation() -> None:
    navigation = text_of("mkdocs.yml").partition("\nnav:\n")[2]
    for page in PAGES:
        if page.startswith("docs/"):
            assert f": {page.removeprefix('docs/')}\n" in navigation, page


def test_the_readme_is_short() -> None:
    assert 120 <= len(text_of("README.md").splitlines()) <= 160
