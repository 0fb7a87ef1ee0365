"""Commands that read runs: export, runs, recipes, dashboard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from memgate import console
from memgate.errors import MemgateError
from memgate.papers.rows import described, read_rows
from memgate.recipes import RECIPES
from memgate.runs.metrics import last_known
from memgate.runs.run import Run, command, list_runs, open_run


@dataclass(frozen=True)
class Export:
    """Write the per-sample log, or a part of it, as a table for other programs."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    shape: Literal["summary", "long", "matrix"] = "summary"
    """summary: one row per sample; long: one per sample and epoch; matrix: arrays [epochs, samples]."""
    format: Literal["csv", "parquet", "npz", "jsonl", "h5", "tsv"] | None = None
    """File format. None: the usual one: csv, of a matrix npz, and of another tool's schema that tool's."""
    schema: Literal["memgate", "cleanlab", "cartography", "fiftyone", "tensorboard"] = "memgate"
    """Whose columns: memgate's, or what another tool reads; fiftyone and tensorboard are folders with pictures."""
    split: Literal["train", "val", "test", "val_corrupted", "test_corrupted"] = "train"
    """Which samples."""
    quantities: tuple[str, ...] = ()
    """Only these columns, beside who the samples are. Empty: all."""
    epochs: str = "all"
    """Which epochs: all, last, every:5, 10-20 or 1,5,10; a summary is computed from these."""
    epoch: int | None = None
    """The epoch at which --route is judged; a summary has no later one. None: the last of --epochs."""
    cause: Literal["all", "clean", "corrupted", "label", "image", "label+image", "open"] = "all"
    """Only samples to which this was done."""
    route: Literal["all", "routed", "skipped"] = "all"
    """Only samples that a gate sends through its block, or past it."""
    gate: str | None = None
    """Whose route; also the trajectory that tensorboard shows. None: the last gate's."""
    classes: tuple[str, ...] = ()
    """Only samples whose clean label is one of these classes, by number or name. Empty: any."""
    cohort: str | None = None
    """Only samples of this cohort, saved in the dashboard (cohorts/NAME.json in the run)."""
    ids: tuple[int, ...] = ()
    """Only the samples with these ids. Empty: any."""
    out: Path | None = None
    """The file to write, or a folder for it; a folder may also go into a .zip. None: in the run's exports/."""
    yes: bool = False
    """Write a table of text of more than two million rows without being asked."""

    def run(self) -> None:
        """Write the table and print its path."""
        from probes.export.export import export_run
        from probes.export.plan import ExportPlan, class_numbers
        from probes.samples.filters import Filter

        run = open_run(self.name)
        classes = class_numbers(self.classes, run.sample_log().class_names) if self.classes else ()
        plan = ExportPlan(
            self.shape, self.format, self.split, self.schema, self.quantities, self.epochs, self.epoch,
            Filter(self.cause, self.route, classes), self.gate, self.cohort, self.ids,
        )  # fmt: skip
        console.line(str(export_run(run, plan, out=self.out, yes=self.yes)))


@dataclass(frozen=True)
class Runs:
    """List the runs in a folder."""

    root: Positional[Path] = Path("runs")
    """Folder that holds the runs."""

    def run(self) -> None:
        """Print one line per run."""
        from tabulate import tabulate

        rows = [_row(run) for run in list_runs(self.root)]
        if not rows:
            console.line(f"No runs under {self.root} yet. Make one: memgate quickstart")
            return
        headers = ["run", "status", "epochs", "data", "model", "noise", "seed", "test accuracy"]
        console.line(tabulate(rows, headers, disable_numparse=True))


@dataclass(frozen=True)
class ImportCurves:
    """Import the entropy gate's authors' training curves as runs: numbers by epoch, and no log of samples."""

    file: Positional[Path]
    """The CSV file, packed or not: a line per run and epoch."""
    runs: str = "*"
    """Which, by their names, with * and ?: such as 'vc10_*scratch_it1g-2cm-1'."""
    out: Path = Path("runs")
    """Folder that holds the runs."""

    def run(self) -> None:
        """Make the runs and say how many."""
        from memgate.papers.import_curves import import_curves

        made = import_curves(self.file, self.runs, self.out)
        count = f"{len(made)} runs" if len(made) > 1 else made[0].name
        console.line(f"Imported {count}. See them by: {command('runs', self.out)}")


@dataclass(frozen=True)
class Recipes:
    """List the recipes of 'memgate train --recipe' and 'memgate sweep', and what each reproduces."""

    def run(self) -> None:
        """Print one line per recipe, and one per table of the papers, whose rows are recipes too."""
        for name, entry in RECIPES.items():
            console.line(f"{name:22s} {entry.purpose}{f' = {entry.reproduces}' if entry.reproduces else ''}")
        rows = read_rows()
        console.line("\nRows of the papers' tables, each a recipe by its name ('memgate reproduce --list'):")
        for table in dict.fromkeys(row.table for row in rows):
            own = [row for row in rows if row.table == table]
            some = own[0].row if len(own) == 1 else f"{own[0].row} ... {own[-1].row}"
            console.line(f"{table:12s} {len(own)} of {described(own)}: {some}")
        console.line(
            "As they are, they do what the authors' code did; NAME-text does what the papers say (and needs "
            "--init-from where they start from a baseline)."
        )


@dataclass(frozen=True)
class Dashboard:
    """Open the dashboard over a folder of runs in the browser."""

    root: Positional[Path] = Path("runs")
    """Folder that holds the runs."""
    port: int = 8501
    """Port to listen on."""
    address: str = "127.0.0.1"
    """Address to listen on; anything but this machine's own shows your data to the network."""
    headless: bool = False
    """Do not open a browser."""
    join: tuple[str, ...] = ()
    """Show other people's labels and hardness as well: cscores=FILE cifar10n=FILE cifar10h=FILE, or
    NAME=FILE.csv:COLUMN, as in memgate report."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        from app.cli.serve import serve

        if self.join:
            from probes.external.load import OWN_COLUMNS, load_externals

            load_externals(self.join, OWN_COLUMNS)  # what is wrong is said here, before a browser opens
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


def _row(run: Run) -> list[str]:
    """One run in the list; a damaged one has its line too."""
    try:
        status, outline, metrics = run.status(), run.outline, run.metrics()
    except MemgateError as error:
        return [run.name, "damaged", "", "", "", str(error), "", ""]
    accuracy = last_known(metrics, "test_accuracy")
    return [
        run.name,
        "curves" if run.only_curves else status.shown,
        f"{status.epoch}/{status.epochs}",
        outline.data,
        outline.model,
        " ".join(outline.noise) or "none",
        "" if outline.seed is None else str(outline.seed),
        "" if accuracy is None else f"{accuracy:.1%}",
    ]
