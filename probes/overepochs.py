"""How well what is logged finds the corruption, epoch by epoch.

A score at one epoch may tell corrupted from clean early and nothing later, when everything is memorised; the best
epoch depends on the corruption, and to know it takes the clean labels. So it is marked as an oracle's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate import console
from probes.groups import Estimate
from probes.intervals import delong_interval
from probes.separation import auroc
from probes.snapshot import Snapshot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Quantity:
    """One number per sample and epoch that might tell corrupted samples from clean ones."""

    logged: str
    """A key of :data:`memgate.logformat.QUANTITIES`."""
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


QUANTITIES = (
    Quantity("loss", "loss", +1),
    Quantity("margin", "margin", -1),
    Quantity("p_given", "probability of the given label", -1),
    Quantity("el2n", "EL2N", +1),
    Quantity("out_entropy", "output entropy", +1),
    Quantity("out_entropy", "signed output entropy", -1, signed=True),
    Quantity("gate", "gate value g", +1, per_gate=True),
    Quantity("entropy", "gate entropy H", +1, per_gate=True),
    Quantity("entropy", "signed gate entropy", -1, per_gate=True, signed=True),
)
"""What is followed over the epochs. Signed entropies: of arXiv 2605.31090, whose sum over the epochs is SEI."""


@dataclass(frozen=True)
class EpochCurve:
    """AUROC of one quantity against one kind of corruption at every epoch; positive is corrupted."""

    quantity: str
    """A :attr:`Quantity.name`."""
    title: str
    gate: str | None
    direction: int
    against: str
    """A group of :func:`probes.groups.members`, against the clean samples."""
    epochs: tuple[int, ...]
    auroc: tuple[float | None, ...]
    """In [0, 1], of each epoch, with the quantity turned so that high is suspicious."""
    last: Estimate
    """At the last epoch, with DeLong's interval."""
    mean: Estimate
    """Mean of ``auroc``, with DeLong's interval (approximate where some epochs did not see a sample)."""
    oracle_epoch: int | None
    """The epoch of the largest AUROC: chosen by the clean labels, so nobody without them can choose it."""
    oracle: Estimate
    """AUROC there; its interval is that of a fixed epoch and knows nothing of the choice."""


def epoch_curves(snapshot: Snapshot, inside: Mapping[str, Bools]) -> tuple[EpochCurve, ...]:
    """Follow every quantity over the epochs, one in memory at a time.

    Args:
        snapshot: the training split.
        inside: ``clean``, ``corrupted`` and its kinds, [N] bool in the snapshot's order; see
            :func:`probes.groups.members`. A kind that is all of the corruption is not repeated.

    Returns:
        A curve for each quantity, gate and kind.

    Raises:
        MemgateError: the log lacks a quantity.
    """
    targets = {
        name: who
        for name, who in inside.items()
        if name == "corrupted" or (name not in ("all", "clean") and (who != inside["corrupted"]).any())
    }
    gates = snapshot.log.gates
    wanted = [
        (quantity, gate) for quantity in QUANTITIES for gate in (gates if quantity.per_gate else (None,))
    ]
    found = []
    for quantity, gate in console.progress(wanted, len(wanted), "over epochs"):
        hardness = _hardness(snapshot, quantity, gate)
        found += _curves(quantity, gate, snapshot.epochs, hardness, inside["clean"], targets)
    return tuple(found)


def _hardness(snapshot: Snapshot, quantity: Quantity, gate: str | None) -> NDArray:
    """[E, N] the quantity turned so that high is harder; NaN where a sample was not seen."""
    values = snapshot.values(quantity.logged, gate) * quantity.direction
    if not quantity.signed:
        return values
    if gate is None:
        return np.where(snapshot.values("correct_given"), values, -values)
    right = snapshot.values("gate_pred", gate) == snapshot.samples.given_label
    return np.where(right, values, -values)


def _curves(
    quantity: Quantity,
    gate: str | None,
    epochs: NDArray,
    hardness: NDArray,
    clean: Bools,
    targets: Mapping[str, Bools],
) -> Iterator[EpochCurve]:
    """The curve of one quantity against each kind of corruption."""
    wins: dict[str, list[float | None]] = {name: [] for name in targets}
    beaten = _Mean(hardness.shape[1])
    beating = {name: _Mean(hardness.shape[1]) for name in targets}
    for row in hardness:
        shares = pair_shares(row, (clean, *targets.values()))
        beaten.add(shares[0])
        for (name, target), share in zip(targets.items(), shares[1:], strict=True):
            won = shares[0][target & ~np.isnan(shares[0])]
            wins[name].append(float(won.mean()) if len(won) else None)
            beating[name].add(1 - share)
    for name, target in targets.items():
        curve = wins[name]
        areas = np.array(curve, float)
        best = None if np.isnan(areas).all() else int(np.nanargmax(areas))
        parts = beaten.of(target), beating[name].of(clean)
        yield EpochCurve(
            quantity.name,
            quantity.title,
            gate,
            quantity.direction,
            name,
            tuple(epochs.tolist()),
            tuple(curve),
            _at(hardness[-1], target, clean),
            _mean(areas, *parts),
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


class _Mean:
    """Mean over the epochs of one number per sample, where there is one."""

    def __init__(self, count: int) -> None:
        self.total, self.epochs = np.zeros(count), np.zeros(count)

    def add(self, values: Floats) -> None:
        known = ~np.isnan(values)
        self.total += np.where(known, values, 0)
        self.epochs += known

    def of(self, who: Bools) -> Floats:
        """Of those members of a group who have one."""
        who = who & (self.epochs > 0)
        return self.total[who] / self.epochs[who]


def _mean(areas: Floats, beaten: Floats, beating: Floats) -> Estimate:
    if np.isnan(areas).all():
        return Estimate(None, None, None, 0)
    low, high = delong_interval(beaten, beating)
    ends = (None if np.isnan(end) else end for end in (low, high))
    return Estimate(float(np.nanmean(areas)), *ends, n=len(beaten) + len(beating))


def _at(hardness: NDArray, target: Bools, clean: Bools) -> Estimate:
    """At one epoch."""
    rows = target | clean
    found = auroc(hardness[rows], target[rows], 1)
    return Estimate(found.value, found.low, found.high, found.n_positive + found.n_negative)
