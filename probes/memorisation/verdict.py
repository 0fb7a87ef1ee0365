"""Does B3 hold what is memorised? Gated networks beside ungated ones that were trained on the same subsets. No torch.

Everything is measured once a block of models (:mod:`probes.memorisation.over_blocks`), and differences are paired by
block. A cut takes something from every network: its share of the memorisation counts beside that of the same cut of
the ungated networks, and beside the share that it takes of what is right without training on the sample.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.memorisation.over_blocks import mean_over_blocks, share_gone, with_block_ends
from probes.memorisation.scores import block_means
from probes.stats.attenuation import Figure, difference, rank_correlation, with_ends
from probes.stats.estimate import Estimate

Floats = NDArray[np.float64]

OUTCOMES = ("right", "p")
"""The given label is predicted (0 or 1), and its probability."""

GATED, UNGATED = "gated", "ungated"

GATE_QUANTITIES = ("g", "H", "routed")
"""Gate value, gate entropy, and whether g is above 0.5: means over the models."""

Block = tuple[NDArray[np.bool_], Mapping[tuple[str, str], NDArray[np.floating]]]
"""Whether each model of a block was trained on each sample [B, N], and by outcome and route its outcomes [B, N]."""

Sides = Mapping[tuple[str, str, str], Floats]
"""Outcome, route and group of samples to its mean over the models of each block that were trained on a sample, and
over the others, [2, J]."""


@dataclass(frozen=True)
class Compared:
    """Mean memorisation of a group of samples as the logs have it; all in [-1, 1]."""

    outcome: str
    """One of :data:`OUTCOMES`."""
    epoch: int
    group: str
    gated: Estimate
    ungated: Estimate
    difference: Estimate
    """Gated minus ungated, paired by block."""


@dataclass(frozen=True)
class Along:
    """What a group of samples does along one route."""

    network: str
    """:data:`GATED` or :data:`UNGATED`."""
    outcome: str
    route: str
    group: str
    p_in: Estimate
    """Mean outcome of the models that were trained on a sample, in [0, 1]."""
    p_out: Estimate
    """That of the others."""
    mem: Estimate
    """P_in - P_out, in [-1, 1]."""
    change: Estimate
    """Its difference from that of the route as learned; no value for this route itself."""


@dataclass(frozen=True)
class Gone:
    """Shares that a cut takes of a group of samples; 1 is all of it, and no value where there is nothing to take."""

    outcome: str
    group: str
    gated: Estimate
    """Share of P_in - P_out that is gone without the block, in the gated networks."""
    ungated: Estimate
    """Likewise by the same cut of the ungated ones."""
    difference: Estimate
    """The first minus the second, paired by block."""
    gated_general: Estimate
    """Share of P_out above chance that is gone in the gated networks: of what is right without training on it."""
    ungated_general: Estimate
    """Likewise in the ungated ones."""
    beyond: Estimate
    """By how much more the cut takes of the memorisation than of P_out in the gated networks, minus the same of the
    ungated ones. Above 0 the block holds memorisation in particular, and not something of everything."""


@dataclass(frozen=True)
class GateCorrelation:
    """Rank correlation of a gate's quantity with the memorisation score, over the samples of a group."""

    quantity: str
    """One of :data:`GATE_QUANTITIES`."""
    gate: str
    group: str
    epochs: tuple[int, ...]
    rho: tuple[Estimate, ...]
    """Spearman's at each epoch, in [-1, 1], with an interval over samples."""


def logged(epoch: int) -> str:
    """Name among the routes of what the logs have of an epoch."""
    return f"epoch {epoch}"


def sides_of(blocks: Iterable[Block], taken: int, groups: Mapping[str, NDArray[np.bool_]]) -> Sides:
    """Means of the two sides of each block by outcome, route and group, [2, J] each.

    Args:
        blocks: one after another; NaN: the model has no value of the sample, and the sample is left out of the block.
        taken: models of a block that contain a sample, a.
        groups: name to its samples, bool [N].
    """
    values: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for members, outcomes in blocks:
        for (outcome, route), of_models in outcomes.items():
            both = np.stack(block_means(members, of_models, taken)).astype(np.float64)
            known = ~np.isnan(both).any(axis=0)
            for group, mask in groups.items():
                rows = both[:, mask & known]
                mean = rows.mean(axis=1) if rows.shape[1] else np.full(2, np.nan)
                values.setdefault((outcome, route, group), []).append(tuple(mean.tolist()))
    return {key: np.array(of).T for key, of in values.items()}


def compared(
    gated: Sides, ungated: Sides, groups: Mapping[str, NDArray[np.bool_]], epochs: Sequence[int]
) -> tuple[Compared, ...]:
    """The memorisation in the logs of both groups of networks, for each outcome, epoch and group of samples."""
    rows = []
    for outcome, group, n in _each(gated, groups):
        for epoch in epochs:
            mine, theirs = (_mem(sides, outcome, logged(epoch), group) for sides in (gated, ungated))
            values = zip((mine, theirs, mine - theirs), (1, 1, 2), strict=True)
            ends = (with_block_ends(mean_over_blocks(value), n, limit) for value, limit in values)
            rows.append(Compared(outcome, epoch, group, *ends))
    return tuple(rows)


