"""The league of proxies of a group of subset runs: what its models measured, and whose scores are compared with it."""

from pathlib import Path

import numpy as np

from memgate.runs.run import Run
from memgate.sweeps.grid import sweep_path
from probes.memorisation.group import LogSource, open_group
from probes.memorisation.stored import MemorisationResult, read_result, result_path
from probes.report.league import LeagueReport, Measured, ScoredRun, league_report
from probes.scores.league import Target

RUNS = 8
"""Most models of the group whose scores are compared; correlations are means over them."""

ATTACK = "lira"
"""Attack whose vulnerability is compared: LiRA with fixed variance."""


def group_league(
    name: str, scores_of: Run | None = None, over_epochs: bool = False, out: Path = Path("runs")
) -> LeagueReport:
    """The league of proxies of a group whose memorisation was estimated.

    Args:
        name: name of the group, or path of it or of its file.
        scores_of: a run whose scores are compared; None: the first :data:`RUNS` models of the group.
        over_epochs: also the correlations of the scores up to each epoch.
        out: folder in which a name is searched.

    Raises:
        MemgateError: there is no such group, nothing was estimated yet, or the run has other data.
    """
    sources, folder = open_group(group_name(name), out)
    result = read_result(result_path(folder, sources[0].name))
    source = min(sources, key=lambda each: abs(each.fraction - result.fraction))
    measured = measured_of(result, source)
    estimated = set(result.models.tolist())
    models = [run for number, run in zip(source.models, source.runs, strict=True) if number in estimated]
    runs = models[:RUNS] if scores_of is None else [scores_of]
    return league_report(measured, [_scored(run) for run in runs], over_epochs)


def group_name(name: str) -> str:
    """The name of a group, or the path of its file where the name is a path without the ending .sweep.json."""
    path = Path(name).expanduser()
    file = sweep_path(path.parent, path.name)
    return str(file) if file.is_file() else name


def measured_of(result: MemorisationResult, source: LogSource) -> Measured:
    """What a group measured at its last epoch, by rising sample ids."""
    order = np.argsort(result.sample_id, kind="stable")
    samples = source.splits["train"]
    labels = samples.given_label[np.argsort(samples.sample_id, kind="stable")]
    mem, halves = (
        result.values[key][..., -1, :][..., order].astype(np.float64) for key in ("mem", "mem_halves")
    )
    targets = [Target("mem", "Memorisation", mem, halves)]
    if ATTACK in result.vulnerability:
        gap = result.vulnerability[ATTACK]["gap"][-1, order].astype(np.float64)
        targets.append(Target(ATTACK, "Vulnerability to LiRA (its mean score of members minus others)", gap))
    return Measured(
        result.group,
        len(result.models),
        int(result.epochs[-1]),
        result.sample_id[order],
        labels,
        tuple(targets),
    )


def _scored(run: Run) -> ScoredRun:
    """A run with the samples that it was trained on, if these are a subset."""
    log = run.sample_log()
    if not log.has_phi:
        return ScoredRun(run)
    trained = log.values("train", "trained")[1][-1]
    return ScoredRun(run, trained[np.argsort(log.samples("train").sample_id, kind="stable")])
