"""The command that imports the training curves of the entropy gate's authors: import-curves."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.runs.run import command


@dataclass(frozen=True)
class ImportCurves:
    """Import the entropy gate's authors' training curves as runs: numbers by epoch, and no log of samples."""

    file: Positional[Path]
    """The CSV file, packed or not: one line per run and epoch."""
    runs: str = "*"
    """Names of the curves to import, with the wildcards * and ?: such as 'vc10_*scratch_it1g-2cm-1'."""
    out: Path = Path("runs")
    """Folder that holds the runs."""

    def run(self) -> None:
        """Make the runs and print their number."""
        from memgate.papers.import_curves import import_curves

        runs = import_curves(self.file, self.runs, self.out)
        count = f"{len(runs)} runs" if len(runs) > 1 else runs[0].name
        console.line(f"Imported {count}. List them by: {command('runs', self.out)}")
