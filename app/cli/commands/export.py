"""The command that writes samples of a run for other programs: export."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional

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
    """File (its ending names the format), folder for it, .zip of a folder, or /dev/stdout. None: its exports/."""
    yes: bool = False
    """Write a table of text of more than two million rows without confirmation."""
    overwrite: Annotated[bool, FlagCreatePairsOff] = False
    """Replace a file or folder that is no export of memgate."""

    def run(self) -> None:
        """Write the table and print its path, but not into a stream that gets the table."""
        from noise.files.atomic import is_stream
        from probes.export.export import export_run

        path = export_run(open_run(self.name), self.plan, self.out, self.yes, self.overwrite)
        if not is_stream(path):
            console.line(str(path))
