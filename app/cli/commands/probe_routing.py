"""The command probe routing: what the gated block does, tested by intervention."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.cli.commands.probe import ProbeCommand, stored_one_by_one
from memgate import console
from memgate.runs.run import Run, command, open_run

if TYPE_CHECKING:
    from probes.result import ProbeResult


@dataclass(frozen=True)
class ProbeRouting(ProbeCommand):
    """Skip the gated block, force everything through it, and see what is still fitted.

    Every sample is asked with its gates as learned, closed, open and hard (and each of two gates alone); an ungated
    network's own head is asked about B3's o1. Linear read-outs are trained at B3's o1 and at the end. The result goes
    to the run's probes/routing.h5.
    """

    n: int = 0
    """Samples of each split, chosen once by hash and the same for every checkpoint; 0 for all."""
    control: str | None = None
    """An ungated run on the same data and noise, by folder or name: it is probed too, and set beside this one, epoch
    by epoch."""

    def run(self) -> None:
        """Probe, and print the tables of each checkpoint and split as soon as they are stored."""
        from probes.network.plan import checkpoint_names
        from probes.result import probe_path
        from probes.routing.control import check_control, comparisons
        from probes.routing.routes import PROBE
        from probes.routing.table import UNITS

        run, plan = open_run(self.name), self.plan()
        control = None if self.control is None else open_run(self.control)
        if control is not None:
            check_control(run, control)
            checkpoint_names(control, plan)
        mine = list(self._probed(run, control))
        if control is not None:
            theirs = list(self._probed(control, None))
            for text in comparisons(run, run.sample_log(), mine, control, theirs):
                console.line(text + "\n")
        console.line(f"{UNITS}\nStored in {probe_path(run, PROBE)}; again: {command('probe show', run.path)}")

    def _probed(self, run: Run, control: Run | None) -> Iterator["ProbeResult"]:
        """Probe a run, and print each result."""
        from probes.result import load_results, probe_path
        from probes.routing.routes import PROBE
        from probes.routing.run import probe_run
        from probes.routing.table import to_terminal

        before = {result.key: len(result.sample_id) for result in load_results(run, PROBE)}
        found = probe_run(run, self.plan(), self.batch_size, control)
        for result in stored_one_by_one(found, probe_path(run, PROBE)):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
            if (n := len(result.sample_id)) < (earlier := before.get(result.key, 0)):
                console.line(f"This result of {n} samples has replaced one of {earlier}.\n")
            yield result
