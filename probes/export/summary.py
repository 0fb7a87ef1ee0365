"""The summary to take away: what the log says of each sample, and what the run's probes have stored about it."""

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
from probes.scores.table import VARIANTS, stored_scores

CRITICAL_FROM = 1.0
"""In grey levels: a sample is called critical at the first probed radius that is not below it."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What probes have stored about the samples of a split, as columns."""

    columns: Mapping[str, pd.Series]
    """Name to values under their samples' ids: float32, or bool."""
    notes: tuple[str, ...]
    """A sentence for each damaged file."""


def stored_columns(run: Run, split: str, until: int) -> Stored:
    """The scores of :func:`probes.scores.table.stored_scores`, and two kinds of yes or no.

    ``critical_within_<r>``: the first-order probe finds another prediction within r grey levels, of its first radius
    from :data:`CRITICAL_FROM` on. ``memorised_…`` and ``recovered_…``: the cuts of the latest routing probe, see
    :class:`probes.routing.routes.Cut`.

    Args:
        run: whose.
        split: the samples.
        until: no checkpoint after this epoch counts.
    """
    scores, notes = stored_scores(run, split, until)
    found = {one.score.column: one.by_id for one in scores}
    results, _ = _results(run, csr_config.PROBE)  # the scores' notes say already what a damaged file costs
    found |= _critical(_latest(results, VARIANTS[csr_config.PROBE], split, until))
    results, sentences = _results(run, routes.PROBE)
    found |= _cut(_latest(results, routes.VARIANT, split, until))
    return Stored(found, (*notes, *sentences))


def _results(run: Run, probe: str) -> tuple[tuple[ProbeResult, ...], tuple[str, ...]]:
    """What a probe has stored, and a sentence where its file is damaged."""
    try:
        return load_results(run, probe), ()
    except MemgateError as error:
        return (), (f"Without what the {probe} probe has found: {error}",)


def _latest(results: Sequence[ProbeResult], variant: str, split: str, until: int) -> ProbeResult | None:
    """The latest result of a variant up to an epoch; None without one."""
    usable = [one for one in results if (one.split, one.variant) == (split, variant) and one.epoch <= until]
    return max(usable, key=lambda one: (one.epoch, len(one.sample_id)), default=None)


def _critical(result: ProbeResult | None) -> dict[str, pd.Series]:
    if result is None or "critical" not in result.values:
        return {}
    radii = result.config.get("radii", ())
    rows = [row for row, radius in enumerate(radii) if radius >= CRITICAL_FROM]
    if not rows:
        return {}
    name = f"critical_within_{radii[rows[0]]:g}".replace(".", "_")
    return {name: pd.Series(result.values["critical"][rows[0]], index=result.sample_id)}


def _cut(result: ProbeResult | None) -> dict[str, pd.Series]:
    if result is None:
        return {}
    names = [
        name
        for cut in routes.cuts_of(result.config.get("blocks", ()))
        for name in (cut.memorised, cut.recovered)
    ]
    return {
        name: pd.Series(result.values[name], index=result.sample_id)
        for name in names
        if name in result.values
    }


def summary_names(snapshot: Snapshot, stored: Stored, operations: Sequence[Operation]) -> list[str]:
    """Every column that the summary can have, in its order; ``sample_id`` is the first."""
    who = identity(snapshot.samples.take(slice(0)), snapshot.split, operations)
    return [*who, *column_names(snapshot.log.gates), *stored.columns]


def export_summary(
    run: Run, chosen: Chosen, quantities: Sequence[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row per chosen sample, by rising ids, with the numbers of 'memgate score'.

    Args:
        run: whose.
        chosen: the samples and epochs.
        quantities: columns beside ``sample_id``; () for all.

    Returns:
        The table, and a sentence for each file of results that is damaged.

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
    """The values of some samples; missing where a sample was not probed."""
    kind = "boolean" if values.dtype == bool else values.dtype
    return values.astype(kind).reindex(sample_id).array
