"""The command that lists runs: runs."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.errors import MemgateError
from memgate.runs.metrics import last_known
from memgate.runs.run import Run, is_run, list_runs


@dataclass(frozen=True)
class Runs:
    """List the runs in a folder, or one run."""

    root: Positional[Path] = Path("runs")
    """Folder that holds the runs, or the folder of a run."""

    def run(self) -> None:
        """Print one line per run."""
        from tabulate import tabulate

        runs = [Run(self.root)] if is_run(self.root) else list_runs(self.root)
        rows = [_row(run) for run in runs]
        if not rows:
            console.line(f"No runs under {self.root} yet. Make one: memgate quickstart")
            return
        headers = ["run", "status", "epochs", "data", "model", "noise", "seed", "test accuracy"]
        console.line(tabulate(rows, headers, disable_numparse=True))


def _row(run: Run) -> list[str]:
    """The cells of a run, in the order of the headers; a damaged run has a row too."""
    try:
        status, outline, metrics = run.status(), run.outline, run.metrics()
    except MemgateError as error:
        return [run.name, "damaged", "", "", "", str(error), "", ""]
    accuracy = last_known(metrics, "test_accuracy")
    return [
        run.name,
        "curves" if run.only_curves else status.state,
        f"{status.epoch}/{status.epochs}",
        outline.data,
        outline.model,
        " ".join(outline.noise) or "none",
        "" if outline.seed is None else str(outline.seed),
        "" if accuracy is None else f"{accuracy:.1%}",
    ]
