"""The command subsets: trains a configuration on many random subsets of its training samples."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from app.cli.commands.engine import Engine
from app.cli.commands.sweep import list_runs, until_stopped
from memgate import console
from memgate.config.run import RunConfig
from memgate.console import size_text
from memgate.errors import require
from memgate.recipes import check_start
from memgate.runs.run import Run
from memgate.sweeps import grid
from memgate.sweeps.subsets import FRACTION, check_group, check_space, plan_group


@dataclass(frozen=True)
class Subsets:
    """Train a recipe on K balanced random subsets of its training samples, to measure what is memorised.

    Each sample is in exactly the same number of subsets, and every model logs all samples. Started again, it
    continues; a larger K adds models and changes none.
    """

    recipe: Positional[str]
    """The recipe (see 'memgate recipes'); every flag of 'memgate train' changes all models, and --name names the
    group."""
    config: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)
    models: int = 64
    """K, the number of models (of each fraction); with a fraction of one half an even number."""
    fraction: float | None = None
    """Share of the models that contain a sample, as a/B with B up to 20. None: --subset.fraction."""
    fractions: tuple[float, ...] = ()
    """Several fractions, K models of each, for the C-score: .1 .3 .5 .7 .9."""
    engine: Annotated[Engine, arg(name="")] = field(default_factory=Engine)
    dry_run: bool = False
    """Only print the disk that is needed, and list the models."""

    def run(self) -> None:
        """Train all models, then print what the group is."""
        from memgate.sweeps.run_size import run_bytes

        self.engine.check()
        given = self.config.subset.fraction
        require(
            not (self.fractions and self.fraction is not None),
            "--fraction and --fractions both say which shares to take: give one of them.",
        )
        require(
            given == 0.5 or (not self.fractions and self.fraction in (None, given)),
            f"--subset.fraction {given} would have no effect: leave it out.",
        )
        fractions = self.fractions or (given if self.fraction is None else self.fraction,)
        group, configs = plan_group(self.recipe, self.config, self.models, fractions)
        check_start(self.recipe, configs[0])
        out = self.config.out.expanduser()
        check_group(group, out)
        grid.check_existing(configs)
        missing = sum(grid.state_of(out, run.name) == "missing" for run in group.runs)
        sizes = run_bytes(configs[0])
        console.note(_disk(sizes, len(configs), missing))
        check_space(out, missing * sum(sizes.values()))
        if self.dry_run:
            list_runs(group, out)
            return
        group = grid.record(group, out)
        failed = until_stopped("The group", lambda: self.engine.carried_out(configs))
        for line in group_lines(group, out):
            console.line(line)
        for name, reason in failed.items():
            console.warn(f"{name} failed: {reason}")
        if failed:
            raise SystemExit(1)


def _disk(sizes: Mapping[str, int], models: int, missing: int) -> str:
    """The disk that a group needs, as one line."""
    one = ", ".join(f"{kind} {size_text(size)}" for kind, size in sizes.items())
    total = sum(sizes.values())
    rest = (
        f", of which {size_text(missing * total)} for the {missing} that are new"
        if missing
        else ", which are there"
    )
    rest = "" if missing == models else rest
    return f"{models} models of {size_text(total)} each ({one}): {size_text(models * total)}{rest}."


def group_lines(group: grid.Sweep, out: Path) -> Sequence[str]:
    """What a group is so far: for each fraction the mean accuracies of its complete models, and how to go on."""
    lines = [
        f"{group.name}: {sum(grid.state_of(out, run.name) == 'complete' for run in group.runs)} of "
        f"{len(group.runs)} models are complete."
    ]
    for fraction in dict.fromkeys(run.point[FRACTION] for run in group.runs):
        runs = [run.name for run in group.runs if run.point[FRACTION] == fraction]
        last = [Run(out / name).metrics()[-1] for name in runs if grid.state_of(out, name) == "complete"]
        titles = {"train": "samples trained on", "excluded": "samples excluded", "test": "test samples"}
        shares = []
        for split, title in titles.items():
            values = np.array([row.get(f"{split}_accuracy", np.nan) for row in last])
            if len(values) and not np.isnan(values).any():
                spread = f" (SD {values.std(ddof=1):.1%})" if len(values) > 1 else ""
                shares.append(f"{title} {values.mean():.1%}{spread}")
        lines.append(
            f"Fraction {fraction}, {len(last)} models, accuracy (given label): {', '.join(shares) or '-'}"
        )
    name = group.name if out == Path("runs") else str(grid.sweep_path(out, group.name))
    return [*lines, f"\nMemorisation:  memgate probe memorisation {shlex.quote(name)}"]
