"""A group of subset runs as a source of signals: the sweep of 'memgate subsets', and the logs of its runs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.config.subset import block_of
from memgate.errors import MemgateError, require
from memgate.log.format import FLAGS, Samples
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, is_run
from memgate.sweeps.grid import Sweep, SweepRun, find_sweep, state_of
from memgate.sweeps.subsets import FRACTION, MODEL
from probes.memorisation.signals import Signals, check_members

SPLITS = ("train", "test")
"""Splits that are read."""

GO_ON = "go on with the command that began it (memgate subsets ... --name {})"
"""Remedy for a group with too few complete models."""


@dataclass(frozen=True, eq=False)
class LogSource:
    """The models of one fraction of a group, from their logs; a :class:`probes.memorisation.source.Source`."""

    name: str
    """Name of the group."""
    fraction: float
    models: tuple[int, ...]
    """Numbers of the models that are read, block after block."""
    runs: tuple[Run, ...]
    """Their runs."""
    logs: tuple[SampleLog, ...]
    """The runs' logs."""
    splits: Mapping[str, Samples]
    """Name of a split to its samples, which all models have."""
    epochs: NDArray[np.integer]
    """[E] epochs that are whole in every log and split."""
    planned: int
    """Models that the group has when it is complete."""
    left_out: Mapping[str, str]
    """Name of each run whose block is left out to its state."""

    def read(self, place: int, split: str, epochs: NDArray[np.integer], part: slice) -> Signals:
        """See :meth:`probes.memorisation.source.Source.read`."""
        values = self.logs[place].at_epochs(split, ("p_given", "phi", "flags"), epochs.tolist(), part)
        flags, p_given = values["flags"], values["p_given"]
        known = ~np.isnan(p_given)
        correct = ((flags & FLAGS["correct_given"]) > 0) & known
        members = (flags[-1:] & FLAGS["trained"]) > 0 if split == "train" else None
        return Signals(members, p_given[None], values["phi"][None], correct[None], known[None])

    def check_members(self) -> None:
        """Raise MemgateError where the samples that the models were trained on, by their logs, are not balanced."""
        last = self.epochs[-1:].tolist()
        flags = [log.at_epochs("train", ("flags",), last)["flags"] for log in self.logs]
        try:
            check_members((np.concatenate(flags) & FLAGS["trained"]) > 0, self.fraction)
        except MemgateError as error:
            raise MemgateError(f"The logs of {self.name} do not fit together: {error}") from error


def open_group(name: str, out: Path) -> tuple[list[LogSource], Path]:
    """The models of a group by fraction, rising, and the folder of its runs.

    Runs that are not complete are left out, and so are the other models of their blocks.

    Args:
        name: name of the group, or path of its file.
        out: folder in which a name is searched.

    Raises:
        MemgateError: there is no such group, it is an ordinary sweep or a run, or fewer than two blocks are complete.
    """
    if is_run(Path(name)) or is_run(out / name):
        raise MemgateError(
            f"{name} is a single run: memorisation is estimated from a group of runs on random subsets; train one by "
            "memgate subsets RECIPE --models 32 --name NAME."
        )
    sweep, folder = find_sweep(name, out)
    require(
        MODEL in sweep.varied,
        f"{sweep.name} is an ordinary sweep, whose runs were trained on all samples: memorisation is estimated from "
        "runs on random subsets; train a group by memgate subsets RECIPE --models 32 --name NAME.",
    )
    by_fraction: dict[float, list[SweepRun]] = defaultdict(list)
    for run in sweep.runs:
        by_fraction[float(run.point[FRACTION])].append(run)
    sources = [_source(sweep, folder, fraction, by_fraction[fraction]) for fraction in sorted(by_fraction)]
    return sources, folder


def _source(sweep: Sweep, folder: Path, fraction: float, runs: Sequence[SweepRun]) -> LogSource:
    """The models of one fraction of which the whole block is complete."""
    size = block_of(fraction)[1]
    states = {run.name: state_of(folder, run.name) for run in runs}
    models = {int(run.point[MODEL]): run.name for run in runs}
    complete = {number for number, name in models.items() if states[name] == "complete"}
    whole = [
        number
        for number in sorted(models)
        if all(other in complete for other in range(number // size * size, (number // size + 1) * size))
    ]
    require(
        len(whole) >= 2 * size,
        f"{sweep.name} has {len(complete)} of {len(models)} models with a fraction of {fraction:g} complete, and "
        f"{len(whole) // size} whole blocks of {size}, where at least 2 are needed: {GO_ON.format(sweep.name)}.",
    )
    left_out = {name: states[name] for number, name in models.items() if number not in whole}
    chosen = tuple(Run(folder / models[number]) for number in whole)
    logs = tuple(run.sample_log() for run in chosen)
    splits = _same_samples(chosen, logs)
    epochs = _common_epochs(sweep.name, logs, splits)
    return LogSource(sweep.name, fraction, tuple(whole), chosen, logs, splits, epochs, len(models), left_out)


def _same_samples(runs: Sequence[Run], logs: Sequence[SampleLog]) -> dict[str, Samples]:
    """Name of a split to its samples; raises MemgateError where a log has other samples or labels than the first."""
    splits = {split: logs[0].samples(split) for split in SPLITS if split in logs[0].splits}
    for run, log in zip(runs[1:], logs[1:], strict=True):
        for split, samples in splits.items():
            others = log.samples(split) if split in log.splits else None
            same = others is not None and all(
                np.array_equal(getattr(samples, column), getattr(others, column))
                for column in ("sample_id", "given_label")
            )
            require(
                same,
                f"{run.name} has other samples or given labels in {split} than {runs[0].name}, and the models of a "
                "group are trained on one manifest: remove its folder, and train it again.",
            )
    return splits


def _common_epochs(name: str, logs: Sequence[SampleLog], splits: Iterable[str]) -> NDArray[np.integer]:
    """[E] epochs that are whole in every log and split; raises MemgateError where there is none."""
    of_all = (log.epochs(split) for log in logs for split in splits)
    common = reduce(np.intersect1d, of_all)
    require(
        len(common) > 0,
        f"The {len(logs)} complete models of {name} have no logged epoch in common: train them with the same "
        "--log.every.",
    )
    return common