def along_routes(
    network: str, sides: Sides, routes: Sequence[str], groups: Mapping[str, NDArray[np.bool_]]
) -> tuple[Along, ...]:
    """Every group along every route.

    Args:
        network: :data:`GATED` or :data:`UNGATED`.
        sides: of that group of networks.
        routes: the first is the route as learned.
        groups: name to its samples.
    """
    rows = []
    for outcome, group, n in _each(sides, groups):
        learned = _mem(sides, outcome, routes[0], group)
        for route in routes:
            within, without = sides[outcome, route, group]
            mem = within - without
            change = mem - learned if route != routes[0] else np.full(len(mem), np.nan)
            values = zip((within, without, mem, change), (1, 1, 1, 2), strict=True)
            ends = (with_block_ends(mean_over_blocks(value), n, limit) for value, limit in values)
            rows.append(Along(network, outcome, route, group, *ends))
    return tuple(rows)


def gone_without(
    gated: Sides,
    ungated: Sides,
    routes: Mapping[str, tuple[str, str]],
    groups: Mapping[str, NDArray[np.bool_]],
    chance: float,
) -> tuple[Gone, ...]:
    """What the cut takes of each group of samples, in the gated networks and in the ungated ones.

    Args:
        gated: of the gated networks.
        ungated: of the ungated ones, on the same subsets, block by block.
        routes: :data:`GATED` and :data:`UNGATED` to the route as learned and the route without the block.
        groups: name to its samples.
        chance: share of right predictions of a network that guesses: 1 / number of classes.
    """
    rows = []
    for outcome, group, n in _each(gated, groups):
        memory, general = [], []
        for sides, (learned, cut) in ((gated, routes[GATED]), (ungated, routes[UNGATED])):
            memory.append(share_gone(*(_mem(sides, outcome, route, group) for route in (learned, cut))))
            held_out = (sides[outcome, route, group][1] - chance for route in (learned, cut))
            general.append(share_gone(*held_out))
        beyond = [difference(*pair) for pair in zip(memory, general, strict=True)]
        figures: tuple[Figure, ...] = (
            *memory, difference(*memory), *general, difference(*beyond),
        )  # fmt: skip
        rows.append(Gone(outcome, group, *(with_block_ends(figure, n) for figure in figures)))
    return tuple(rows)


def gate_correlations(
    quantities: Mapping[str, Floats],
    gates: Sequence[str],
    epochs: Sequence[int],
    mem: Floats,
    groups: Mapping[str, NDArray[np.bool_]],
) -> tuple[GateCorrelation, ...]:
    """Spearman's correlation of each quantity of each gate with the memorisation of the same epoch, by group.

    Args:
        quantities: one of :data:`GATE_QUANTITIES` to its mean over the models, [E, G, N]; NaN: missing.
        gates: [G] names.
        epochs: [E] numbers.
        mem: [E, N] memorisation scores.
        groups: name to its samples.
    """
    rows = []
    for quantity, values in quantities.items():
        for place, gate in enumerate(gates):
            for group, mask in groups.items():
                rho = (
                    with_ends(rank_correlation(values[row, place, mask], mem[row, mask]))
                    for row in range(len(epochs))
                )
                rows.append(GateCorrelation(quantity, gate, group, tuple(epochs), tuple(rho)))
    return tuple(rows)


def route_groups(
    routed: Floats, groups: Mapping[str, NDArray[np.bool_]], gate: str = "B3"
) -> dict[str, NDArray[np.bool_]]:
    """The groups, and each of all, clean and corrupted samples by their route, where both routes are taken.

    Args:
        routed: [N] share of the models that route a sample through the block; NaN: not known, in no group by route.
        groups: name to its samples, bool [N].
        gate: name of the block.
    """
    result = dict(groups)
    for group in ("all", "clean", "corrupted"):
        if group not in groups:
            continue
        prefix = "" if group == "all" else f"{group}, "
        by_route = {
            f"{prefix}routed to {gate}": groups[group] & (routed > 0.5),
            f"{prefix}skipping {gate}": groups[group] & (routed <= 0.5),
        }
        if all(mask.any() for mask in by_route.values()):
            result |= by_route
    return result


def _each(sides: Sides, groups: Mapping[str, NDArray[np.bool_]]) -> Iterator[tuple[str, str, int]]:
    """Outcome, group and its number of samples."""
    outcomes = {outcome for outcome, *_ in sides}
    for outcome in OUTCOMES:
        if outcome in outcomes:
            yield from ((outcome, group, int(mask.sum())) for group, mask in groups.items())


def _mem(sides: Sides, outcome: str, route: str, group: str) -> Floats:
    """P_in - P_out by each block, [J]."""
    within, without = sides[outcome, route, group]
    return within - without
