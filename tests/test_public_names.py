"""The public names of noise, memgate and probes: documented, with an example that pytest runs, and cheap to import."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("noise", "memgate", "probes")

HEAVY = ("torch", "torchvision", "pandas", "h5py", "sklearn", "scipy", "plotly", "streamlit", "tyro")


def public_names() -> list[tuple[str, str]]:
    return [
        (package, name)
        for package in PACKAGES
        for name in importlib.import_module(package).__all__
        if not name.startswith("__")
    ]


@pytest.mark.parametrize(("package", "name"), public_names())
def test_every_public_name_has_an_example(package: str, name: str) -> None:
    """A function or class has it in its docstring; a table (``SCORES``) in the docstring of its module."""
    value = getattr(importlib.import_module(package), name)
    if inspect.isclass(value) or inspect.isroutine(value):
        text = inspect.getdoc(value) or ""
    else:
        text = inspect.getdoc(sys.modules[home_of(package, name)]) or ""
        assert name in text
    assert ">>> " in text


def home_of(package: str, name: str) -> str:
    """The module in which the package's stub says that a public name is defined."""
    stub = Path(str(importlib.import_module(package).__file__)).with_suffix(".pyi")
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return f"{package}.{node.module}"
    raise AssertionError(f"{name} is not in {stub}")


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; dir({package}); print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(package).no_such_name  # noqa: B018
