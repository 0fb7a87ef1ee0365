"""The short form of ``benchmarks/faults.py``: no damaged file is read as if it were whole or ends in a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_damaged_files_are_read_right_or_named(tmp_path: Path) -> None:
    # A process of its own: its children are forked, which a process that has trained by torch does not survive.
    command = [sys.executable, "benchmarks/faults.py", "--short", "--keep", tmp_path / "lab"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 silent, 0 tracebacks, 0 hangs" in ended.stdout
