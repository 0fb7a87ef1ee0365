"""The group of subset runs that a run is a model of, and its stored estimates, read once for each state of a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.group_curves import Band
from app.dashboard.logs import Stamp
from app.dashboard.results.probe_results import FileState
from app.dashboard.view.state import View
from memgate.config.subset import block_of
from memgate.errors import MemgateError, reading
from memgate.sweeps.grid import ENDING
from memgate.sweeps.subsets import group_of
from probes.memorisation.influence import InfluencePairs
from probes.memorisation.stored import MemorisationResult, path_beside, read_result
from probes.memorisation.table import mean_mem
from probes.scores.of_group import GROUP, group_columns, last_row


@dataclass(frozen=True, eq=False)
class Measured:
    """The estimates of a group at the epoch shown, for the training samples of one of its models."""

    view: View
    """Of the split ``train``."""
    result: MemorisationResult
    row: int
    """Row of the last estimated epoch up to the epoch shown."""
    attack_row: int | None
    """Likewise of the attacks; None where there is none up to it."""

    @property
    def epoch(self) -> int:
        """The estimated epoch."""
        return int(self.result.epochs[self.row])

    @property
    def blocks(self) -> int:
        """Blocks of models, whose means the estimates are."""
        return len(self.result.models) // block_of(self.result.fraction)[1]

    def values(self, name: str) -> NDArray[np.float64]:
        """An array of the estimates at the epoch, [N] in the log's order; NaN is missing."""
        return self._in_order(self.result.values[name][self.row])

    def halves(self) -> NDArray[np.float64]:
        """``mem`` by the two halves of the models, [2, N] in the log's order."""
        return np.stack([self._in_order(half[self.row]) for half in self.result.values["mem_halves"]])

    def attacked(self, attack: str, name: str) -> NDArray[np.float64]:
        """``share``, ``low``, ``high`` or ``gap`` of the vulnerability to an attack, [N]; NaN where there is none."""
        if self.attack_row is None or attack not in self.result.vulnerability:
            return np.full(len(self.view.data), np.nan)
        return self._in_order(self.result.vulnerability[attack][name][self.attack_row])

    def curves(self) -> dict[str, Band]:
        """Mean of ``mem`` over the epochs by cause, with its 95 % interval over blocks of models, [E] each."""
        bands = {}
        for group, members in self.result.members.items():
            if group == "all" and len(self.result.groups) > 1:
                continue
            means = [mean_mem(self.result, group, row) for row in range(len(self.result.epochs))]
            columns = [[np.nan if x is None else x for x in (m.value, m.low, m.high)] for m in means]
            bands[group] = Band(*np.array(columns, np.float64).reshape(-1, 3).T, n=int(members.sum()))
        return bands

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Whether the run itself was trained on the sample, [N]."""
        return logs.matrix(self.view.at, "train", "trained")[-1]

    def influence(self, split: str) -> InfluencePairs | None:
        """Pairs with targets in ``train`` or ``test`` at the last epoch; None where none were looked for."""
        return self.result.influence.get(split)

    def _in_order(self, values: NDArray) -> NDArray[np.float64]:
        by_id = pd.Series(values, index=self.result.sample_id)
        return by_id.reindex(self.view.data.sample_id).to_numpy(np.float64)


def group_file(view: View) -> Path | None:
    """The file of the group that the run is a model of; None where it is in no group."""
    folder = view.run.path.parent
    files = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob(f"*{ENDING}")))
    return _group_file(str(view.run.path), files) if files else None


@st.cache_data(max_entries=256, show_spinner=False)
def _group_file(run: str, files: tuple[tuple[str, int], ...]) -> Path | None:
    return group_of(Path(run))


def result_file(view: View) -> tuple[Path, FileState] | None:
    """The file of the group's estimates and its state; None where the run is in no group, or nothing was estimated."""
    group = group_file(view)
    path = None if group is None else path_beside(group)
    if path is None or not path.is_file():
        return None
    now = path.stat()
    return path, (now.st_size, now.st_mtime_ns)


def estimates(view: View) -> MemorisationResult | None:
    """The stored estimates of the run's group; None where there are none.

    Raises:
        MemgateError: their file is damaged.
    """
    file = result_file(view)
    if file is None:
        return None
    with reading(str(file[0])):
        return _estimates(str(file[0]), file[1])


# Of 50,000 samples, 256 models and 30 epochs: 100 MB.
@st.cache_resource(max_entries=2, show_spinner="Reading the estimates …")
def _estimates(path: str, state: FileState) -> MemorisationResult:
    return read_result(Path(path))


def measured(view: View) -> Measured | None:
    """The estimates at the epoch shown; None where there are none up to it.

    Raises:
        MemgateError: their file is damaged.
    """
    result = estimates(view)
    row = None if result is None else last_row(result.epochs, view.epoch or 0)
    if result is None or row is None:
        return None
    return Measured(view.of_split("train"), result, row, last_row(result.attack_epochs, view.epoch or 0))


def columns(view: View) -> dict[str, NDArray[np.float64]]:
    """The scores of the group by column of :data:`GROUP`, [N] in the log's order; none where the file is damaged."""
    if view.split != "train":
        return {}
    try:
        file = result_file(view)
        result = estimates(view)
    except MemgateError:
        return {}
    return {} if file is None or result is None else _columns(result, file, view.at, view.epoch or 0)


@st.cache_resource(max_entries=16, show_spinner=False)
def _columns(
    _result: MemorisationResult, file: tuple[Path, FileState], at: Stamp, epoch: int
) -> dict[str, NDArray[np.float64]]:
    ids = logs.split_data(at, "train").sample_id
    arrays = {
        name: column.reindex(ids).to_numpy(np.float64, copy=True)
        for name, column in group_columns(_result, epoch).items()
        if name in GROUP
    }
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def problems(view: View) -> tuple[str, ...]:
    """A message where the file of the group's estimates is damaged."""
    try:
        estimates(view)
    except MemgateError as error:
        return (str(error),)
    return ()
