"""Runs under the root, by their names: list, open, status. No path comes from a URL."""

from collections.abc import Sequence
from pathlib import Path

from memgate.errors import MemgateError, reading
from memgate.runs.run import Run, Status, list_runs


def runs(root: Path) -> list[Run]:
    """Runs under the root, the newest first; damaged ones too."""
    with reading(str(root)):
        return list_runs(root)


def run_names(root: Path) -> list[str]:
    """Names of the runs under the root, the newest first; imported curves, which have no samples, are last."""
    return [run.name for run in sorted(runs(root), key=only_curves)]


def only_curves(run: Run) -> bool:
    """Whether a run is imported curves; False for one whose config.json is damaged."""
    try:
        return run.only_curves
    except MemgateError:
        return False


def curves_among(root: Path, names: Sequence[str]) -> list[Run]:
    """The runs among ``names`` that are imported curves, in the order of the names."""
    curves = {run.name: run for run in runs(root) if only_curves(run)}
    return [curves[name] for name in names if name in curves]


def open_run(root: Path, name: str) -> Run:
    """A run by its name, only if it is one of the folders under the root.

    Raises:
        MemgateError: there is no such folder, or its configuration is damaged.
    """
    known = {run.name: run for run in runs(root)}
    if name not in known:
        raise MemgateError(f"There is no run {name!r} under {root}.")
    with reading(f"{known[name].path}/config.json"):
        _ = known[name].outline
    return known[name]


def status(run: Run) -> Status:
    """Contents of status.json: state, epochs done, epochs planned.

    Raises:
        MemgateError: status.json is damaged.
    """
    with reading(f"{run.path}/status.json"):
        return run.status()
