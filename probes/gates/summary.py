"""Everything that a result of the gates probe says, as numbers, for the tables and for ``--json``. No torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.gates.cost import (
    CostCorrelation,
    GroupCost,
    Hardness,
    cost_correlations,
    cost_of,
    group_costs,
    unit_of,
)
from probes.gates.linear_results import (
    CauseProbe,
    HardnessProbe,
    ProbeAccuracy,
    WrongLabels,
    cause_probes,
    hardness_probes,
    probe_accuracies,
    wrong_labels,
)
from probes.gates.losses import RouteLoss, route_losses
from probes.gates.neighbour_results import Neighbours, neighbours
from probes.gates.stored import GatesResult
from probes.gates.usage import FilterUse, SampleUse, filter_use, sample_use
from probes.result import ProbeResult
from probes.samples.probe_groups import Members, probed_members

EXTREMES = 5
"""Samples with the fewest and with the most MACs that are listed."""


@dataclass(frozen=True)
class Readings:
    """What patterns tell as vectors, see :mod:`probes.gates.analyses`; () and None where a result has no analyses."""

    linear: tuple[ProbeAccuracy, ...]
    wrong_labels: tuple[WrongLabels, ...]
    causes: tuple[CauseProbe, ...]
    hardness: tuple[HardnessProbe, ...]
    neighbours: Neighbours | None
    """Those of some samples may be others, which have no part in the rest."""


@dataclass(frozen=True)
class Layer:
    """How the filters of one gate, or of several, are used."""

    name: str
    """A gate, a block or ``all``."""
    filters: int
    always_on: int
    conditional: int
    always_off: int
    rare: int
    """Open for some sample, but at most for the share ``config["rare"]`` of them."""
    frequency: float
    """Mean share of the samples for which a filter is open."""
    frequencies: tuple[float, float, float]
    """The 10th, 50th and 90th percentile of these shares over the filters."""
    information_given: float
    """Mean over the filters of the mutual information with the given label, less its chance value, in nats."""
    information_clean: float | None
    """Likewise with the clean label; None where it is not known."""


@dataclass(frozen=True)
class RareFilter:
    """A filter that few samples open (the batch-shaping paper's Fig. 7)."""

    gate: str
    filter: int
    """Its number within the gate, from 0."""
    opened: int
    """Samples that open it."""
    excess_information: float
    """Mutual information with the class of the image beyond chance, in nats."""
    classes: dict[str, int]
    """Classes of these samples to their number, the most frequent first."""


@dataclass(frozen=True)
class Sample:
    """A sample with few or many MACs."""

    sample_id: int
    label: str
    """Name of its class."""
    cause: str
    """``clean``, or what is corrupted."""
    cost: float


@dataclass(frozen=True, eq=False)
class GatesSummary:
    """The analyses of one result."""

    layers: tuple[Layer, ...]
    """One per gate."""
    blocks: tuple[Layer, ...]
    """One per block, and ``all``."""
    rare: tuple[RareFilter, ...]
    """Those that say most about the class first."""
    filter_use: FilterUse
    sample_use: SampleUse
    unit: str
    """``MACs``, or ``Open units`` of gates that close nothing."""
    largest: float
    """Cost with everything open."""
    cheapest: tuple[Sample, ...]
    dearest: tuple[Sample, ...]
    groups: tuple[GroupCost, ...]
    open_groups: tuple[GroupCost, ...]
    """As ``groups``, of the number of open filters."""
    correlations: tuple[CostCorrelation, ...]
    open_correlations: tuple[CostCorrelation, ...]
    routes: tuple[RouteLoss, ...]
    linear: tuple[ProbeAccuracy, ...]
    """() where the result has no analyses, like the following."""
    wrong_labels: tuple[WrongLabels, ...]
    linear_causes: tuple[CauseProbe, ...]
    linear_hardness: tuple[HardnessProbe, ...]
    neighbours: Neighbours | None

    @property
    def constant(self) -> bool:
        """Whether every sample has the same cost."""
        return self.cheapest[0].cost == self.dearest[0].cost

    def document(self, view: GatesResult) -> dict[str, Any]:
        """The summary as JSON values, with every filter's numbers and its frequency in each class."""
        result = view.result
        table = view.filter_table()
        return {
            "split": result.split,
            "epoch": result.epoch,
            "checkpoint": result.checkpoint,
            "n": len(result.sample_id),
            "config": dict(result.config),
            **asdict(self),
            "filters": [
                {**row, "frequency_by_class": shares}
                for row, shares in zip(
                    table.to_dict("records"), view.by_given.frequency_by_class.tolist(), strict=True
                )
            ],
        }


def summary_of(run: Run, log: SampleLog, result: ProbeResult, hardness: Sequence[Hardness]) -> GatesSummary:
    """The analyses of a result.

    Args:
        run: the run that was probed.
        log: its log.
        result: of this probe.
        hardness: scores of its samples, in their order; () for no correlations.
    """
    view = GatesResult.of(log, result)
    groups = probed_members(run, log, result, gates=())
    classes, (cost, within) = view.image_class, cost_of(view)
    number = view.number_open.astype(np.float64)
    few, many = view.extremes(EXTREMES)
    told = readings_of(view, groups)
    block = np.array([gate.partition("u")[0] for gate in view.gate_of])
    return GatesSummary(
        layers=tuple(_layer(view, gate, view.gate_of == gate) for gate in view.sizes),
        blocks=(
            *(_layer(view, name, block == name) for name in dict.fromkeys(block.tolist())),
            _layer(view, "all", np.ones(view.count, bool)),
        ),
        rare=_rare(view),
        filter_use=filter_use(view),
        sample_use=sample_use(view),
        unit=unit_of(view),
        largest=float(within[1]),
        cheapest=_listed(view, few, cost),
        dearest=_listed(view, many, cost),
        groups=group_costs(cost, groups, classes, within),
        open_groups=group_costs(number, groups, classes, (0, view.count)),
        correlations=cost_correlations(cost, hardness, groups, classes),
        open_correlations=cost_correlations(number, hardness, groups, classes),
        routes=route_losses(view, groups),
        linear=told.linear,
        wrong_labels=told.wrong_labels,
        linear_causes=told.causes,
        linear_hardness=told.hardness,
        neighbours=told.neighbours,
    )


def readings_of(
    view: GatesResult,
    groups: Members,
    whole: GatesResult | None = None,
    shown: NDArray[np.bool_] | None = None,
) -> Readings:
    """What the patterns of a result tell as vectors.

    Args:
        view: the result, of all samples or of some.
        groups: of its samples.
        whole: the result with all samples, which may be neighbours; None where ``view`` has them.
        shown: samples [n] of ``whole`` whose neighbours are looked at; None for all.
    """
    return Readings(
        probe_accuracies(view),
        wrong_labels(view),
        cause_probes(view),
        hardness_probes(view, groups),
        neighbours(whole or view, shown),
    )


def _layer(view: GatesResult, name: str, filters: NDArray[np.bool_]) -> Layer:
    config, given, clean = view.result.config, view.by_given, view.by_clean
    off, conditional, on = np.bincount(given.category(config["always"])[filters], minlength=3).tolist()
    return Layer(
        name=name,
        filters=int(filters.sum()),
        always_on=on,
        conditional=conditional,
        always_off=off,
        rare=int(given.rare(config["rare"])[filters].sum()),
        frequency=float(given.frequency[filters].mean()),
        frequencies=_percentiles(given.frequency[filters]),
        information_given=float(given.excess_information[filters].mean()),
        information_clean=None if clean is None else float(clean.excess_information[filters].mean()),
    )


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9]).tolist()
    return low, middle, high


def _rare(view: GatesResult) -> tuple[RareFilter, ...]:
    """The rare filters, those that say most about the class first."""
    use = view.by_clean or view.by_given
    telling = use.excess_information
    rows = np.flatnonzero(view.by_given.rare(view.result.config["rare"]))
    gate_of, number_of = view.gate_of, view.number
    return tuple(
        RareFilter(
            gate=str(gate_of[row]),
            filter=int(number_of[row]),
            opened=int(use.opened[row].sum()),
            excess_information=float(telling[row]),
            classes={
                view.class_names[number]: int(use.opened[row, number])
                for number in np.argsort(-use.opened[row], kind="stable")
                if use.opened[row, number]
            },
        )
        for row in rows[np.argsort(-telling[rows], kind="stable")]
    )


def _listed(view: GatesResult, places: NDArray[np.intp], cost: NDArray[np.float64]) -> tuple[Sample, ...]:
    cause, label = view.samples.cause, view.samples.given_label
    return tuple(
        Sample(
            int(view.result.sample_id[place]),
            view.class_names[int(label[place])],
            str(cause[place]),
            float(cost[place]),
        )
        for place in places
    )
