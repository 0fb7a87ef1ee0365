"""Two groups of subset runs, gated and ungated, on the same subsets: checks, and what the verdict on B3 is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.config.subset import block_of
from memgate.errors import require
from memgate.log.format import has_value
from memgate.runs.run import Run
from probes.memorisation.group import LogSource, open_group
from probes.memorisation.scores import BlockSums
from probes.memorisation.source import cause_groups, read_block
from probes.memorisation.verdict import (
    GATE_QUANTITIES,
    GATED,
    UNGATED,
    Block,
    Floats,
    along_routes,
    compared,
    gate_correlations,
    gone_without,
    logged,
    route_groups,
    sides_of,
)
from probes.report.league import evenly_apart
from probes.report.league_sources import group_name
from probes.report.verdict import VerdictReport, verdict_report
from probes.routing.control import check_control
from probes.routing.routes import LEARNED, SKIP, THROUGH, blocks_of, route_of, row_of
from probes.routing.several import probe_missing, whole_result

HALF = 0.5
"""Fraction that is compared where both groups have it."""

COLUMNS = {"right": "fits_given", "p": "p_given"}
"""Outcome to its column in a result of the routing probe."""


@dataclass(frozen=True)
class Pair:
    """The models that two groups have in common, in the same order."""

    gated: LogSource
    ungated: LogSource

    @property
    def epoch(self) -> int:
        """The last epoch."""
        return int(self.gated.epochs[-1])

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates of the gated networks, in the order of the blocks."""
        return tuple(self.gated.runs[0].config.model.gate_names)

    @property
    def routes(self) -> dict[str, tuple[str, ...]]:
        """Routes of the gated and of the ungated networks: as learned, without the last block, and forced."""
        last = self.gates[-1]
        forced = [route_of(kind, last, self.gates) for kind in (SKIP, THROUGH)]
        return {GATED: (LEARNED, *forced), UNGATED: (LEARNED, SKIP)}


def open_pair(name: str, control: str, out: Path = Path("runs"), fraction: float | None = None) -> Pair:
    """A gated and an ungated group on the same subsets, by the models that both have.

    Args:
        name: name of the gated group, or path of it or of its file.
        control: of the ungated one.
        out: folder in which a name is searched.
        fraction: which of the fractions that both have; None for 0.5, or the nearest.

    Raises:
        MemgateError: there is no such group or fraction; or the two differ in their subsets, samples, labels or in
            more than the gate; or they have fewer than two blocks of models in common.
    """
    both = [
        {each.fraction: each for each in open_group(group_name(text), out)[0]} for text in (name, control)
    ]
    fractions = sorted(set(both[0]) & set(both[1]), key=lambda value: abs(value - HALF))
    titles = tuple(next(iter(sources.values())).name for sources in both)
    require(
        len(fractions) > 0,
        f"--control {titles[1]} was trained on {_listed(both[1])} of the samples, and {titles[0]} on "
        f"{_listed(both[0])}: {_remedy(titles[0])}",
    )
    chosen = fractions[0] if fraction is None else fraction
    require(
        chosen in fractions,
        f"--fraction {chosen:g} is no fraction of both {titles[0]} and {titles[1]}: they have "
        f"{', '.join(f'{each:g}' for each in sorted(fractions))} in common.",
    )
    gated, ungated = (sources[chosen] for sources in both)
    _check(gated, ungated)
    numbers = [number for number in gated.models if number in ungated.models]
    size = block_of(gated.fraction)[1]
    require(
        len(numbers) >= 2 * size,
        f"{titles[0]} and --control {titles[1]} have {len(numbers) // size} complete blocks of {size} models in "
        "common, where at least 2 are needed: go on with the command that began them.",
    )
    epochs = np.intersect1d(gated.epochs, ungated.epochs)
    require(
        len(epochs) > 0 and gated.epochs[-1] == ungated.epochs[-1],
        f"{titles[0]} ends at epoch {gated.epochs[-1]}, and --control {titles[1]} at epoch {ungated.epochs[-1]}: "
        f"{_remedy(titles[0])}",
    )
    return Pair(*(_only(source, numbers, epochs) for source in (gated, ungated)))


