"""The command that writes samples of a run for other programs: export."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional

from memgate import console
from memgate.runs.run import open_run
from probes.export.plan import ExportPlan


@dataclass(frozen=True)
class Export:
    """Write the per-sample log, or a part of it, as a table for other programs."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    plan: Annotated[ExportPlan, OmitArgPrefixes] = field(default_factory=ExportPlan)
    """Contents and form of the export."""
    out: Path | None = None
    """The file to write, or a folder for it; a folder may also be written as a .zip. None: the run's exports/."""
    yes: bool = False
    """Write a table of text of more than two million rows without confirmation."""

    def run(self) -> None:
        """Write the table and print its path."""
        from probes.export.export import export_run

        console.line(str(export_run(open_run(self.name), self.plan, out=self.out, yes=self.yes)))
