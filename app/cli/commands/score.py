"""Commands about one number per sample: score, scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from memgate import console
from memgate.errors import require
from memgate.runs.run import open_run


@dataclass(frozen=True)
class ScoreRun:
    """Give every sample of a run its scores, from the log and from what probes have stored."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    split: Literal["train", "val", "test", "val_corrupted", "test_corrupted"] = "train"
    """Which samples."""
    top: int = 0
    """Also list so many of the hardest samples by one score."""
    by: str | None = None
    """The column of that score ('memgate scores' lists them). None: loss_mean; given without --top, the 10 hardest."""
    format: console.Form = "terminal"
    """How to print it."""
    out: Path | None = None
    """Write the table of all samples there too; .csv or .parquet."""

    def run(self) -> None:
        """Print what the scores are in each group, list the hardest samples, and write the table."""
        require(self.top >= 0, f"--top {self.top}: that many samples cannot be listed; take 0 or more.")
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
