"""The summary table: labels, corruption and training dynamics of every sample, one row each."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from noise.manifest.header import Operation
from probes.dynamics.columns import GATE_COLUMNS, LOG_COLUMNS, MACS_COLUMNS, Chunk, floats
from probes.dynamics.mixture import low_loss_probability
from probes.dynamics.snapshot import Snapshot, spans, take_snapshot
from probes.samples.columns import gate_column, identity

SAMPLES_PER_CHUNK = 4096
"""Samples of which all epochs are in memory at once, so that a log of any size can be read."""

MIXTURES = {"loss_gmm_mean": "loss_mean", "loss_gmm_last": "loss_last"}
"""Columns that depend on all samples, to the column of losses that they are computed from."""


def summary(run: Run, split: str = "train") -> pd.DataFrame:
    """Table of N rows with the training dynamics of every sample of a split, sorted by ``sample_id``.

    ``last`` means the last epoch in which the sample was seen; all other columns are over the epochs in which it was
    seen. Values that a never seen sample cannot have are missing (NaN or pandas' NA). Numbers computed from the log's
    float32 are float32. An ungated network has no gate columns.

    Args:
        run: with at least one finished epoch.
        split: a split of its log.

    Returns:
        The columns of :func:`probes.samples.columns.identity` and of :func:`column_names`, with nullable types where
        an integer or bool can be missing.

    Raises:
        MemgateError: no finished epoch, or no such split.

    Example:
        >>> import probes
        >>> table = probes.summary(run)
        >>> list(table.columns[:4]), table["loss_mean"].dtype
        (['sample_id', 'split', 'given_label', 'clean_label'], dtype('float32'))
    """
    return summary_table(take_snapshot(run, split), run.manifest.header.operations)


def summary_table(
    snapshot: Snapshot,
    operations: Sequence[Operation],
    samples_per_chunk: int = SAMPLES_PER_CHUNK,
    only: Collection[str] | None = None,
    places: NDArray[np.integer] | None = None,
) -> pd.DataFrame:
    """:func:`summary` of a snapshot, of all samples or of n of them.

    Args:
        snapshot: of a split.
        operations: those of the run's manifest.
        samples_per_chunk: samples of which all epochs are in memory at once; the table is the same for any number
            above 0.
        only: columns to compute besides the identity columns; None for all.
        places: [n] positions in the log of the samples of the table; None for all. The values are those of the whole
            table: a column that depends on all samples (:data:`MIXTURES`) is computed from all of them.
    """
    samples = snapshot.samples
    if places is not None:
        samples = samples.take(places)
    columns = identity(samples, snapshot.split, operations)
    columns |= dict(log_columns(snapshot, samples_per_chunk, only, places))
    order = np.argsort(samples.sample_id, kind="stable")
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def log_columns(
    snapshot: Snapshot,
    samples_per_chunk: int = SAMPLES_PER_CHUNK,
    only: Collection[str] | None = None,
    places: NDArray[np.integer] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Name and values [N] of the columns computed from the log, in the order of the log or of ``places``.

    Arguments are those of :func:`summary_table`.
    """
    n = len(snapshot.samples)
    wanted = {name: None for name in column_names(snapshot.log) if only is None or name in only}
    losses = {MIXTURES[name]: None for name in wanted if name in MIXTURES}
    # No progress bar for chosen columns: they take no time, and the dashboard computes them.
    bar = only is None
    if places is None:
        table = all_samples = _chunk_rows(snapshot, wanted | losses, np.arange(n), samples_per_chunk, bar)
    else:
        table = _chunk_rows(snapshot, wanted, places, samples_per_chunk, bar)
        all_samples = _chunk_rows(snapshot, losses, np.arange(n), samples_per_chunk, bar) if losses else table
    for name in wanted:
        if name in MIXTURES:
            probability = low_loss_probability(all_samples[MIXTURES[name]].to_numpy())
            yield name, floats(probability if places is None else probability[places])
        else:
            yield name, table[name].array


def _chunk_rows(
    snapshot: Snapshot, names: Collection[str], places: NDArray[np.integer], longest: int, bar: bool
) -> pd.DataFrame:
    """Columns of the samples at given positions, in the order of ``places``; each chunk has at most ``longest``."""
    parts = list(spans(places, longest)) or [(slice(0, 0), np.arange(0))]
    shown = console.progress(parts, len(parts), f"{snapshot.split}: reading the log") if bar else parts
    rows = [
        _rows(Chunk(snapshot, part), names).iloc[places[which] - part.start].set_axis(which, axis=0)
        for part, which in shown
    ]
    return pd.concat(rows).sort_index()


def column_names(log: SampleLog) -> Iterator[str]:
    """Names of the columns computed from a log, in the order of the table, with those of each gate."""
    names = list(LOG_COLUMNS)
    first = names.index("correct_clean_last") + 1
    yield from names[:first]
    for gate in log.gates:
        yield from (gate_column(name, gate, log.gates) for name in GATE_COLUMNS)
    if log.has_macs:
        yield from MACS_COLUMNS
    for name in names[first:]:
        if name == "aum":
            yield from MIXTURES
        yield name


def _rows(chunk: Chunk, names: Collection[str]) -> pd.DataFrame:
    """Columns of the samples of a chunk, in its order."""
    gates = chunk.snapshot.log.gates
    columns = {
        name: compute(chunk) for name, compute in (LOG_COLUMNS | MACS_COLUMNS).items() if name in names
    }
    for gate in gates:
        of_gate = {gate_column(name, gate, gates): compute for name, compute in GATE_COLUMNS.items()}
        columns |= {name: compute(chunk, gate) for name, compute in of_gate.items() if name in names}
    # Without a column the table would have no rows either.
    return pd.DataFrame(columns) if columns else pd.DataFrame(index=range(chunk.part.stop - chunk.part.start))
