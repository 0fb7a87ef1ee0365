"""Commands that ask a trained network about its samples: probe csr, probe show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from memgate import console
from memgate.config.run import Device
from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command, open_run

if TYPE_CHECKING:
    from probes.network.plan import Plan
    from probes.result import ProbeResult


@dataclass(frozen=True)
class CheckpointCommand:
    """What every probe of a trained network is told: which checkpoints to ask, and where."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    checkpoints: tuple[str, ...] | None = None
    """last, best or epochs' numbers, such as: last best 10 20. None: last, or with --every only what it names."""
    every: int | None = None
    """Also every kept epoch that this number divides."""
    batch_size: int | None = None
    """Images in a pass. None: what suits the device."""
    device: Device = "auto"
    """Where to compute."""

    def visiting(self, splits: Sequence[str], n: int) -> "Plan":
        """The flags as what the probes understand, for n samples of some splits (of all for (); 0: all samples)."""
        from probes.network.plan import Plan

        names = self.checkpoints if self.checkpoints is not None else () if self.every else ("last",)
        return Plan(names, self.every, splits, n, self.device)


@dataclass(frozen=True)
class ProbeCommand(CheckpointCommand):
    """What a probe of the run's own samples is told besides: which of them."""

    splits: tuple[str, ...] = ()
    """Which splits, such as: train test. None given: all."""
    n: int = 1000
    """Samples of each split, chosen once by hash and the same for every checkpoint; 0 for all."""

    def plan(self) -> "Plan":
        """The flags as what the probes understand."""
        return self.visiting(self.splits, self.n)


def stored_one_by_one(
    results: Iterable["ProbeResult"], path: Path, by_variant: bool = False
) -> Iterator["ProbeResult"]:
    """The results as they are stored; Ctrl-C says what is kept in ``path`` and ends with code 130.

    Args:
        results: of a probe.
        path: its file.
        by_variant: whether one checkpoint and split have several results, so that only the variant tells them apart.
    """
    finished = []
    try:
        for result in results:
            what = f"{result.variant} of " if by_variant else ""
            finished.append(f"{what}{result.split} of epoch {result.epoch}")
            yield result
    except KeyboardInterrupt:
        kept = f"{', '.join(finished)} finished and kept in {path}" if finished else "nothing was finished"
        console.warn(f"Stopped: {kept}.")
        raise SystemExit(130) from None


@dataclass(frozen=True)
class ProbeCsr(ProbeCommand):
    """Find critical samples: is there another prediction within a tiny box around the image?

    The result goes to the run's probes/csr.h5, next to those of other checkpoints, splits and methods.
    """

    method: Literal["first-order", "lass", "fgsm", "pgd"] = "first-order"
    """first-order: the distance to the boundary from one gradient, for every radius at once; fgsm: one step;
    lass: the search of the paper (Arpit et al. 2017); pgd: many steps from a random point of the box."""
    radius: tuple[float, ...] = (0.3,)
    """Largest change of a pixel in grey levels (0 to 255; the paper's is 0.3); several allowed."""
    steps: int | None = None
    """Steps of the search. None: 10 for lass, 20 for pgd."""
    others: int | None = None
    """first-order: how many other classes are looked at, from the runner-up on, a gradient each. None: 2; more judge
    more samples as pgd does (a public ResNet-20 at radius 1: 94.9 % of all with 1, 96.0 % with 2, 96.1 % with 3)."""
    seed: int = 0
    """Seed of the noise in lass and pgd."""
    neighbours: int = 100
    """Of how many of the nearest critical samples an image within the box that gets another prediction is kept, in
    probes/neighbours.h5, for the dashboard; 0 for none."""

    def run(self) -> None:
        """Probe, and print a table for each checkpoint and split as soon as it is stored."""
        from probes.csr.config import PROBE, CsrOptions
        from probes.csr.run import probe_run
        from probes.csr.table import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        options = CsrOptions(self.method, self.radius, self.steps, self.others, self.seed, self.neighbours)
        path = probe_path(run, PROBE)
        results = probe_run(run, options.resolved(), self.plan(), self.batch_size, self.neighbours)
        for result in stored_one_by_one(results, path):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
        console.line(f"{UNITS}\nStored in {path}; again: {command('probe show', run.path)}")


@dataclass(frozen=True)
class ProbeShow:
    """Print what the probes of a run have found, without computing anything."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""

    def run(self) -> None:
        """Print the table of each stored result, probe by probe; code 2 where a probe's file is damaged."""
        run = open_run(self.name)
        log = run.sample_log()
        shown, damaged = [], False
        for probe in _tables():
            try:
                shown.append(_show(run, log, probe))
            except MemgateError as error:
                damaged = True
                console.warn(str(error))
        if damaged:
            raise SystemExit(2)
        if not any(shown):
            raise MemgateError(f"{run.name} has no probe results yet: {command('probe csr', run.path)}.")


ToTables = Callable[[Run, SampleLog, Sequence["ProbeResult"]], Iterable[str]]
"""From a run, its log and a probe's results to the tables that show them, one after the other."""


def _tables() -> dict[str, tuple[ToTables, str]]:
    """Probe to what makes tables of its results, and what explains them."""
    from probes.csr import config as csr_config
    from probes.csr import table as csr_table
    from probes.difficulty import config as difficulty_config
    from probes.difficulty import table as difficulty_table
    from probes.ood import config as ood_config
    from probes.ood import table as ood_table
    from probes.routing import control, routes
    from probes.routing import table as routing_table

    return {
        csr_config.PROBE: (_each(csr_table.to_terminal), csr_table.UNITS),
        routes.PROBE: (control.stored, routing_table.UNITS),
        difficulty_config.PROBE: (_each(difficulty_table.to_terminal), difficulty_table.UNITS),
        ood_config.PROBE: (ood_table.to_terminal, ood_table.UNITS),
    }


def _each(to_terminal: Callable[[Run, SampleLog, "ProbeResult"], str]) -> ToTables:
    """The tables of a probe that makes one of each result."""
    return lambda run, log, results: (to_terminal(run, log, result) for result in results)


def _show(run: Run, log: SampleLog, probe: str) -> bool:
    """Print what a probe has found; whether there was anything."""
    from probes.result import load_results

    to_tables, units = _tables()[probe]
    results = load_results(run, probe)
    for table in to_tables(run, log, results):
        console.line(table + "\n")
    if results:
        console.line(units)
    return bool(results)
