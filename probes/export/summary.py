"""The exported summary: one row per sample with its scores from the log and the stored results of probes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.manifest.header import Operation
from probes.csr import config as csr_config
from probes.dynamics.snapshot import Snapshot
from probes.dynamics.summary import column_names, summary_table
from probes.export.plan import chosen_columns
from probes.export.samples import Chosen
from probes.result import ProbeResult, load_results
from probes.routing import routes
from probes.samples.columns import identity
from probes.scores.of_group import columns_of_run
from probes.scores.table import VARIANTS, stored_scores

CRITICAL_FROM = 1.0
"""Grey levels: the column of critical samples is of the first probed radius that is not below this."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Stored results of probes for the samples of a split, as columns."""

    columns: Mapping[str, pd.Series]
    """Name to values indexed by sample id: float32 or bool."""
    notes: tuple[str, ...]
    """A sentence for each damaged file."""


def stored_columns(run: Run, split: str, until: int) -> Stored:
    """The scores of :func:`probes.scores.table.stored_scores`, two kinds of boolean columns, and those of the group.

    ``critical_within_<r>``: the first-order probe finds another prediction within r grey levels; r is its first radius
    from :data:`CRITICAL_FROM` on. ``memorised_…`` and ``recovered_…``: the cuts of the latest routing probe, see
    :class:`probes.routing.routes.Cut`; ``recovered_…`` only where the clean labels are known. Of a run in a group of
    subset runs also its memorisation scores, see :func:`probes.scores.of_group.group_columns`.

    Args:
        run: the run.
        split: split of the samples.
        until: last epoch; later checkpoints are ignored.
    """
    scores, notes = stored_scores(run, split, until)
    by_name = {stored.score.column: stored.by_id for stored in scores}
    results, _ = _results(run, csr_config.PROBE)  # a damaged file is in the notes of the scores
    by_name |= _critical(_latest(results, VARIANTS[csr_config.PROBE], split, until))
    results, sentences = _results(run, routes.PROBE)
    truth_known = run.sample_log().truth_known
    by_name |= _cut(_latest(results, routes.VARIANT, split, until), truth_known)
    of_group, problems = columns_of_run(run, split, until)
    return Stored(by_name | of_group, (*notes, *sentences, *problems))


def _results(run: Run, probe: str) -> tuple[tuple[ProbeResult, ...], tuple[str, ...]]:
    """Stored results of a probe, and a sentence if its file is damaged."""
    try:
        return load_results(run, probe), ()
    except MemgateError as error:
        return (), (f"Without the results of the {probe} probe: {error}",)


def _latest(results: Sequence[ProbeResult], variant: str, split: str, until: int) -> ProbeResult | None:
    """The latest result of a variant up to an epoch, or None."""
    usable = [
        item for item in results if (item.split, item.variant) == (split, variant) and item.epoch <= until
    ]
    return max(usable, key=lambda item: (item.epoch, len(item.sample_id)), default=None)


def _critical(result: ProbeResult | None) -> dict[str, pd.Series]:
    if result is None or "critical" not in result.values:
        return {}
    radii = result.config.get("radii", ())
    rows = [row for row, radius in enumerate(radii) if radius >= CRITICAL_FROM]
    if not rows:
        return {}
    name = f"critical_within_{radii[rows[0]]:g}".replace(".", "_")
    return {name: pd.Series(result.values["critical"][rows[0]], index=result.sample_id)}


def _cut(result: ProbeResult | None, truth_known: bool) -> dict[str, pd.Series]:
    if result is None:
        return {}
    names = [
        name
        for cut in routes.cuts_of(result.config.get("blocks", ()))
        for name in ((cut.memorised, cut.recovered) if truth_known else (cut.memorised,))
    ]
    return {
        name: pd.Series(result.values[name], index=result.sample_id)
        for name in names
        if name in result.values
    }


def summary_names(snapshot: Snapshot, stored: Stored, operations: Sequence[Operation]) -> list[str]:
    """Names of all columns of the summary, in order; ``sample_id`` is the first."""
    identifying = identity(snapshot.samples.take(slice(0)), snapshot.split, operations)
    return [*identifying, *column_names(snapshot.log), *stored.columns]


def export_summary(
    run: Run, chosen: Chosen, quantities: Sequence[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row per selected sample, by rising ids, with the scores of ``memgate score``, and its notes.

    Args:
        run: the run.
        chosen: the samples and epochs.
        quantities: columns besides ``sample_id``; () for all.

    Returns:
        The table, and a sentence for each damaged file of results.

    Raises:
        MemgateError: there is no such column.
    """
    snapshot, operations = chosen.snapshot, run.manifest.header.operations
    stored = stored_columns(run, snapshot.split, int(snapshot.epochs[-1]))
    known = summary_names(snapshot, stored, operations)
    wanted = ["sample_id", *(name for name in chosen_columns(quantities, known) if name != "sample_id")]
    limit = None if len(wanted) == len(known) else wanted
    table = summary_table(snapshot, operations, only=limit, places=chosen.places)
    for name, values in stored.columns.items():
        if name in wanted:
            table[name] = _joined(values, table["sample_id"].to_numpy())
    return table.loc[:, wanted], stored.notes


def _joined(values: pd.Series, sample_id: NDArray[np.int64]) -> NDArray | pd.api.extensions.ExtensionArray:
    """The values of these samples [n]; missing where a sample was not probed."""
    kind = "boolean" if values.dtype == bool else values.dtype
    return values.astype(kind).reindex(sample_id).array
