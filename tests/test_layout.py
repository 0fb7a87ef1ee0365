"""Limits of the layout: modules in a folder, lines in a module. ``pytest -s`` prints the table of all folders."""

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("noise", "memgate", "probes", "app")
MOST_MODULES = 20
"""Most modules in a folder."""
MOST_LINES = 350
"""Most lines of a module."""
LARGEST_MEDIAN = 140
"""Most lines of the median module."""


def modules() -> list[Path]:
    """Every module of the packages but those that only make a folder a package."""
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_folder_has_more_than_twenty_modules() -> None:
    folders: dict[str, list[int]] = {}
    for path in modules():
        folders.setdefault(str(path.parent.relative_to(ROOT)), []).append(lines(path))
    print(f"{'folder':36s} modules  median  longest")
    for folder, sizes in folders.items():
        print(f"{folder:36s} {len(sizes):7d} {statistics.median(sizes):7.0f} {max(sizes):8d}")
    assert {name: len(sizes) for name, sizes in folders.items() if len(sizes) > MOST_MODULES} == {}


def test_longest_and_median_module() -> None:
    sizes = {str(path.relative_to(ROOT)): lines(path) for path in modules()}
    print(
        f"{len(sizes)} modules, median {statistics.median(sizes.values()):.0f}, longest {max(sizes.values())} lines"
    )
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}
    assert statistics.median(sizes.values()) <= LARGEST_MEDIAN


def test_tests_lie_in_the_folder_of_what_they_test() -> None:
    above = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    assert above == {"test_layout.py", "test_public_names.py"}


def test_every_folder_has_a_docstring() -> None:
    packages = [path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert [str(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []
    bare = {path.parent for path in modules()} - {path.parent for path in packages}
    assert bare == set()
