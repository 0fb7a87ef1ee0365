"""A gated run and its control, an ungated run on the same data: do they match, and their cuts compared. No torch."""

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

MAY_DIFFER = (
    "name", "out", "device", "seed", "log", "manifest", "noise", "noise_seed", "data.root", "model.name", "model.gate",
    "train.checkpoint_every", "train.gate_lr", "train.gate_lr_schedule", "train.gate_iters", "train.gate_iters_mode",
)  # fmt: skip
"""Flags in which a control may differ: the seed is printed with the comparison, the noise is compared by the corrupted
samples themselves, and the gate's settings do not apply to an ungated network."""


def check_control(
    run: Run, control: Run, names: tuple[str, str] | None = None, remedy: str | None = None
) -> None:
    """Refuse a control that differs from a gated run in more than the gate.

    Args:
        run: the gated run.
        control: an ungated run.
        names: of the two in sentences; None: those of the runs.
        remedy: last sentence about a control that differs in its settings; None: the command that trains another.

    Raises:
        MemgateError: the run has no gates over blocks, or not up to its last block; the control has gates; or they
            differ in another setting, in their data or in their corruption.
    """
    name, control_name = names or (run.name, control.name)
    remedy = remedy or f"Train one like it ({command('train --like', run.path)} --model.name resnet)."
    require(
        bool(run.config.model.gate_names),
        f"{name} has no gates: it is a control itself, so leave --control out.",
    )
    require(
        not control.config.model.gate_names,
        f"--control {control_name} has gates: give an ungated run (memgate train --model.name resnet).",
    )
    check_blocks(name, run.config.model)
    gated, cut = (cut_point(owner.config.model).partition(".")[0] for owner in (run, control))
    require(
        gated == cut,
        f"--control {control_name} can only be cut in its last block, {cut}, and {name} is gated up to {gated}: "
        "there is no control for it.",
    )
    train = run.config.train
    require(
        train.gate_iters == 1 or train.gate_iters_mode == "extra",
        f"{name} steps its trunk on every {train.gate_iters}th batch only (--train.gate-iters-mode starve), an "
        "ungated run on each: there is no control for it.",
    )
    mine, theirs = (flags(owner.config, MAY_DIFFER) for owner in (run, control))
    different = [f"{key} ({theirs[key]}, not {mine[key]})" for key in mine if theirs[key] != mine[key]]
    different += ["the data on disk"] if run.digests != control.digests else []
    different += ["the noise, or its seed"] if _digests(run) != _digests(control) else []
    require(
        not different,
        f"--control {control_name} differs from {name} in more than the gate: {', '.join(different)}. {remedy}",
    )


def _digests(run: Run) -> dict[str, tuple[dict[str, str], str]]:
    """Corrupted split to the digests of its manifest's columns and of its images."""
    headers = {split: manifest.header for split, manifest in run.manifests.items()}
    return {split: (header.column_digests, header.pixels_digest) for split, header in headers.items()}


def stored(run: Run, log: SampleLog, results: Sequence[ProbeResult]) -> Iterator[str]:
    """Every stored result of a run as text, then the comparisons with the control of the results that have one."""
    for result in results:
        yield to_terminal(run, log, result)
    for path in dict.fromkeys(path for result in results if (path := result.config.get("control"))):
        compared = [result for result in results if result.config.get("control") == path]
        try:
            control = open_run(Path(path))
            keys = {result.key for result in compared}
            control_results = [result for result in load_results(control, PROBE) if result.key in keys]
        except MemgateError as error:
            yield f"Without its control {Path(path).name}: {error}"
            continue
        yield from comparisons(run, log, compared, control, control_results)


def comparisons(
    run: Run,
    log: SampleLog,
    results: Sequence[ProbeResult],
    control: Run,
    control_results: Sequence[ProbeResult],
) -> Iterator[str]:
    """Results of a gated run compared with those of its control, of the same split, epoch and samples.

    Args:
        run: the gated run.
        log: its log.
        results: of the gated run.
        control: an ungated run on the same samples.
        control_results: of the control.

    Yields:
        A text for each pair, and a sentence that names the results without a partner.
    """
    others = {result.key: result for result in control_results}
    alone = []
    for result in results:
        other = others.pop(result.key, None)
        if other is None or not np.array_equal(result.sample_id, other.sample_id):
            alone.append(f"{result.split} of {run.name}'s epoch {result.epoch} ({result.checkpoint})")
        else:
            yield to_comparison(run, log, result, control, other)
    alone += [
        f"{other.split} of {control.name}'s epoch {other.epoch} ({other.checkpoint})"
        for other in others.values()
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
    """Losses by the cuts at o1, from clean and from corrupted samples of a gated run and of its control, as text.

    Args:
        run: the gated run.
        log: its log.
        result: of one checkpoint and split of it.
        control: an ungated run on the same samples.
        control_result: of the same epoch, split and samples of the control.
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
    groups: Mapping[str, NDArray[np.bool_]],
) -> list[dict[str, str]]:
    """The contrasts of a gated run, of its control, and their differences; [] without clean or corrupted samples.

    Args:
        run: the gated run.
        result: of one checkpoint and split of it.
        control: an ungated run on the same samples.
        control_result: of the same samples.
        groups: groups of the samples.
    """
    rows = [
        {"run": owner.name, **contrast_row(contrast)}
        for owner, stored_result in ((run, result), (control, control_result))
        for contrast in contrasts(stored_result, groups)
    ]
    return rows and rows + [
        {"run": f"{run.name} - {control.name}", **contrast_row(contrast, beside=True)}
        for contrast in against_control(result, control_result, groups)
    ]
