"""The summary table: one row per sample, what was done to it and what its training looked like."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.runs.run import Run
from noise.manifest.header import Operation
from probes.dynamics.columns import GATE, LOG, Block, floats
from probes.dynamics.mixture import low_loss_probability
from probes.dynamics.snapshot import Snapshot, spans, take_snapshot
from probes.samples.columns import gate_column, identity

SAMPLES_PER_BLOCK = 4096
"""Samples whose whole training is in memory at once: so a log of any size fits."""

MIXTURES = {"loss_gmm_mean": "loss_mean", "loss_gmm_last": "loss_last"}
"""Columns of all samples at once to the losses that they are about."""


def summary(run: Run, split: str = "train") -> pd.DataFrame:
    """What the log says of every sample of a split, one row each, sorted by ``sample_id``.

    "Last" is the last epoch in which the sample was seen; everything else is over the epochs in which it was
    seen. What a never seen sample cannot have is missing (NaN or pandas' NA). Numbers that come from the
    log's float32 stay float32. An ungated network has no gate columns.

    Args:
        run: with at least one finished epoch.
        split: a split of its log.

    Returns:
        A table [N rows] with nullable types where an integer or bool can be missing.

    Raises:
        MemgateError: no finished epoch, or no such split.
    """
    return summary_table(take_snapshot(run, split), run.manifest.header.operations)


def summary_table(
    snapshot: Snapshot,
    operations: Sequence[Operation],
    samples_per_block: int = SAMPLES_PER_BLOCK,
    only: Collection[str] | None = None,
    places: NDArray[np.integer] | None = None,
) -> pd.DataFrame:
    """:func:`summary` of a snapshot.

    Args:
        snapshot: of a split.
        operations: those of the run's manifest.
        samples_per_block: whose training is in memory at once; the table is the same for any number above 0.
        only: columns to compute beside who the samples are, in the order of the table; None for all.
        places: where the samples of the table stand in the log; None for all. The numbers are those of the whole
            table: a column about all samples at once stays about all of them.
    """
    samples = snapshot.samples
    if places is not None:
        samples = samples.take(places)
    columns = identity(samples, snapshot.split, operations)
    columns |= dict(log_columns(snapshot, samples_per_block, only, places))
    order = np.argsort(samples.sample_id, kind="stable")
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def log_columns(
    snapshot: Snapshot,
    samples_per_block: int = SAMPLES_PER_BLOCK,
    only: Collection[str] | None = None,
    places: NDArray[np.integer] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Name and values [N] of the columns that the log decides, in the log's own sample order or that of ``places``.

    Arguments are those of :func:`summary_table`.
    """
    gates, n = snapshot.log.gates, len(snapshot.samples)
    wanted = {name: None for name in column_names(gates) if only is None or name in only}
    losses = {MIXTURES[name]: None for name in wanted if name in MIXTURES}
    # One column is computed at once, and the dashboard asks for it.
    bar = only is None
    if places is None:
        found = everyone = _block_rows(snapshot, wanted | losses, np.arange(n), samples_per_block, bar)
    else:
        found = _block_rows(snapshot, wanted, places, samples_per_block, bar)
        everyone = _block_rows(snapshot, losses, np.arange(n), samples_per_block, bar) if losses else found
    for name in wanted:
        if name in MIXTURES:
            share = low_loss_probability(everyone[MIXTURES[name]].to_numpy())
            yield name, floats(share if places is None else share[places])
        else:
            yield name, found[name].array


def _block_rows(
    snapshot: Snapshot, names: Collection[str], places: NDArray[np.integer], longest: int, bar: bool
) -> pd.DataFrame:
    """Columns of the samples at some places, in their order."""
    parts = list(spans(places, longest)) or [(slice(0, 0), np.arange(0))]
    shown = console.progress(parts, len(parts), f"{snapshot.split}: reading the log") if bar else parts
    rows = [
        _rows(Block(snapshot, part), names).iloc[places[which] - part.start].set_axis(which, axis=0)
        for part, which in shown
    ]
    return pd.concat(rows).sort_index()


def column_names(gates: Sequence[str]) -> Iterator[str]:
    """The columns that the log decides, in the order of the table; of several gates, each one's."""
    names = list(LOG)
    first = names.index("correct_clean_last") + 1
    yield from names[:first]
    for gate in gates:
        yield from (gate_column(name, gate, gates) for name in GATE)
    for name in names[first:]:
        if name == "aum":
            yield from MIXTURES
        yield name


def _rows(block: Block, names: Collection[str]) -> pd.DataFrame:
    """Columns of the samples in a block, in its order."""
    gates = block.snapshot.log.gates
    found = {name: compute(block) for name, compute in LOG.items() if name in names}
    for gate in gates:
        columns = {gate_column(name, gate, gates): compute for name, compute in GATE.items()}
        found |= {name: compute(block, gate) for name, compute in columns.items() if name in names}
    return pd.DataFrame(found)
