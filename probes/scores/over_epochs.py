"""AUROC of each logged quantity against corruption, epoch by epoch.

A quantity may separate corrupted from clean samples early and no longer when all samples are memorised. The best
epoch depends on the corruption and can only be chosen with the clean labels, so it is marked as an oracle.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.log.format import has_value
from memgate.log.reader import SampleLog
from probes.dynamics.reductions import signed
from probes.dynamics.snapshot import Snapshot
from probes.samples.columns import shown_gates
from probes.scores.detection import auroc
from probes.stats.auroc import area_interval
from probes.stats.estimate import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class EpochQuantity:
    """A logged number per sample and epoch that may separate corrupted from clean samples."""

    logged: str
    """A key of :data:`memgate.log.format.QUANTITIES`."""
    title: str
    direction: int
    """+1: high is harder and more suspicious; -1: low is."""
    per_gate: bool = False
    signed: bool = False
    """Taken as negative where the prediction (of the gate's own classifier for a quantity of the gate) is not the
    given label."""

    @property
    def name(self) -> str:
        """Name in the JSON report."""
        return f"signed_{self.logged}" if self.signed else self.logged


EPOCH_QUANTITIES = (
    EpochQuantity("loss", "loss", +1),
    EpochQuantity("margin", "margin", -1),
    EpochQuantity("p_given", "probability of the given label", -1),
    EpochQuantity("el2n", "EL2N", +1),
    EpochQuantity("out_entropy", "output entropy", +1),
    EpochQuantity("out_entropy", "signed output entropy", -1, signed=True),
    EpochQuantity("gate", "gate value g", +1, per_gate=True),
    EpochQuantity("entropy", "gate entropy H", +1, per_gate=True),
    EpochQuantity("entropy", "signed gate entropy", -1, per_gate=True, signed=True),
    EpochQuantity("macs", "MACs", +1),
)
"""The quantities followed over the epochs. Signed entropies: arXiv 2605.31090; their sum over the epochs is SEI."""


def quantities_of(log: SampleLog) -> tuple[EpochQuantity, ...]:
    """The quantities that a log has."""
    return tuple(
        one
        for one in EPOCH_QUANTITIES
        if (log.gates or not one.per_gate) and (log.has_macs or one.logged != "macs")
    )


@dataclass(frozen=True)
class EpochCurve:
    """AUROC of one quantity against one kind of corruption at every epoch; positive is corrupted."""

    quantity: str
    """A :attr:`EpochQuantity.name`."""
    title: str
    gate: str | None
    direction: int
    against: str
    """A group of :func:`probes.samples.groups.members`, against the clean samples."""
    epochs: tuple[int, ...]
    auroc: tuple[float | None, ...]
    """In [0, 1] for each epoch, with the quantity turned so that high is suspicious; None if a class was not seen."""
    last: Estimate
    """AUROC at the last epoch, with its interval over samples."""
    mean: Estimate
    """Mean of ``auroc``, with the interval of a mean over the same samples; ``n`` counts the samples seen in any of
    its epochs."""
    oracle_epoch: int | None
    """The epoch of the largest AUROC, which can only be chosen with the clean labels."""
    oracle: Estimate
    """AUROC at ``oracle_epoch``; the interval is that of a fixed epoch and does not account for the choice."""


def epoch_curves(snapshot: Snapshot, groups: Mapping[str, Bools]) -> tuple[EpochCurve, ...]:
    """A curve of AUROCs over the epochs for each quantity, gate and kind of corruption.

    One quantity is in memory at a time.

    Args:
        snapshot: the training split.
        groups: ``clean``, ``corrupted`` and its kinds, [N] bool in the snapshot's order; see
            :func:`probes.samples.groups.members`. A kind that is all of the corruption is not repeated.

    Raises:
        MemgateError: the log lacks a quantity.
    """
    gates = shown_gates(snapshot.log.gates)
    wanted = [
        (quantity, gate)
        for quantity in quantities_of(snapshot.log)
        for gate in (gates if quantity.per_gate else (None,))
    ]
    return tuple(
        curve
        for quantity, gate in console.progress(wanted, len(wanted), "over epochs")
        for curve in curves_of(snapshot, quantity, gate, groups)
    )


def curves_of(
    snapshot: Snapshot, quantity: EpochQuantity, gate: str | None, groups: Mapping[str, Bools]
) -> tuple[EpochCurve, ...]:
    """A curve of one quantity for each kind of corruption, see :func:`epoch_curves`.

    Args:
        snapshot: samples and epochs; epochs may be left out.
        quantity: the quantity.
        gate: the gate, for a quantity that each gate has.
        groups: as in :func:`epoch_curves`.
    """
    targets = {
        name: mask
        for name, mask in groups.items()
        if name == "corrupted" or (name not in ("all", "clean") and (mask != groups["corrupted"]).any())
    }
    hardness = _hardness(snapshot, quantity, gate)
    return tuple(_curves(quantity, gate, snapshot.epochs, hardness, groups["clean"], targets))


def _hardness(snapshot: Snapshot, quantity: EpochQuantity, gate: str | None) -> NDArray:
    """[E, N] the quantity turned so that high is harder; NaN where it is missing."""
    values = snapshot.values(quantity.logged, gate) * quantity.direction
    if not quantity.signed:
        return values
    if gate is None:
        return signed(values, snapshot.values("correct_given"), snapshot.known("correct_given"))
    predicted = snapshot.values("gate_pred", gate)
    return signed(values, predicted == snapshot.samples.given_label, has_value(predicted))


def _curves(
    quantity: EpochQuantity,
    gate: str | None,
    epochs: NDArray,
    hardness: NDArray,
    clean: Bools,
    targets: Mapping[str, Bools],
) -> Iterator[EpochCurve]:
    """The curve of one quantity for each kind of corruption."""
    wins: dict[str, list[float | None]] = {name: [] for name in targets}
    beaten, beating = ({name: _Influence(len(clean)) for name in targets} for _ in range(2))
    for row in hardness:
        shares = pair_shares(row, (clean, *targets.values()))
        for (name, target), share in zip(targets.items(), shares[1:], strict=True):
            won = shares[0][target & ~np.isnan(shares[0])]
            wins[name].append(float(won.mean()) if len(won) else None)
            if len(won):
                beaten[name].add(shares[0], target)
                beating[name].add(1 - share, clean)
    for name, target in targets.items():
        curve = wins[name]
        areas = np.array(curve, float)
        best = None if np.isnan(areas).all() else int(np.nanargmax(areas))
        yield EpochCurve(
            quantity.name,
            quantity.title,
            gate,
            quantity.direction,
            name,
            tuple(epochs.tolist()),
            tuple(curve),
            _at(hardness[-1], target, clean),
            _mean(areas, beaten[name], beating[name]),
            None if best is None else int(epochs[best]),
            Estimate(None, None, None, 0) if best is None else _at(hardness[best], target, clean),
        )


def pair_shares(values: NDArray, groups: Sequence[Bools]) -> list[Floats]:
    """Share of each group that every sample exceeds, ties one half, all from a single sort.

    The AUROC of a set of samples against the clean ones is the mean of their shares of the clean group.

    Args:
        values: [N]; NaN is missing.
        groups: masks [N].

    Returns:
        [N] in [0, 1] for each group; NaN for a sample without a value, and all NaN where no sample of the group has
        one.
    """
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    ascending = values[order]
    is_new = np.append(True, ascending[1:] != ascending[:-1])[: len(ascending)]
    starts = np.flatnonzero(is_new)
    tie = np.cumsum(is_new) - 1
    result = []
    for group in groups:
        below = np.concatenate([[0], np.cumsum(group[order])])
        middle = (below[starts] + below[np.append(starts[1:], len(ascending))]) / 2 if len(starts) else below
        shares = np.full(len(values), np.nan)
        shares[order] = middle[tie] / (below[-1] or np.nan)
        result.append(shares)
    return result


class _Influence:
    """Influence of each sample of a group on the sum of the epochs' AUROCs.

    An epoch's AUROC is the mean share of the samples seen in it, so a sample changes it by
    (share - AUROC) / (number seen). A mean of the shares over epochs would be wrong: epochs have equal weight in the
    mean AUROC, however many samples they saw.
    """

    def __init__(self, count: int) -> None:
        self.total, self.seen = np.zeros(count), np.zeros(count, bool)

    def add(self, shares: Floats, group: Bools) -> None:
        """Add an epoch in which at least one sample of the group has a share."""
        members = group & ~np.isnan(shares)
        self.total[members] += (shares[members] - shares[members].mean()) / np.count_nonzero(members)
        self.seen |= members

    def parts(self, area: float, epochs: int) -> Floats:
        """DeLong's structural components of the mean AUROC, one for each sample seen; their mean is ``area``.

        Where every epoch saw all samples, they are the means of the epochs' components.
        """
        influence = self.total[self.seen]
        return area + len(influence) * influence / epochs


def _mean(areas: Floats, beaten: _Influence, beating: _Influence) -> Estimate:
    """Mean of the epochs' AUROCs with its interval over samples."""
    known = areas[~np.isnan(areas)]
    if len(known) == 0:
        return Estimate(None, None, None, 0)
    area = float(known.mean())
    parts = [part.parts(area, len(known)) for part in (beaten, beating)]
    low, high = area_interval(parts[0], parts[1])
    n = sum(map(len, parts))
    if np.isnan(low):
        return Estimate(area, None, None, n)
    # Where the interval is a point, rounding must not move the value out of it.
    return Estimate(area, min(low, area), max(high, area), n)


def _at(hardness: NDArray, target: Bools, clean: Bools) -> Estimate:
    """AUROC of one epoch."""
    rows = target | clean
    area = auroc(hardness[rows], target[rows], 1)
    return Estimate(area.value, area.low, area.high, area.n_positive + area.n_negative)
