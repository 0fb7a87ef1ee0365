"""Commands about a grid of runs: sweep run, sweep table."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from app.cli.commands.engine import Engine
from memgate import console
from memgate.config.json_form import flags
from memgate.config.run import RunConfig
from memgate.errors import require
from memgate.recipes import check_start, recipe
from memgate.sweeps import grid
from memgate.training.interrupt import Interrupted


@dataclass(frozen=True)
class SweepRuns:
    """Run a recipe over a grid of settings and seeds; started again, it continues.

    Complete runs are kept; stopped, failed and crashed runs are resumed; missing runs are started.
    """

    recipe: Positional[str]
    """The recipe (see 'memgate recipes'); every flag of 'memgate train' changes all runs, and --name names the
    sweep."""
    config: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)
    over: UseAppendAction[tuple[str, ...]] = ()
    """FLAG=V1,V2: a flag of 'memgate train' and its values; given several times, they form a grid. A value with a
    comma is put in double quotes, items of a list are separated by spaces, and an empty value is an empty list."""
    seeds: str | None = None
    """Seeds of each point of the grid, such as 0,1,2. None: the recipe's."""
    engine: Annotated[Engine, arg(name="")] = field(default_factory=Engine)
    dry_run: bool = False
    """Only list the runs."""

    def run(self) -> None:
        """Run all configurations, then print the table of results."""
        self.engine.check()
        seeds = (self.config.seed,) if self.seeds is None else grid.parse_seeds(self.seeds)
        planned, configs = grid.plan(self.recipe, self.config, self.over, seeds)
        self._check_used(planned, seeds)
        for config in configs:
            check_start(self.recipe, config)
        out = self.config.out.expanduser()
        grid.check_existing(configs)
        if self.dry_run:
            list_runs(planned, out)
            return
        planned = grid.record(planned, out)
        failed = until_stopped("The sweep", lambda: self.engine.carried_out(configs))
        print_table(planned, out, "terminal")
        for name, reason in failed.items():
            console.warn(f"{name} failed: {reason}")
        if failed:
            raise SystemExit(1)

    def _check_used(self, planned: grid.Sweep, seeds: Sequence[int]) -> None:
        """Raise MemgateError where a flag is both given and varied, and no run has the given value."""
        given, default = flags(self.config), flags(recipe(self.recipe))
        for flag in planned.varied:
            value = grid.value_text(given[flag])
            require(
                given[flag] == default[flag] or any(run.point[flag] == value for run in planned.runs),
                f"--{flag} {value} would have no effect, because --over {flag} replaces it: leave one of them out.",
            )
        require(
            given["seed"] == default["seed"] or self.config.seed in seeds,
            f"--seed {self.config.seed} would have no effect, because --seeds {self.seeds} replaces it: leave one of "
            "them out.",
        )


@dataclass(frozen=True)
class SweepTable:
    """Print the results of a sweep so far: one row per point of its grid, mean and deviation over the seeds."""

    name: Positional[str]
    """The sweep's name, or its file NAME.sweep.json."""
    out: Path = Path("runs")
    """Folder that holds its runs."""
    format: console.Form = "terminal"
    """Format of the output."""

    def run(self) -> None:
        """Print the table."""
        sweep, out = grid.find_sweep(self.name, self.out)
        print_table(sweep, out, self.format)


def until_stopped(what: str, carry_out: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    """The result of ``carry_out``; if it is stopped, print how to continue, and exit.

    Args:
        what: name of what is stopped, for the message.
        carry_out: carries the runs out; returns the name of each failed run to the reason.
    """
    try:
        return carry_out()
    except (SystemExit, KeyboardInterrupt, Interrupted) as stop:
        line = shlex.join(["memgate", *sys.argv[1:]])
        console.note(f"{what} is stopped; finished runs are kept. Go on with: {line}")
        raise SystemExit(getattr(stop, "code", 130)) from None


def print_table(sweep: grid.Sweep, out: Path, form: console.Form) -> None:
    """Print the results of a sweep's complete runs, and the state of the others."""
    from probes.report.sweep import sweep_table

    console.line(sweep_table(sweep, out).text(form))


def list_runs(planned: grid.Sweep, out: Path) -> None:
    """Print the runs of a sweep with their state."""
    from tabulate import tabulate

    rows = [
        [run.name, *run.point.values(), str(run.seed), grid.state_of(out, run.name)] for run in planned.runs
    ]
    heads = ["run", *planned.varied, "seed", "status"]
    console.line(tabulate(rows, heads, disable_numparse=True))
