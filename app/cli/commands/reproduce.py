"""The command that reproduces the papers' tables: reproduce."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from app.cli.commands.sweep import until_stopped
from app.cli.commands.trade_off import write_plot
from memgate import console
from memgate.config.names import fitted
from memgate.config.run import Device, RunConfig
from memgate.errors import MemgateError, require
from memgate.papers.reproduction import Reproduction, ReproductionSettings, reproduction
from memgate.papers.rows import find_rows, read_rows
from memgate.papers.scales import SCALES, ScaleName, workload
from memgate.papers.settings import Reading
from memgate.runs.run import Run, is_run, open_run
from memgate.sweeps import grid

MANY_IMAGES = {"cuda": 5_000_000, "cpu": 1_000_000}
"""Device to number of images, forward and backward, above which --yes is needed: a ResNet-110 at full scale has 12 to
15 million of them, at short scale a tenth, which takes a CPU hours."""


@dataclass(frozen=True)
class Reproduce:
    """Reproduce rows of the papers' tables and compare the results; started again, it continues.

    Rows of papers that compare networks by their cost are also plotted, accuracy against MACs.
    """

    row: Positional[str | None] = None
    """A row (report-2.1-0.01), a table (report-2.1, paper-bas-figure-3: all its rows) or a pattern ('paper-1-*');
    --list lists them."""
    list_: Annotated[bool, arg(name="list")] = False
    """List the rows with the papers' numbers (of ROW, or all), and run nothing."""
    scale: ScaleName = "tiny"
    """tiny: minutes on a CPU, 6 epochs of 4,000 images with the smallest network of the family; short: a tenth of the
    epochs, milestones likewise; full: the papers' setting. Only full can be compared with the papers."""
    reading: Reading = "code"
    """Of the report and the soft-gating paper. code: as the authors' released code did (baseline initialisation loads
    nothing, ResNet-34's schedule, gate reading o2); text: as the documents say (a baseline is trained first and
    loaded; scheme 1; o1)."""
    seeds: str = "0"
    """Seeds of each row, such as 0,1,2,3,4."""
    out: Path = Path("runs")
    """Folder of the runs."""
    data_root: Annotated[Path, arg(name="data.root")] = Path("data")
    """Folder of the data."""
    device: Device = "auto"
    """Device to train on."""
    curves: Path | None = None
    """Also plot our test accuracy with the authors' curves of this file (entropy gate over B3 only), as HTML page."""
    beside: Path | None = None
    """With --curves: another run to plot, such as one of the recipe paper-c10-val."""
    only_report: bool = False
    """Train nothing, report the existing runs."""
    yes: bool = False
    """Start without confirmation, however long it takes."""
    format: console.Form = "terminal"
    """Format of the report or the list; other than terminal, the output of the training goes to standard error."""

    def run(self) -> None:
        """List the rows, or carry out the runs and print the comparison."""
        from probes.report import curves as curves_figure
        from probes.report import reproduction as reproduced

        if self.list_:
            rows = read_rows() if self.row is None else find_rows(self.row)
            console.line(reproduced.listed(rows, self.format))
            return
        if self.row is None:
            raise MemgateError(
                "'memgate reproduce' needs a row or a table: 'memgate reproduce --list' lists them."
            )
        require(
            self.beside is None or self.curves is not None,
            f"--beside {self.beside} is plotted with the authors' curves: add --curves FILE.",
        )
        out = self.out.expanduser()
        seeds = grid.parse_seeds(self.seeds)
        root = self.data_root.expanduser()
        plan = reproduction(
            find_rows(self.row), ReproductionSettings(self.scale, self.reading, seeds, out, root, self.device)
        )
        theirs = self._authors(plan)
        beside = [] if self.beside is None else [curves_figure.line_of_run(open_run(self.beside))]
        require(
            all(len(line.epoch) for line in beside),
            f"--beside {self.beside} has no test accuracy yet, or no test split: leave it out.",
        )
        grid.check_existing(plan.configs, (*grid.PLACES, "init_from", "init_gater"), "choose another --out")
        failed = {} if self.only_report else self._carried_out(plan, out)
        comparison = reproduced.compare(plan, out)
        console.line(comparison.text(self.format))
        if theirs:
            rows = {row.row for row in plan.rows}  # without the baselines that were trained for them
            all_names = [run.name for run in plan.sweep.runs if run.point["row"] in rows]
            names = [name for name in all_names if grid.state_of(out, name) != "missing"]
            ours = [curves_figure.line_of_run(open_run(out / name)) for name in names]
            title = f"{self.row}, scale {self.scale}: test accuracy on the authors' curves"
            page = out / f"{fitted([self.row], [plan.sweep.name, 'curves'])}.html"
            curves_figure.write_html(curves_figure.figure(theirs, [*ours, *beside], title), page)
            if self.format != "json":
                console.line(f"\nPlot with the authors' curves:  {page}")
        self._plot_costs(plan, out)
        if failed:
            raise SystemExit(1)

    def _plot_costs(self, plan: Reproduction, out: Path) -> None:
        """Plot accuracy against MACs where documents compare networks by them and two points are trained."""
        from probes.report.reproduction import published
        from probes.report.trade_off import trade_offs

        rows = {row.row for row in plan.rows if row.counts_macs}
        runs = [Run(out / run.name) for run in plan.sweep.runs if run.point["row"] in rows]
        points = trade_offs([run for run in runs if grid.state_of(out, run.name) == "complete"])
        if len(points.points) < 2:
            return
        page = out / f"{fitted([str(self.row)], [plan.sweep.name, 'accuracy-macs'])}.html"
        write_plot(points, f"{self.row}, scale {self.scale}: test accuracy and cost", page, published(plan))
        if self.format != "json":
            console.line(f"\nPlot of accuracy and cost:  {page}")

    def _authors(self, plan: Reproduction) -> list:
        """The authors' curves of these rows; empty without --curves."""
        if self.curves is None:
            return []
        from memgate.papers.author_curves import load_curves
        from probes.report.curves import authors_lines

        return authors_lines(plan.rows, load_curves(self.curves))

    def _carried_out(self, plan: Reproduction, out: Path) -> Mapping[str, str]:
        output = nullcontext() if self.format == "terminal" else redirect_stdout(sys.stderr)
        with output:
            self._announce(plan.configs, out)
            grid.record(plan.sweep, out)
            from memgate.sweeps.local import run_here

            return until_stopped("The reproduction", lambda: run_here(plan.configs))

    def _announce(self, configs: Sequence[RunConfig], out: Path) -> None:
        open_configs = [config for config in configs if grid.state_of(out, str(config.name)) != "complete"]
        if not open_configs:
            return
        from memgate.training.environment import choose_device

        device = choose_device(self.device).type
        ahead = workload((config, _done(out, config)) for config in open_configs)
        smaller = {"full": ", or --scale short", "short": ", or --scale tiny"}.get(self.scale, "")
        require(
            ahead.images <= MANY_IMAGES[device] or self.yes,
            f"--scale {self.scale} needs {ahead.sentence}, which takes long on {device}: add --yes, or take "
            f"fewer rows or seeds{smaller}.",
        )
        console.note(f"Scale {self.scale} ({SCALES[self.scale].description}): {ahead.sentence}.")


def _done(out: Path, config: RunConfig) -> int:
    """Finished epochs of a run; 0 if it does not exist."""
    path = out / str(config.name)
    return Run(path).status().epoch if is_run(path) else 0
