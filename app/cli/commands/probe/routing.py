"""The command that tests by intervention what the gated block does: probe routing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.cli.commands.probe.checkpoints import ProbeCommand, print_end, stored_one_by_one
from memgate import console
from memgate.runs.run import Run, open_run
from probes.network.plan import checkpoint_names

if TYPE_CHECKING:
    from probes.result import ProbeResult


@dataclass(frozen=True)
class ProbeRouting(ProbeCommand):
    """Skip the gated block, route every sample through it, and measure which samples are still fitted.

    Every sample is evaluated with its gates as learned, closed, open and hard (g rounded to 0 or 1), and with each of
    two gates alone; an ungated network with its own head on B3's o1. Linear read-outs are trained on B3's o1 and on
    the last features. The result is stored in the run's probes/routing.h5.
    """

    n: int = 0
    """Samples of each split, selected by hash, the same for every checkpoint; 0 for all."""
    control: str | None = None
    """An ungated run on the same data and noise, by folder or name, to be probed too and compared epoch by epoch."""

    def run(self) -> None:
        """Probe, and print the tables of each checkpoint and split as soon as they are stored."""
        from probes.result import probe_path
        from probes.routing.control import check_control, comparisons
        from probes.routing.routes import PROBE
        from probes.routing.table import UNITS

        run, plan = open_run(self.name), self.plan()
        control = None if self.control is None else open_run(self.control)
        if control is not None:
            check_control(run, control)
            checkpoint_names(control, plan)
        results = list(self._probed(run, control))
        if control is not None:
            control_results = list(self._probed(control, None))
            for text in comparisons(run, run.sample_log(), results, control, control_results):
                console.line(text + "\n")
        print_end(run, probe_path(run, PROBE), UNITS)

    def _probed(self, run: Run, control: Run | None) -> Iterator["ProbeResult"]:
        """The stored results of probing a run, each printed."""
        from probes.result import load_results, probe_path
        from probes.routing.routes import PROBE
        from probes.routing.run import probe_run
        from probes.routing.table import to_terminal

        before = {result.key: len(result.sample_id) for result in load_results(run, PROBE)}
        results = probe_run(run, self.plan(), self.batch_size, control)
        for result in stored_one_by_one(results, probe_path(run, PROBE)):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
            if (n := len(result.sample_id)) < (earlier := before.get(result.key, 0)):
                console.line(f"This result of {n} samples has replaced one of {earlier}.\n")
            yield result
