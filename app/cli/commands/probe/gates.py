"""The command that says what gates that open and close do: probe gates."""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes

from app.cli.commands.probe.checkpoints import ProbeCommand, print_end, stored_one_by_one
from memgate import console
from memgate.runs.run import open_run
from noise.files.json_form import json_text
from probes.gates.config import PROBE, GatesConfig

if TYPE_CHECKING:
    from memgate.log.reader import SampleLog
    from memgate.runs.run import Run
    from probes.result import ProbeResult


@dataclass(frozen=True)
class ProbeGates(ProbeCommand):
    """Which filters or units each sample opens, what that costs it in MACs, and what it loses with other ones open.

    For networks whose gates open and close parts of every residual unit (channel-gate), and, by a threshold, for gates
    in units that mix (layer-*). The patterns of all samples are stored in the run's probes/gates.h5.
    """

    n: int = 0
    """Samples of each split, selected by hash, the same for every checkpoint; 0 for all."""
    gates: Annotated[GatesConfig, OmitArgPrefixes] = field(default_factory=GatesConfig)
    """Categories of filters, and forced routes."""
    json: bool = False
    """Print all numbers as JSON instead of tables, with those of every filter."""

    def run(self) -> None:
        """Probe, and print the tables of each checkpoint and split as soon as they are stored."""
        from probes.gates.run import probe_run
        from probes.gates.stored import GatesResult
        from probes.gates.summary import summary_of
        from probes.gates.table import UNITS
        from probes.result import probe_path
        from probes.scores.hardness import hardness_of

        run = open_run(self.name)
        log, path, documents = run.sample_log(), probe_path(run, PROBE), []
        results = probe_run(run, self.gates, self.plan(), self.batch_size, partial(hardness_of, run))
        for result in stored_one_by_one(results, path):
            if self.json:
                hardness = hardness_of(run, result.split, result.sample_id, result.epoch)
                summary = summary_of(run, log, result, hardness)
                documents.append(summary.document(GatesResult.of(log, result)))
            else:
                console.line(with_scores(run, log, result) + "\n")
        if self.json:
            console.line(json_text(documents, indent=2))
        else:
            print_end(run, path, UNITS)


def with_scores(run: "Run", log: "SampleLog", result: "ProbeResult") -> str:
    """The tables of a result, with the correlations of MACs and the scores that the run has."""
    from probes.gates.table import to_terminal
    from probes.scores.hardness import hardness_of

    return to_terminal(run, log, result, hardness_of(run, result.split, result.sample_id, result.epoch))
