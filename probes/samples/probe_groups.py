"""Groups of the samples of a probe's result: by corruption, and by route at the checkpoint. No torch."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.log.format import FLAGS, has_value, places_of
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.result import ProbeResult
from probes.samples.columns import identity, shown_gates
from probes.samples.groups import members

Members = Mapping[str, NDArray[np.bool_]]
"""Group to its members among the probed samples [n]."""


def heading(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One line: run, probe, variant, split, checkpoint and number of samples of a result."""
    return (
        f"{run.name}: {result.probe} by {result.variant}, {result.split}, epoch {result.epoch} "
        f"({result.checkpoint}), {len(result.sample_id)} of {len(log.samples(result.split))} samples"
    )


def probed_members(
    run: Run, log: SampleLog, result: ProbeResult, gates: Sequence[str] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Group name to membership of the probed samples, bool [n], without empty groups.

    Args:
        run: the run.
        log: its log, for the corruption and the routes of the samples.
        result: of a probe, about n samples.
        gates: gates with groups by route. None: those that tables show
            (:func:`probes.samples.columns.shown_gates`).

    Returns:
        Groups by corruption (:func:`probes.samples.groups.members`; only ``all`` for a clean split), then ``routed``
        and ``skipped`` (with the gate's name if there are several) by route: from the result itself if it has
        ``routed`` [G, n], else from the log if it has the checkpoint's epoch undamaged.
    """
    samples, places = log.samples(result.split), _places(log, result)
    table = pd.DataFrame(identity(samples.take(places), result.split, run.manifest.header.operations))
    groups = members(table)
    if groups.get("clean", np.zeros(1, bool)).all():
        del groups["clean"]  # it would repeat the group "all"
    groups |= _routes(log, result, shown_gates(log.gates) if gates is None else gates)
    return {name: mask for name, mask in groups.items() if mask.any()}


def logged(log: SampleLog, result: ProbeResult, name: str, gate: str | None = None) -> NDArray | None:
    """A logged quantity of the probed samples at the checkpoint's epoch.

    Args:
        log: of the run.
        result: of a probe, about n samples.
        name: a quantity or a flag, see :meth:`memgate.log.reader.SampleLog.values`.
        gate: the gate, for a quantity that each gate has.

    Returns:
        [n] in the order of the result, floats NaN where they are missing; None if the log lacks the epoch.
    """
    if result.epoch not in log.epochs(result.split):
        return None
    # Read one epoch and not the whole matrix, since a run may have been probed at many epochs.
    ((_, record),) = log.records(result.split, {result.epoch})
    values = record.flag(name) if name in FLAGS else getattr(record, name)
    values = values if gate is None else values[log.gates.index(gate)]
    return values[_places(log, result)]


def of_gate(log: SampleLog, gate: str) -> str:
    """Suffix ``" (b3)"`` for a gate's rows and columns; empty for a run with one gate."""
    return "" if len(log.gates) == 1 else f" ({gate})"


def _routes(log: SampleLog, result: ProbeResult, gates: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """``routed`` and ``skipped`` of each gate at the checkpoint, bool [n]; {} if neither result nor log has them."""
    groups, own = {}, result.values.get("routed")
    for gate in gates:
        if own is None:
            value, through = logged(log, result, "gate", gate), logged(log, result, "routed", gate)
            known = None if value is None else has_value(value)
        else:
            known, through = np.ones(len(result.sample_id), bool), own[log.gates.index(gate)]
        if known is not None and through is not None:
            name = of_gate(log, gate)
            groups |= {f"routed{name}": known & through, f"skipped{name}": known & ~through}
    return groups


def _places(log: SampleLog, result: ProbeResult) -> NDArray[np.intp]:
    """Positions [n] of the probed samples in the log's split."""
    return places_of(log.samples(result.split).sample_id, result.sample_id)
