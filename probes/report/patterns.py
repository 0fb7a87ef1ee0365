"""What the stored gates probe of a run tells of patterns as vectors, for its report."""

from dataclasses import dataclass

from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.gates.config import PROBE
from probes.gates.stored import GatesResult
from probes.gates.summary import Readings, readings_of
from probes.result import load_results
from probes.samples.probe_groups import probed_members

NOTE = (
    "Linear probes of patterns are cross-validated, and their intervals widened for the overlap of the folds; those "
    "of neighbours are the jackknife's. 'memgate probe show' explains them."
)


@dataclass(frozen=True)
class PatternFigures(Readings):
    """What patterns of training samples tell at one checkpoint."""

    epoch: int


def pattern_figures(run: Run, log: SampleLog, until: int) -> tuple[PatternFigures | None, list[str]]:
    """The analyses of the latest result about training samples, and sentences about them or about what cannot be read.

    Args:
        run: the run.
        log: its log.
        until: last epoch that a checkpoint may have.

    Returns:
        None where there is no such result with analyses.
    """
    try:
        stored = load_results(run, PROBE)
    except MemgateError as error:
        return None, [f"Patterns of gates are left out: {error}"]
    known = [one for one in stored if one.split == "train" and one.epoch <= until and "linear" in one.values]
    if not known:
        return None, []
    view = GatesResult.of(log, known[-1])
    groups = probed_members(run, log, known[-1], gates=())
    figures = PatternFigures(**vars(readings_of(view, groups)), epoch=known[-1].epoch)
    return figures, [NOTE]
