"""The command that compares networks by accuracy and cost: trade-off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from memgate import console
from memgate.errors import require
from memgate.runs.run import Run, is_run, list_runs, open_run
from memgate.sweeps import grid

if TYPE_CHECKING:
    from probes.report.trade_off import Published, TradeOffs


@dataclass(frozen=True)
class TradeOffOfRuns:
    """Compare runs by test accuracy and mean MACs of an image: a table, and a plot with a curve for each network.

    Runs that differ in their seeds only make one point. Along a curve vary the weight of L0 (channel-gate), or the
    options of the gates and the weights of their losses (other networks).
    """

    names: Positional[tuple[str, ...]]
    """Runs, folders of runs, or sweeps (their names under runs/, or their files NAME.sweep.json)."""
    out: Path | None = None
    """HTML page to write the plot to; it needs no network, and its camera button saves a PNG. None: no plot."""
    format: console.Form = "terminal"
    """Format of the table."""

    def run(self) -> None:
        """Print the table and write the plot."""
        from probes.report.trade_off import trade_offs

        require(
            len(self.names) > 0,
            "memgate trade-off needs runs: give their folders, a folder that holds them, or a sweep.",
        )
        require(
            self.out is None or self.out.suffix == ".html",
            f"--out {self.out} is no HTML page: give a name that ends in .html; the page's camera button saves a PNG.",
        )
        runs = {run.path.resolve(): run for name in self.names for run in runs_of(name)}
        points = trade_offs(list(runs.values()))
        console.line(points.text(self.format))
        require(
            len(points.points) > 0,
            f"None of the {len(runs)} runs of {' '.join(self.names)} has a test accuracy and a cost: let one end.",
        )
        if self.out is not None:
            path = write_plot(points, f"{' '.join(self.names)}: accuracy and cost", self.out.expanduser())
            if self.format != "json":
                console.line(f"\nPlot:  {path}")


def runs_of(name: str) -> list[Run]:
    """The runs of a name: a run, a sweep's runs, of which some may be missing yet, or all runs of a folder.

    Raises:
        MemgateError: there is no such run, sweep or folder, or the folder has no run.
    """
    runs_folder, path = Path("runs"), Path(name).expanduser()
    file = path if path.name.endswith(".sweep.json") else grid.sweep_path(runs_folder, name)
    if file.is_file():
        sweep, folder = grid.find_sweep(str(file), runs_folder)
        return [Run(folder / run.name) for run in sweep.runs]
    if path.is_dir() and not is_run(path):
        runs = list_runs(path)
        require(len(runs) > 0, f"{name} holds no run: give a folder of runs, such as runs.")
        return runs
    return [open_run(name)]


def write_plot(points: "TradeOffs", title: str, path: Path, published: "Sequence[Published]" = ()) -> Path:
    """Write the plot of points as one HTML page, and return its path; raises MemgateError where it cannot."""
    from probes.report.curves import write_html
    from probes.report.trade_off_plot import figure

    return write_html(figure(points, title, published), path)
