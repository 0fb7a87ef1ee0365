"""A gated run beside an ungated one, its control: what the same cut takes from each of them. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command, open_run
from probes.result import ProbeResult, load_results
from probes.routing.routes import PROBE, against_control, contrasts
from probes.routing.table import contrast_row, table, to_terminal
from probes.samples.probe_groups import probed_members


def stored(run: Run, log: SampleLog, results: Sequence[ProbeResult]) -> Iterator[str]:
    """Every stored result of a run as text, and beside its control those that were probed with one."""
    for result in results:
        yield to_terminal(run, log, result)
    for path in dict.fromkeys(path for result in results if (path := result.config.get("control"))):
        mine = [result for result in results if result.config.get("control") == path]
        try:
            control = open_run(Path(path))
            asked = {result.key for result in mine}
            theirs = [result for result in load_results(control, PROBE) if result.key in asked]
        except MemgateError as error:
            yield f"Without its control {Path(path).name}: {error}"
            continue
        yield from comparisons(run, log, mine, control, theirs)


def comparisons(
    run: Run,
    log: SampleLog,
    results: Sequence[ProbeResult],
    control: Run,
    control_results: Sequence[ProbeResult],
) -> Iterator[str]:
    """Results of a gated run beside those of its control: of the same split, epoch and samples.

    Args:
        run: the gated run.
        log: its log.
        results: of it.
        control: an ungated run on the same samples.
        control_results: of it.

    Yields:
        A text for each pair, and a sentence that names those without a partner.
    """
    theirs = {result.key: result for result in control_results if "blocks" in result.config}
    alone = []
    for result in results:
        other = theirs.pop(result.key, None)
        if other is None or not np.array_equal(result.sample_id, other.sample_id):
            alone.append(f"{result.split} of {run.name}'s epoch {result.epoch} ({result.checkpoint})")
        elif "blocks" in result.config:
            yield to_comparison(run, log, result, control, other)
    alone += [
        f"{other.split} of {control.name}'s epoch {other.epoch} ({other.checkpoint})"
        for other in theirs.values()
    ]
    if alone:
        yield (
            f"Not compared, since the other run was not probed at that epoch on the same samples: {', '.join(alone)}. "
            f"Ask for epochs that both keep: {command('probe routing', run.path)} --control {control.path} "
            "--checkpoints EPOCH."
        )


def to_comparison(
    run: Run, log: SampleLog, result: ProbeResult, control: Run, control_result: ProbeResult
) -> str:
    """A gated run beside its control: what cutting at o1 takes from clean and from corrupted samples of each.

    Args:
        run: the gated run.
        log: its log.
        result: of one checkpoint and split of it.
        control: an ungated run on the same samples.
        control_result: of the same epoch, split and samples of it.
    """
    rows = comparison_rows(run, result, control, control_result, probed_members(run, log, result))
    title = f"{run.name} and its control {control.name}, {result.split}, epoch {result.epoch}"
    if not rows:
        return f"{title}: there are not both clean and corrupted samples, so there is nothing to contrast."
    mine, theirs = run.config.seed, control.config.seed
    seeds = f"\n\nTrained with other seeds ({mine} and {theirs}), which is part of the difference."
    return f"{title}:\n\n{table(rows)}{seeds if mine != theirs else ''}"


def comparison_rows(
    run: Run,
    result: ProbeResult,
    control: Run,
    control_result: ProbeResult,
    inside: Mapping[str, NDArray[np.bool_]],
) -> list[dict[str, str]]:
    """The contrasts of a gated run, of its control, and how much larger the first are; () without both groups.

    Args:
        run: the gated run.
        result: of one checkpoint and split of it.
        control: an ungated run on the same samples.
        control_result: of the same samples.
        inside: groups of the samples.
    """
    rows = [
        {"run": owner.name, **contrast_row(one)}
        for owner, found in ((run, result), (control, control_result))
        for one in contrasts(found, inside)
    ]
    return rows and rows + [
        {"run": f"{run.name} - {control.name}", **contrast_row(one, beside=True)}
        for one in against_control(result, control_result, inside)
    ]
