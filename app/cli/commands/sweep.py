"""Commands about a grid of runs: sweep run, sweep table."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from memgate import console
from memgate.config.json_form import flags
from memgate.config.run import RunConfig
from memgate.errors import require
from memgate.recipes import check_start, recipe
from memgate.sweeps import grid
from memgate.training.interrupt import Interrupted


@dataclass(frozen=True)
class SweepRuns:
    """Run a recipe over a grid of settings and seeds; started again, it goes on where it was.

    Finished runs are kept, stopped, failed and crashed ones resumed, missing ones started.
    """

    recipe: Positional[str]
    """The recipe (see 'memgate recipes'); every flag of 'memgate train' changes what all runs share, and --name is
    the sweep's."""
    config: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)
    over: UseAppendAction[tuple[str, ...]] = ()
    """FLAG=V1,V2: a flag of 'memgate train' and its values; several of them make a grid. A value with a comma stands
    in double quotes, a list's items are parted by spaces, and an empty value is an empty list."""
    seeds: str | None = None
    """Seeds of each point of the grid, such as 0,1,2. None: the recipe's."""
    engine: Literal["local", "ray"] = "local"
    """local: one run after another in this process; ray: as tasks of Ray (needs: pip install -e '.[ray]')."""
    ray_address: str | None = None
    """Ray cluster to run on: auto, or HOST:PORT. None: a Ray of its own on this machine."""
    gpus_per_run: float | None = None
    """Of Ray: GPUs of each run, such as 1 or 0.25. None: 1 where there are any."""
    cpus_per_run: int | None = None
    """Of Ray: CPU cores of each run. None: 1."""
    dry_run: bool = False
    """Only list the runs."""

    def run(self) -> None:
        """Carry out all runs, then print the table."""
        for flag, value in (
            ("ray-address", self.ray_address),
            ("gpus-per-run", self.gpus_per_run),
            ("cpus-per-run", self.cpus_per_run),
        ):
            require(
                value is None or self.engine == "ray", f"--{flag} {value} is about Ray: add --engine ray."
            )
        seeds = (self.config.seed,) if self.seeds is None else grid.parse_seeds(self.seeds)
        planned, configs = grid.plan(self.recipe, self.config, self.over, seeds)
        self._check_used(planned, seeds)
        for config in configs:
            check_start(self.recipe, config)
        out = self.config.out.expanduser()
        grid.check_existing(configs)
        if self.dry_run:
            _list(planned, out)
            return
        planned = grid.record(planned, out)
        failed = until_stopped("The sweep", lambda: self._carried_out(configs))
        print_table(planned, out, "terminal")
        for name, reason in failed.items():
            console.warn(f"{name} failed: {reason}")
        if failed:
            raise SystemExit(1)

    def _check_used(self, planned: grid.Sweep, seeds: Sequence[int]) -> None:
        """Raise MemgateError where a flag is typed that is varied too, with a value that no run takes."""
        typed, usual = flags(self.config), flags(recipe(self.recipe))
        for flag in planned.varied:
            value = grid.value_text(typed[flag])
            require(
                typed[flag] == usual[flag] or any(run.point[flag] == value for run in planned.runs),
                f"--{flag} {value} would do nothing, because --over {flag} takes its place: leave one of them out.",
            )
        require(
            typed["seed"] == usual["seed"] or self.config.seed in seeds,
            f"--seed {self.config.seed} would do nothing, because --seeds {self.seeds} takes its place: leave one of "
            "them out.",
        )

    def _carried_out(self, configs: Sequence[RunConfig]) -> Mapping[str, str]:
        if self.engine == "ray":
            from memgate.sweeps.on_ray import Workers, run_on_ray

            return run_on_ray(configs, Workers(self.ray_address, self.gpus_per_run, self.cpus_per_run or 1))
        from memgate.sweeps.local import run_here

        return run_here(configs)


@dataclass(frozen=True)
class SweepTable:
    """Print what came out of a sweep so far: a row for each point of its grid, mean and deviation over the seeds."""

    name: Positional[str]
    """The sweep's name, or its file NAME.sweep.json."""
    out: Path = Path("runs")
    """Folder that holds its runs."""
    format: console.Form = "terminal"
    """How to print it."""

    def run(self) -> None:
        """Print the table."""
        found, out = grid.find_sweep(self.name, self.out)
        print_table(found, out, self.format)


def until_stopped(what: str, carry_out: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    """Carry runs out; if they are stopped, say how to go on, and end.

    Args:
        what: that is stopped, in words.
        carry_out: gives the name of each run that failed, to the reason.
    """
    try:
        return carry_out()
    except (SystemExit, KeyboardInterrupt, Interrupted) as stop:
        again = shlex.join(["memgate", *sys.argv[1:]])
        console.note(f"{what} is stopped; finished runs are kept. Go on with: {again}")
        raise SystemExit(getattr(stop, "code", 130)) from None


def print_table(found: grid.Sweep, out: Path, form: console.Form) -> None:
    """Print the table of a sweep's complete runs, and which are not.

    Args:
        found: the sweep.
        out: folder of its runs.
        form: how.
    """
    from probes.report import sweep

    table = sweep.sweep_table(found, out)
    console.line(sweep.to_json(table) if form == "json" else sweep.to_text(table, form))


def _list(planned: grid.Sweep, out: Path) -> None:
    from tabulate import tabulate

    rows = [
        [run.name, *run.point.values(), str(run.seed), grid.state_of(out, run.name)] for run in planned.runs
    ]
    heads = ["run", *planned.varied, "seed", "status"]
    console.line(tabulate(rows, heads, disable_numparse=True))