def verdict(pair: Pair) -> VerdictReport:
    """What the logs of both groups say, and the stored interventions, as far as all models have them.

    Raises:
        MemgateError: a file is damaged, or the logs have other subsets.
    """
    epochs = evenly_apart(pair.gated.epochs)
    samples = pair.gated.splits["train"]
    quantities = _gate_means(pair, epochs)
    gate = pair.gates[-1].upper()
    groups = route_groups(quantities["routed"][-1, -1], cause_groups(samples.cause), gate)
    measured = [_measured(source.runs, pair.epoch) for source in (pair.gated, pair.ungated)]
    whole = all(count == len(pair.gated.models) for count in measured)
    size = len(samples), len(epochs)
    mem = BlockSums.none(size[::-1], pair.gated.fraction)
    taken = block_of(pair.gated.fraction)[0]
    sides = [
        sides_of(_blocks(pair, network, epochs, whole, mem if network == GATED else None), taken, groups)
        for network in (GATED, UNGATED)
    ]
    causes = cause_groups(samples.cause)
    routes = pair.routes
    along, gone = (), ()
    if whole:
        of_networks = zip((GATED, UNGATED), sides, strict=True)
        along = tuple(
            row for network, of in of_networks for row in along_routes(network, of, routes[network], groups)
        )
        cuts = {network: (of[0], of[1]) for network, of in routes.items()}
        gone = gone_without(sides[0], sides[1], cuts, groups, 1 / _classes(pair))
    return verdict_report(
        names=(pair.gated.name, pair.ungated.name),
        models=len(pair.gated.models),
        epoch=pair.epoch,
        samples=len(samples),
        gate=gate,
        compared=compared(sides[0], sides[1], groups, epochs.tolist()),
        correlations=gate_correlations(quantities, pair.gates, epochs.tolist(), mem.scores().mem, causes),
        measured=(measured[0], measured[1]),
        seeds=(pair.gated.runs[0].config.seed, pair.ungated.runs[0].config.seed),
        left_out=len(pair.gated.left_out) + len(pair.ungated.left_out),
        along=along,
        gone=gone,
    )


def probe_pair(pair: Pair, device: str = "auto", batch_size: int | None = None) -> None:
    """Probe the routes of every model of both groups that has no result yet (:func:`probe_missing`)."""
    for source in (pair.gated, pair.ungated):
        probe_missing(source.runs, pair.epoch, device, batch_size)


def _check(gated: LogSource, ungated: LogSource) -> None:
    """Raise MemgateError where two groups cannot be compared."""
    names = gated.name, ungated.name
    mine, theirs = (source.runs[0].config.subset for source in (gated, ungated))
    require(
        mine.seed == theirs.seed,
        f"--control {names[1]} was trained on other subsets than {names[0]} (--subset.seed {theirs.seed}, not "
        f"{mine.seed}): {_remedy(names[0])}",
    )
    samples = [source.splits["train"] for source in (gated, ungated)]
    for column, what in (("sample_id", "training samples"), ("given_label", "given labels")):
        require(
            np.array_equal(*(getattr(each, column) for each in samples)),
            f"--control {names[1]} has other {what} than {names[0]}: {_remedy(names[0])}",
        )
    number = next((number for number in gated.models if number in ungated.models), None)
    if number is not None:
        runs = [source.runs[source.models.index(number)] for source in (gated, ungated)]
        require(
            bool(blocks_of(runs[1].config.model)),
            f"--control {names[1]} cannot be cut: its last block has one unit, so nothing lies beyond the first.",
        )
        remedy = _remedy(names[0])
        check_control(*runs, names=names, remedy=remedy[0].upper() + remedy[1:])


def _remedy(name: str) -> str:
    return f"train one by the command that began {name}, with --model.name resnet and another --name."


