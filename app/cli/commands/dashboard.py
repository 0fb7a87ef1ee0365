"""The command that serves the dashboard: dashboard."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from memgate import console
from memgate.errors import require
from memgate.runs.run import is_run


@dataclass(frozen=True)
class Dashboard:
    """Open the dashboard over a folder of runs in the browser."""

    root: Positional[Path] = Path("runs")
    """Folder that holds the runs."""
    port: int = 8501
    """Port to listen on."""
    address: str = "127.0.0.1"
    """Address to listen on; any other than this machine's own shows your data to the network."""
    headless: bool = False
    """Do not open a browser."""
    join: tuple[str, ...] = ()
    """Also show other people's labels and hardness: cscores=FILE memorisation=FILE cifar10n=FILE
    cifar10h=FILE, or NAME=FILE.csv:COLUMN, as in memgate report."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        from app.cli.serve import serve

        require(
            self.root.is_dir(),
            f"There is no folder {self.root}: give the one that holds the runs, such as runs.",
        )
        require(
            not is_run(self.root),
            f"{self.root} is a run: give the folder that holds it (memgate dashboard {self.root.absolute().parent}).",
        )

        if self.join:
            from probes.external.load import OWN_COLUMNS, load_externals

            load_externals(self.join, OWN_COLUMNS)  # errors are reported here, before a browser opens
        raise SystemExit(
            serve(
                self.root,
                port=self.port,
                address=self.address,
                open_browser=not self.headless,
                warn=console.warn,
                joins=self.join,
            )
        )
