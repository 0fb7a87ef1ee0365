"""What the modules of app/ are called and import."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app" / "dashboard"


@pytest.mark.slow
def test_no_file_carries_the_name_of_a_package() -> None:
    """``streamlit run app/dashboard/main.py`` puts that folder first on the path: a noise.py in it would hide ours."""
    taken = {*importlib.metadata.packages_distributions(), *sys.stdlib_module_names}
    taken |= {"memgate", "noise", "probes", "app", "streamlit", "altair", "pandas"}
    names = {path.stem for path in APP.iterdir() if path.name != "__init__.py" and path.name != "__pycache__"}
    assert not names & taken
    assert "pages" not in names


def test_the_entry_is_short() -> None:
    assert len((APP / "main.py").read_text().splitlines()) <= 60


@pytest.mark.slow
def test_nothing_of_the_dashboard_imports_torch(tmp_path: Path) -> None:
    code = """
import sys
import importlib, pkgutil
import app
for module in pkgutil.walk_packages(app.__path__, "app."):
    # The entry and the pages are scripts: they draw when they are imported.
    if module.name != "app.dashboard.main" and not module.name.startswith("app.dashboard.views."):
        importlib.import_module(module.name)
import ast
from pathlib import Path
for page in (Path(app.__path__[0]) / "dashboard" / "views").glob("*.py"):
    imports = [one for one in ast.walk(ast.parse(page.read_text())) if isinstance(one, (ast.Import, ast.ImportFrom))]
    exec(compile(ast.Module(imports, []), str(page), "exec"))
import app.cli.serve
from pathlib import Path
from memgate.config.run import DataConfig
from memgate.data.image_set import load_splits
import numpy as np
load_splits(DataConfig(name="digits"))
images = np.zeros((4, 8, 8, 3), np.uint8)
labels = np.array([0, 1, 0, 1])
np.savez("data.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
load_splits(DataConfig(name="npz", root=Path("data.npz")))
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_server_module_is_light() -> None:
    code = "import sys, app.cli.serve; assert not {'streamlit', 'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
