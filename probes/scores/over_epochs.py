"""How well what is logged finds the corruption, epoch by epoch.

A score at one epoch may tell corrupted from clean early and nothing later, when everything is memorised; the best
epoch depends on the corruption, and to know it takes the clean labels. So it is marked as an oracle's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate import console
from probes.dynamics.snapshot import Snapshot
from probes.samples.columns import shown_gates
from probes.scores.detection import auroc
from probes.stats.estimate import Estimate
from probes.stats.intervals import delong_interval

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class EpochQuantity:
    """One number per sample and epoch that might tell corrupted samples from clean ones."""

    logged: str
    """A key of :data:`memgate.log.format.QUANTITIES`."""
    title: str
    direction: int
    """+1: high is harder and more suspicious; -1: low is."""
    per_gate: bool = False
    signed: bool = False
    """Negative where the prediction (the gate's own, of a gate's quantity) is not the given label."""

    @property
    def name(self) -> str:
        """Its name in JSON."""
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
)
"""What is followed over the epochs. Signed entropies: of arXiv 2605.31090, whose sum over the epochs is SEI."""


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
    """In [0, 1], of each epoch, with the quantity turned so that high is suspicious."""
    last: Estimate
    """At the last epoch, with DeLong's interval."""
    mean: Estimate
    """Mean of ``auroc``, with DeLong's interval of the mean; ``n`` counts who was seen in any of its epochs."""
    oracle_epoch: int | None
    """The epoch of the largest AUROC: chosen by the clean labels, so nobody without them can choose it."""
    oracle: Estimate
    """AUROC there; its interval is that of a fixed epoch and knows nothing of the choice."""


def epoch_curves(snapshot: Snapshot, inside: Mapping[str, Bools]) -> tuple[EpochCurve, ...]:
    """Follow every quantity over the epochs, one in memory at a time.

    Args:
        snapshot: the training split.
        inside: ``clean``, ``corrupted`` and its kinds, [N] bool in the snapshot's order; see
            :func:`probes.samples.groups.members`. A kind that is all of the corruption is not repeated.

    Returns:
        A curve for each quantity, gate and kind.

    Raises:
        MemgateError: the log lacks a quantity.
    """
    gates = shown_gates(snapshot.log.gates)
    wanted = [
        (quantity, gate)
        for quantity in EPOCH_QUANTITIES
        for gate in (gates if quantity.per_gate else (None,))
    ]
    return tuple(
        curve
        for quantity, gate in console.progress(wanted, len(wanted), "over epochs")
        for curve in curves_of(snapshot, quantity, gate, inside)
    )


def curves_of(
    snapshot: Snapshot, quantity: EpochQuantity, gate: str | None, inside: Mapping[str, Bools]
) -> tuple[EpochCurve, ...]:
    """One quantity over the epochs against each kind; see :func:`epoch_curves`.

    Args:
        snapshot: samples and epochs; it may leave out epochs.
        quantity: which.
        gate: of which gate, for what each gate has.
        inside: as in :func:`epoch_curves`.
    """
    targets = {
        name: who
        for name, who in inside.items()
        if name == "corrupted" or (name not in ("all", "clean") and (who != inside["corrupted"]).any())
    }
    hardness = _hardness(snapshot, quantity, gate)
    return tuple(_curves(quantity, gate, snapshot.epochs, hardness, inside["clean"], targets))


def _hardness(snapshot: Snapshot, quantity: EpochQuantity, gate: str | None) -> NDArray:
    """[E, N] the quantity turned so that high is harder; NaN where a sample was not seen."""
    values = snapshot.values(quantity.logged, gate) * quantity.direction
    if not quantity.signed:
        return values
    if gate is None:
        return np.where(snapshot.values("correct_given"), values, -values)
    right = snapshot.values("gate_pred", gate) == snapshot.samples.given_label
    return np.where(right, values, -values)


def _curves(
    quantity: EpochQuantity,
    gate: str | None,
    epochs: NDArray,
    hardness: NDArray,
    clean: Bools,
    targets: Mapping[str, Bools],
) -> Iterator[EpochCurve]:
    """The curve of one quantity against each kind of corruption."""
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
    """Share of each group that every sample exceeds, ties one half: the parts of an AUROC, from a single sort.

    The AUROC of a group against the clean samples is the mean of its members' shares of the clean ones.

    Args:
        values: [N]; NaN is missing.
        groups: [N] bool each.

    Returns:
        [N] in [0, 1] for each group; NaN for a sample without a value, and where nobody in the group has one.
    """
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.argsort(values[there], kind="stable")]
    rising = values[order]
    fresh = np.append(True, rising[1:] != rising[:-1])[: len(rising)]
    starts = np.flatnonzero(fresh)
    tie = np.cumsum(fresh) - 1
    found = []
    for group in groups:
        below = np.concatenate([[0], np.cumsum(group[order])])
        middle = (below[starts] + below[np.append(starts[1:], len(rising))]) / 2 if len(starts) else below
        shares = np.full(len(values), np.nan)
        shares[order] = middle[tie] / (below[-1] or np.nan)
        found.append(shares)
    return found


class _Influence:
    """What each member of a group adds to the sum of the epochs' AUROCs.

    An epoch's AUROC is the mean share of those that it saw, so a member moves it by (share - AUROC) / (number seen).
    A mean of the shares would not do: epochs count equally in the mean AUROC, however many they saw.
    """

    def __init__(self, count: int) -> None:
        self.total, self.seen = np.zeros(count), np.zeros(count, bool)

    def add(self, shares: Floats, who: Bools) -> None:
        """An epoch with at least one member that has a share."""
        who = who & ~np.isnan(shares)
        self.total[who] += (shares[who] - shares[who].mean()) / np.count_nonzero(who)
        self.seen |= who

    def parts(self, area: float, epochs: int) -> Floats:
        """DeLong's structural components of the mean over the epochs, one a member: their mean is ``area``.

        Where every epoch saw everyone, they are the means of the epochs' own components.
        """
        found = self.total[self.seen]
        return area + len(found) * found / epochs


def _mean(areas: Floats, beaten: _Influence, beating: _Influence) -> Estimate:
    known = areas[~np.isnan(areas)]
    if len(known) == 0:
        return Estimate(None, None, None, 0)
    area = float(known.mean())
    parts = [part.parts(area, len(known)) for part in (beaten, beating)]
    low, high = delong_interval(parts[0], parts[1])
    n = sum(map(len, parts))
    if np.isnan(low):
        return Estimate(area, None, None, n)
    # Where the interval is a point, rounding must not push it beside the value.
    return Estimate(area, min(low, area), max(high, area), n)


def _at(hardness: NDArray, target: Bools, clean: Bools) -> Estimate:
    """At one epoch."""
    rows = target | clean
    found = auroc(hardness[rows], target[rows], 1)
    return Estimate(found.value, found.low, found.high, found.n_positive + found.n_negative)
