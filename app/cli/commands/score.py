"""Commands about scores of samples: score, scores."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.errors import require
from memgate.runs.run import open_run
from probes.samples.filters import Split


@dataclass(frozen=True)
class ScoreRun:
    """Print the scores of a run's samples, from the log and from stored results of probes."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    split: Split = "train"
    """Split of the data."""
    top: int = 0
    """Also list this many of the hardest samples by one score."""
    by: str | None = None
    """Column of that score ('memgate scores' lists them). None: loss_mean. Without --top: the 10 hardest."""
    format: console.Form = "terminal"
    """Format of the output."""
    out: Path | None = None
    """Also write the table of all samples to this file, .csv or .parquet."""

    def run(self) -> None:
        """Print the medians of each group, list the hardest samples, and write the table."""
        require(self.top >= 0, f"--top {self.top} is no number of samples: 0 or more.")
        from probes.dynamics.snapshot import take_snapshot
        from probes.export.writers import check_target, write_table
        from probes.report.score_sheet import score_sheet
        from probes.scores.table import snapshot_scores

        if self.out is not None:
            check_target(self.out)
        run = open_run(self.name)
        snapshot = take_snapshot(run, self.split)
        table = snapshot_scores(run, snapshot)
        top = self.top or (0 if self.by is None else 10)
        sheet = score_sheet(run, snapshot, table, top, self.by or "loss_mean")
        if self.out is not None:
            write_table(self.out, table)
        console.line(sheet.text(self.format))
        if self.out is not None and self.format != "json":
            console.line(f"\n{len(table)} samples, {len(table.columns)} columns: {self.out}")


@dataclass(frozen=True)
class ScoresKnown:
    """List the scores of 'memgate score': column, direction, range, what they need, meaning and source."""

    format: console.Form = "terminal"
    """Format of the output."""

    def run(self) -> None:
        """Print one row per score."""
        from probes.report.score_list import score_list

        console.line(score_list(self.format))
