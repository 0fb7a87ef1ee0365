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
        from probes.report.score_sheet import score_sheet, to_json, to_markdown, to_terminal
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
        forms = {"terminal": to_terminal, "markdown": to_markdown, "json": to_json}
        console.line(forms[self.format](sheet))
        if self.out is not None and self.format != "json":
            console.line(f"\n{len(table)} samples, {len(table.columns)} columns: {self.out}")


@dataclass(frozen=True)
class ScoresKnown:
    """List the scores of 'memgate score': column, which end is harder, range, what they need and mean."""

    def run(self) -> None:
        """Print one line per score."""
        from tabulate import tabulate

        from probes.scores.catalogue import SCORES

        headers = ["column", "harder", "range", "needs", "what it is"]
        rows = [(s.column, s.suspicious, s.range, s.needs, s.meaning) for s in SCORES.values()]
        console.line(tabulate(rows, headers, disable_numparse=True))
