"""Who the probed samples are: what was done to each of them, and where the gates sent it. No torch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.log.format import FLAGS, places_of
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.result import ProbeResult
from probes.samples.columns import identity, shown_gates
from probes.samples.groups import members


def heading(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """What a result is of, in a line."""
    return (
        f"{run.name}: {result.probe} by {result.variant}, {result.split}, epoch {result.epoch} "
        f"({result.checkpoint}), {len(result.sample_id)} of {len(log.samples(result.split))} samples"
    )


def probed_members(
    run: Run, log: SampleLog, result: ProbeResult, gates: Sequence[str] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Group to who of the probed samples is in it, bool [n]; without the groups that are empty.

    Args:
        run: whose.
        log: its log, for what was done to the samples and where the gates sent them.
        result: of a probe.
        gates: whose routes are groups. None: of those that tables show (:func:`probes.samples.columns.shown_gates`).

    Returns:
        Groups by what was done (:func:`probes.samples.groups.members`; only ``all`` where nothing was done to the
        split); then ``routed`` and ``skipped`` (with the gate's name, of several) by where each gate sent the sample:
        as the result itself has it (``routed`` [G, n]), else as the log has it, where it has the checkpoint's epoch
        whole.
    """
    samples, places = log.samples(result.split), _places(log, result)
    table = pd.DataFrame(identity(samples.take(places), result.split, run.manifest.header.operations))
    inside = members(table)
    if inside.get("clean", np.zeros(1, bool)).all():
        del inside["clean"]  # the row would repeat the first
    inside |= _routes(log, result, shown_gates(log.gates) if gates is None else gates)
    return {name: who for name, who in inside.items() if who.any()}


def logged(log: SampleLog, result: ProbeResult, name: str, gate: str | None = None) -> NDArray | None:
    """What the log has of the probed samples at the checkpoint's epoch; None where it lacks that epoch.

    Args:
        log: of the run.
        result: of a probe.
        name: a quantity or a flag, see :meth:`memgate.log.reader.SampleLog.values`.
        gate: for what each gate has.

    Returns:
        [n], in the order of the result; a float is NaN where the sample was not seen.
    """
    if result.epoch not in log.epochs(result.split):
        return None
    # One epoch, and not the whole matrix of which it is a row: a run has been probed at many.
    ((_, record),) = log.records(result.split, {result.epoch})
    values = record.flag(name) if name in FLAGS else getattr(record, name)
    values = values if gate is None else values[log.gates.index(gate)]
    return values[_places(log, result)]


def of_gate(log: SampleLog, gate: str) -> str:
    """``" (b3)"`` to tell a gate's rows and columns from those of the others, empty where there is only one."""
    return "" if len(log.gates) == 1 else f" ({gate})"


def _routes(log: SampleLog, result: ProbeResult, gates: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Who was routed and who skipped at the checkpoint; nothing where neither result nor log tells."""
    found, own = {}, result.values.get("routed")
    for gate in gates:
        if own is None:
            known, through = logged(log, result, "seen"), logged(log, result, "routed", gate)
        else:
            known, through = np.ones(len(result.sample_id), bool), own[log.gates.index(gate)]
        if known is not None and through is not None:
            name = of_gate(log, gate)
            found |= {f"routed{name}": known & through, f"skipped{name}": known & ~through}
    return found


def _places(log: SampleLog, result: ProbeResult) -> NDArray[np.intp]:
    """Where in the log's split the probed samples stand."""
    return places_of(log.samples(result.split).sample_id, result.sample_id)
