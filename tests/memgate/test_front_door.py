"""The public names: listed, imported when first used, each with an example."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("memgate",)
HEAVY = ("numpy", "torch", "torchvision", "pandas", "h5py", "scipy", "sklearn")


def defining_modules(package):
    """Public name to the module that its stub says it is from."""
    stub = Path(importlib.util.find_spec(package).origin).with_suffix(".pyi")
    imports = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}


PUBLIC = [(package, name) for package in PACKAGES for name in defining_modules(package)]


def output_and_seconds(code):
    """What a new Python process prints, and the processor time that it reports; other tests share the machine."""
    code += "\nimport time; print(time.process_time())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, seconds = result.stdout.splitlines()
    return lines, float(seconds)


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_nothing_heavy_and_takes_a_tenth_of_a_second(package):
    _, nothing = output_and_seconds("import sys")
    loaded, seconds = output_and_seconds(
        f"import sys, {package}; print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert loaded == ["[]"]
    assert seconds - nothing < 0.1


def test_help_loads_no_torch_and_takes_less_than_a_second():
    lines, seconds = output_and_seconds(
        "import sys; from memgate.__main__ import main; sys.argv = ['memgate', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'pandas') if name in sys.modules])"
    )
    assert lines[-1] == "[]"
    assert seconds < 1


@pytest.mark.parametrize("package", PACKAGES)
def test_all_lists_the_names_of_the_stub(package):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(defining_modules(package))
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_every_public_name_exists_and_has_an_example(package, name):
    value = getattr(importlib.import_module(package), name)
    module = importlib.import_module(defining_modules(package)[name])
    assert value is getattr(module, name)
    # A constant has no docstring of its own: its example is in that of its module.
    text = value.__doc__ if callable(value) else module.__doc__
    assert ">>>" in text


def test_an_unknown_name_is_an_attribute_error():
    import memgate

    with pytest.raises(AttributeError, match="nothing"):
        memgate.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