def _listed(fractions: Mapping[float, object]) -> str:
    return ", ".join(f"{fraction:g}" for fraction in fractions)


def _only(source: LogSource, numbers: list[int], epochs: NDArray[np.integer]) -> LogSource:
    """The source with some of its models and epochs."""
    places = [source.models.index(number) for number in numbers]
    runs, logs = (tuple(of[place] for place in places) for of in (source.runs, source.logs))
    return replace(source, models=tuple(numbers), runs=runs, logs=logs, epochs=epochs)


def _measured(runs: tuple[Run, ...], epoch: int) -> int:
    """Number of runs with a result of the routing probe."""
    return sum(whole_result(run, epoch) is not None for run in runs)


def _classes(pair: Pair) -> int:
    result = whole_result(pair.gated.runs[0], pair.epoch)
    assert result is not None, "every model was probed"
    return int(result.config["classes"])


def _blocks(
    pair: Pair, network: str, epochs: NDArray[np.integer], with_routes: bool, mem: BlockSums | None
) -> Iterator[Block]:
    """What the models of each block say, from the logs and from the routing probe; ``mem`` adds up the scores."""
    source = pair.gated if network == GATED else pair.ungated
    size = block_of(source.fraction)[1]
    number_of = len(source.models) // size
    for number in console.progress(range(number_of), number_of, f"blocks of {source.name}"):
        signals = read_block(source, number, "train", epochs)
        members = signals.members
        assert members is not None, "signals of train have memberships"
        if network == UNGATED:
            _check_same(pair, number, members)
        if mem is not None:
            mem.add(number, members, signals.right)
        outcomes = {
            (outcome, logged(epoch)): values[:, row]
            for outcome, values in (("right", signals.right), ("p", signals.p_given))
            for row, epoch in enumerate(epochs.tolist())
        }
        if with_routes:
            outcomes |= _routed(source.runs[number * size : (number + 1) * size], pair, pair.routes[network])
        yield members, outcomes


def _check_same(pair: Pair, number: int, members: NDArray[np.bool_]) -> None:
    """Raise MemgateError where the models of a block were trained on other samples in the gated group's logs."""
    theirs = read_block(pair.gated, number, "train", pair.gated.epochs[-1:]).members
    require(
        theirs is not None and np.array_equal(members, theirs),
        f"The logs of --control {pair.ungated.name} have other subsets than those of {pair.gated.name}: "
        f"{_remedy(pair.gated.name)}",
    )


def _routed(
    runs: tuple[Run, ...], pair: Pair, routes: tuple[str, ...]
) -> dict[tuple[str, str], NDArray[np.floating]]:
    """Outcome and route to the values of the models of a block [B, N]."""
    results = [result for run in runs if (result := whole_result(run, pair.epoch)) is not None]
    return {
        (outcome, route): np.stack([row_of(result, route, column).astype(np.float32) for result in results])
        for outcome, column in COLUMNS.items()
        for route in routes
    }


def _gate_means(pair: Pair, epochs: NDArray[np.integer]) -> dict[str, Floats]:
    """Quantity of the gates to its mean over the gated models, [E, G, N]; NaN where no model has a value."""
    shape = len(epochs), len(pair.gates), len(pair.gated.splits["train"])
    total = {name: np.zeros(shape) for name in GATE_QUANTITIES}
    count = {name: np.zeros(shape) for name in GATE_QUANTITIES}
    logs = pair.gated.logs
    for log in console.progress(logs, len(logs), "gates"):
        for row, (_, record) in enumerate(log.records("train", epochs.tolist())):
            known = has_value(record.gate)
            of = {
                "g": record.gate,
                "H": record.entropy,
                "routed": np.where(known, record.flag("routed"), np.nan),
            }
            for name, values in of.items():
                has = ~np.isnan(values)
                total[name][row] += np.where(has, values, 0)
                count[name][row] += has
    with np.errstate(invalid="ignore"):
        return {name: total[name] / count[name] for name in total}
