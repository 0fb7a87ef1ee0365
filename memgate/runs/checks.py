"""Check that what a function was given is an opened run."""

from pathlib import Path

from memgate.errors import MemgateError
from memgate.runs.run import Run


def check_run(run: object) -> None:
    """Raise MemgateError where something else than an opened run is given, such as its path."""
    if isinstance(run, str | Path):
        raise MemgateError(f"run is the path {str(run)!r}: open it first, memgate.open_run({str(run)!r}).")
    if not isinstance(run, Run):
        raise MemgateError(f"run is a {type(run).__name__} and no run: open one by memgate.open_run(path).")
