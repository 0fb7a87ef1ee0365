"""The stored maps of a run as a table with a row per sample: the export's shape ``map``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.errors import MemgateError, require
from memgate.log.format import places_of
from memgate.runs.run import Run, command
from probes.embedding.config import METHODS, PROBE, Source
from probes.embedding.neighbours import nearest_of_each
from probes.embedding.sources import source_vectors
from probes.export.plan import chosen_columns
from probes.export.samples import Chosen
from probes.result import ProbeResult, load_results
from probes.samples.columns import identity


@dataclass(frozen=True)
class MapPlan:
    """Which columns a table of maps has besides those that identify a sample."""

    maps: tuple[ProbeResult, ...]
    """The newest of each source and method, in the order of their names."""
    neighbours: int
    """Nearest samples by each source."""

    @property
    def newest(self) -> dict[Source, int]:
        """Source to the last epoch of its maps, whose vectors tell the neighbours."""
        return {one.config["source"]: one.epoch for one in sorted(self.maps, key=lambda one: one.epoch)}

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        placed = [f"{name}_{_name(one)}" for one in self.maps for name in ("epoch", "x", "y")]
        return placed + [
            name for source in sorted(self.newest) for pair in self.near(source) for name in pair
        ]

    def near(self, source: Source) -> list[tuple[str, str]]:
        """Names of the columns with the neighbours by a source, nearest first: of their ids and distances."""
        return [(f"nearest_{source}_{k}", f"distance_{source}_{k}") for k in range(1, self.neighbours + 1)]


def map_plan(run: Run, split: str, until: int, neighbours: int) -> MapPlan:
    """The newest stored maps up to an epoch.

    Args:
        run: that was probed.
        split: of the samples.
        until: later maps are ignored.
        neighbours: nearest samples of each sample.

    Raises:
        MemgateError: there is no such map, or their file is damaged.
    """
    stored = [one for one in load_results(run, PROBE) if one.split == split and one.epoch <= until]
    require(
        bool(stored),
        f"{run.name} has no map of its {split} samples up to epoch {until}: {command('probe embed', run.path)} "
        f"--splits {split}.",
    )
    newest = {one.variant: one for one in stored}  # they come by epoch
    return MapPlan(tuple(newest[name] for name in sorted(newest)), neighbours)


def map_names(run: Run, chosen: Chosen, neighbours: int) -> list[str]:
    """Names of the columns that can be chosen; arguments as in :func:`map_table`."""
    identifying = identity(
        chosen.samples.take(slice(0)), chosen.snapshot.split, run.manifest.header.operations
    )
    plan = map_plan(run, chosen.snapshot.split, int(chosen.snapshot.epochs[-1]), neighbours)
    return [*list(identifying)[1:], *plan.names]


def map_table(
    run: Run, chosen: Chosen, quantities: Sequence[str], neighbours: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One row per selected sample, by rising ids, with its place on each map and its neighbours, and notes.

    Args:
        run: that was probed.
        chosen: the samples, and the epochs, of which maps up to the last one count.
        quantities: columns besides ``sample_id``; () for all.
        neighbours: nearest samples of each sample among all that have a vector of a source.

    Returns:
        Columns that identify the sample (:func:`probes.samples.columns.identity`); of each map ``epoch_``, ``x_`` and
        ``y_`` with its source and method; of each source ``nearest_<source>_1`` (a sample id) and
        ``distance_<source>_1`` (:func:`probes.embedding.vectors.nearest_vectors`), and so on. A sample that has no
        place or no vector has missing values. And sentences about what is missing.

    Raises:
        MemgateError: there is no map, or no such column.
    """
    split = chosen.snapshot.split
    plan = map_plan(run, split, int(chosen.snapshot.epochs[-1]), neighbours)
    columns = dict(identity(chosen.samples, split, run.manifest.header.operations))
    wanted = ["sample_id", *chosen_columns(quantities, [*list(columns)[1:], *plan.names])]
    notes: list[str] = []
    for one in plan.maps:
        place, there = _places(chosen, one.sample_id)
        position = np.full((2, len(chosen)), np.nan, np.float32)
        position[:, there] = one.values["position"][:, place]
        columns[f"epoch_{_name(one)}"] = np.full(len(chosen), one.epoch, np.int32)
        columns[f"x_{_name(one)}"], columns[f"y_{_name(one)}"] = position
        if not there.all():
            title = f"{one.config['source']} by {METHODS[one.config['method']]}"
            notes.append(f"{(~there).sum():,} samples have no place on the map of {title}.")
    for source, epoch in plan.newest.items():
        if not set(wanted).isdisjoint(name for pair in plan.near(source) for name in pair):
            near, note = _neighbours(run, chosen, source, epoch, neighbours)
            columns |= dict(zip((name for pair in plan.near(source) for name in pair), near, strict=True))
            notes += [note] if note else []
    return pd.DataFrame({name: columns[name] for name in wanted}), tuple(notes)


def _neighbours(
    run: Run, chosen: Chosen, source: Source, epoch: int, count: int
) -> tuple[Iterable[pd.Series | NDArray], str]:
    """Columns of :meth:`MapPlan.near`, and a sentence where all or some are missing."""
    ids = np.full((count, len(chosen)), -1, np.int64)
    distances = np.full((count, len(chosen)), np.nan, np.float32)
    try:
        vectors = source_vectors(run, source, chosen.snapshot.split, epoch)
    except MemgateError as error:
        note = f"Without neighbours by {source}: {error}"
    else:
        place, there = _places(chosen, vectors.sample_id)
        with console.counter(len(place), f"neighbours by {source}") as finished:
            near, distance = nearest_of_each(vectors, place, count, finished)
        ids[: near.shape[1], there] = vectors.sample_id[near.T]
        distances[: near.shape[1], there] = distance.T
        note = (
            "" if there.all() else f"{(~there).sum():,} samples have no {source}, and no neighbours by them."
        )
    known = (pd.Series(row, dtype="Int64").mask(row < 0) for row in ids)
    return (column for pair in zip(known, distances, strict=True) for column in pair), note


def _places(chosen: Chosen, sample_id: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Places among ``sample_id`` of the chosen samples that are there, and which these are [n]."""
    there = np.isin(chosen.sample_id, sample_id)
    return places_of(sample_id, chosen.sample_id[there]), there


def _name(result: ProbeResult) -> str:
    return f"{result.config['source']}_{result.config['method']}"
