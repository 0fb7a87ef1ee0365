"""The samples and epochs that an export selects."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from memgate.log.format import Samples
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.dynamics.snapshot import Snapshot, take_snapshot
from probes.export.plan import AT_EPOCH, ExportPlan, chosen_epochs
from probes.export.shapes import by_id
from probes.samples.cohorts import load_cohort
from probes.samples.filters import Filter


@dataclass(frozen=True, eq=False)
class Chosen:
    """n samples of a split over some of its epochs."""

    snapshot: Snapshot
    """The selected epochs, and all samples."""
    places: NDArray[np.intp]
    """[n] indices of the samples in the log, in the order of rising ids; at least one."""

    @property
    def sample_id(self) -> NDArray[np.int64]:
        """Ids of the samples [n], rising."""
        return self.snapshot.samples.sample_id[self.places].astype(np.int64)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def samples(self) -> Samples:
        """Labels and causes of the samples, each [n]."""
        return self.snapshot.samples.take(self.places)

    def first(self, n: int) -> "Chosen":
        """The first n samples over the same epochs."""
        return replace(self, places=self.places[:n])


def choose(run: Run, plan: ExportPlan, log: SampleLog | None = None) -> Chosen:
    """The samples and epochs of a plan.

    Args:
        run: the run.
        plan: what to export.
        log: the run's log, if it has been opened already: a reader remembers which rows it has verified.

    Raises:
        MemgateError: no finished epoch, no such split, epoch, gate, class, cohort or sample, or no sample is selected.
    """
    snapshot = take_snapshot(run, plan.split, log)
    at = plan.epoch
    require(
        at is None or at in snapshot.epochs,
        f"--epoch {at} of {plan.split} is not in the log of {run.name}, which has {snapshot.epochs[0]} to "
        f"{snapshot.epochs[-1]}.",
    )
    ending = snapshot if at is None or plan.shape not in AT_EPOCH else snapshot.until(at)
    kept = chosen_epochs(
        plan.epochs, _with_vectors(run, ending.epochs) if plan.shape == "gates" else ending.epochs
    )
    at = int(kept[-1]) if at is None else at
    members = _members(run, plan, snapshot, at)
    require(
        bool(members.any()),
        f"None of the {len(members):,} samples of {plan.split} in {run.name} is selected by "
        f"{_conditions(plan, at)}: choose other conditions.",
    )
    order = by_id(snapshot)
    return Chosen(replace(snapshot, epochs=kept), order[members[order]])


def _with_vectors(run: Run, logged: NDArray[np.integer]) -> NDArray[np.integer]:
    """The logged epochs whose gate vectors were kept [E], rising, at least one.

    Raises:
        MemgateError: there is none.
    """
    run.gate_vectors()  # says why there is none
    kept = np.intersect1d(logged, run.gate_vector_epochs)
    require(len(kept) > 0, f"No epoch of {run.name} that has gate vectors is whole in its log.")
    return kept


def _members(run: Run, plan: ExportPlan, snapshot: Snapshot, at: int) -> NDArray[np.bool_]:
    """Whether each sample meets all conditions, bool [N] in the log's order."""
    samples = snapshot.samples
    routed, known = _route(run, plan, snapshot, at)
    condition = plan.filter.numbered(snapshot.log.class_names)
    mask = condition.matching(samples.cause, samples.clean_label, routed, known)
    if plan.cohort is not None:
        cohort = load_cohort(run, plan.cohort)
        require(
            cohort.split == plan.split,
            f"The cohort {cohort.name} is of the split {cohort.split} and not of {plan.split}: add --split "
            f"{cohort.split}.",
        )
        mask = mask & np.isin(samples.sample_id, cohort.sample_ids)
    if plan.ids is not None:
        unknown = np.setdiff1d(plan.ids, samples.sample_id)
        require(
            len(unknown) == 0,
            f"--ids {', '.join(map(str, unknown[:5]))}: {plan.split} of {run.name} has no such sample.",
        )
        mask = mask & np.isin(samples.sample_id, plan.ids)
    return mask


def _route(
    run: Run, plan: ExportPlan, snapshot: Snapshot, at: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each sample was routed, and whether that is known, at an epoch, bool [N] each."""
    gates = snapshot.log.gates
    none = np.zeros(len(snapshot.samples), bool)
    if plan.gate is not None and plan.gate not in gates:
        raise MemgateError(
            f"--gate {plan.gate}: {run.name} has no such gate, it has {', '.join(gates) or 'none'}."
        )
    if plan.filter.route == "all":
        return none, none
    require(
        len(gates) > 0, f"{run.name} has no gate, so no sample is {plan.filter.route}: leave --route out."
    )
    ((_, record),) = snapshot.log.records(plan.split, {at})
    row = gates.index(plan.gate or gates[-1])
    return record.flag("routed")[row], record.known("routed")[row]


def _conditions(plan: ExportPlan, at: int) -> str:
    """The conditions of a plan as flags."""
    given = {"cohort": plan.cohort, "ids": " ".join(map(str, plan.ids[:5])) if plan.ids else None}
    parts = [f"--{name} {value}" for name, value in given.items() if value is not None]
    default = Filter()
    if plan.filter.cause != default.cause:
        parts.append(f"--cause {plan.filter.cause}")
    if plan.filter.route != default.route:
        parts.append(f"--route {plan.filter.route} at epoch {at}")
    if plan.filter.classes:
        parts.append(f"--classes {' '.join(map(str, plan.filter.classes))}")
    return " and ".join(parts) or "an empty split"
