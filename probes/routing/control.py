"""A gated run beside an ungated one, its control: what the same cut takes from each of them. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.config.json_form import flags
from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command, open_run
from probes.result import ProbeResult, load_results
from probes.routing.routes import PROBE, against_control, check_blocks, contrasts, cut_point
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


NO_MATTER = (
    "name", "out", "device", "seed", "log", "manifest", "noise", "noise_seed", "data.root", "model.name", "model.gate",
    "train.checkpoint_every", "train.gate_lr", "train.gate_lr_schedule", "train.gate_iters", "train.gate_iters_mode",
)  # fmt: skip
"""What a control may have otherwise, by its flag: the training's seed is told beside the figures, the noise is
compared by what was carried out, and an ungated network has no gate that would take a step."""


def check_control(run: Run, control: Run) -> None:
    """Make sure that two runs differ in the gates, and in nothing that would explain a difference otherwise.

    Raises:
        MemgateError: the first has no gates over blocks, or not up to its last one, the second has gates, or they
            differ in anything else that was configured or in their data or corruption.
    """
    require(
        bool(run.config.model.gate_names),
        f"{run.name} has no gates: it is a control itself, so leave --control out.",
    )
    require(
        not control.config.model.gate_names,
        f"--control {control.name} has gates: give an ungated run (memgate train --model.name resnet).",
    )
    check_blocks(run.name, run.config.model)
    gated, cut = (cut_point(one.config.model).partition(".")[0] for one in (run, control))
    require(
        gated == cut,
        f"--control {control.name} can only be cut in its last block, {cut}, and {run.name} is gated up to {gated}: "
        "there is no control for it.",
    )
    train = run.config.train
    require(
        train.gate_iters == 1 or train.gate_iters_mode == "extra",
        f"{run.name} steps its trunk on every {train.gate_iters}th batch only (--train.gate-iters-mode starve), an "
        "ungated run on each: there is no control for it.",
    )
    mine, theirs = (flags(one.config, NO_MATTER) for one in (run, control))
    found = [f"{key} ({theirs[key]}, not {mine[key]})" for key in mine if theirs[key] != mine[key]]
    found += ["the data on disk"] if run.digests != control.digests else []
    found += ["the noise, or its seed"] if _pictures(run) != _pictures(control) else []
    require(
        not found,
        f"--control {control.name} differs from {run.name} in more than the gate: {', '.join(found)}. Train one like "
        f"it ({command('train --like', run.path)} --model.name resnet).",
    )


def _pictures(run: Run) -> dict[str, tuple[dict[str, str], str]]:
    """Corrupted split to the digests of what was made of it."""
    headers = {split: manifest.header for split, manifest in run.manifests.items()}
    return {split: (header.column_digests, header.pixels_digest) for split, header in headers.items()}
