"""A stored result of the gates probe with the labels of its samples: what its filters do, and which samples open them.

No torch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import require
from memgate.log.format import Samples, places_of
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.gates.config import LEARNED, PROBE, gate_sizes, part_name
from probes.gates.filters import CATEGORIES, FilterStatistics, counted
from probes.gates.patterns import opened_by, unpacked
from probes.result import ProbeResult, stored_result


@dataclass(frozen=True, eq=False)
class GatesResult:
    """A result of :func:`probes.gates.run.probe_run` about n samples, F filters and K classes."""

    result: ProbeResult
    samples: Samples
    """Labels and corruption of the samples [n], in the order of the result."""
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, log: SampleLog, result: ProbeResult) -> "GatesResult":
        """A result with what the run's log says about its samples."""
        samples = log.samples(result.split)
        return cls(result, samples.take(places_of(samples.sample_id, result.sample_id)), log.class_names)

    @property
    def sizes(self) -> dict[str, int]:
        """Gate to its number of filters, in the order of the forward pass."""
        return self.result.config["gates"]

    @property
    def count(self) -> int:
        """Number of filters F."""
        return sum(self.sizes.values())

    @property
    def part(self) -> Literal["filter", "unit"]:
        """What a gate opens or closes; see :func:`probes.gates.config.part_name`."""
        return part_name(self.sizes)

    @property
    def routes(self) -> list[str]:
        """Names of the routes; the first is ``learned``."""
        return self.result.config["routes"]

    @property
    def gate_of(self) -> NDArray[np.str_]:
        """Name of the gate of each filter [F]."""
        return np.repeat(list(self.sizes), list(self.sizes.values()))

    @property
    def number(self) -> NDArray[np.int64]:
        """Number of each filter within its gate [F], from 0."""
        return np.concatenate([np.arange(size) for size in self.sizes.values()])

    @cached_property
    def opened(self) -> NDArray[np.bool_]:
        """Whether each filter is open for each sample [F, n]."""
        return unpacked(self.result.values["pattern"], self.count)

    @cached_property
    def number_open(self) -> NDArray[np.int64]:
        """Number of open filters of each sample [n]."""
        return self.opened.sum(axis=0)

    def place(self, gate: str, number: int) -> int:
        """Place of one filter among all F.

        Args:
            gate: name of its gate.
            number: of the filter within the gate, from 0.

        Raises:
            MemgateError: there is no such filter.
        """
        require(gate in self.sizes, f"There is no gate {gate!r}: there are {', '.join(self.sizes)}.")
        require(
            0 <= number < self.sizes[gate],
            f"{gate} has no filter {number}: it has 0 to {self.sizes[gate] - 1}.",
        )
        before = list(self.sizes).index(gate)
        return sum(list(self.sizes.values())[:before]) + number

    def filter(self, gate: str, number: int) -> NDArray[np.bool_]:
        """Whether one filter is open for each sample [n]; arguments as in :meth:`place`."""
        return opened_by(self.result.values["pattern"], self.place(gate, number))

    def row(self, column: str, route: str = LEARNED) -> NDArray:
        """A value along one route [n]: ``macs``, ``prediction``, ``p_given``, ``p_clean`` or ``margin``."""
        return self.result.values[column][self.routes.index(route)]

    @property
    def has_macs(self) -> bool:
        """Whether the samples differ in MACs: the gates close parts, instead of mixing them."""
        return "macs" in self.result.values

    @property
    def cost(self) -> NDArray[np.float64]:
        """What each sample costs [n]: MACs, or open filters where the gates close nothing."""
        return self.row("macs") if self.has_macs else self.number_open.astype(np.float64)

    @cached_property
    def by_given(self) -> FilterStatistics:
        """How the filters are used, by the class of the given label."""
        return counted(self.opened, self.samples.given_label.astype(np.int64), len(self.class_names))

    @cached_property
    def by_clean(self) -> FilterStatistics | None:
        """How the filters are used, by the class of the clean label; None where that is not known."""
        if not self.samples.truth_known:
            return None
        if np.array_equal(self.samples.given_label, self.samples.clean_label):
            return self.by_given
        return counted(self.opened, self.samples.clean_label.astype(np.int64), len(self.class_names))

    @property
    def image_class(self) -> NDArray[np.int64]:
        """The class [n] of which an image is: that of the clean label, or of the given one where that is not known."""
        return self.samples.clean_label.astype(np.int64)

    def filter_table(self) -> pd.DataFrame:
        """One row per filter, in the order of the patterns.

        Returns:
            Columns ``gate``, ``filter`` (from 0 in each gate), ``opened`` (number of samples), ``frequency`` (share of
            the samples), ``category``, ``rare``; ``information_given`` and, where clean labels are known,
            ``information_clean`` (mutual information with the label, in nats) with ``chance_given`` and
            ``chance_clean``, its mean with shuffled labels; ``top_class`` and ``top_share``: the class (of the images,
            by their clean labels where known) with most of the samples that open it, and its share of them.
        """
        use, config = self.by_given, self.result.config
        by_image = self.by_clean or use
        on = use.opened.sum(axis=1)
        top = np.array(self.class_names)[by_image.opened.argmax(axis=1)].tolist()
        columns = {
            "gate": self.gate_of,
            "filter": self.number,
            "opened": on,
            "frequency": use.frequency,
            "category": np.array(CATEGORIES)[use.category(config["always"])],
            "rare": use.rare(config["rare"]),
            "information_given": use.information,
            "chance_given": use.chance,
        }
        if self.by_clean is not None:
            columns |= {"information_clean": self.by_clean.information, "chance_clean": self.by_clean.chance}
        columns |= {
            "top_class": [name if count else None for name, count in zip(top, on.tolist(), strict=True)],
            "top_share": by_image.opened.max(axis=1) / np.where(on > 0, on, np.nan),
        }
        return pd.DataFrame(columns)

    def extremes(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Positions of the samples with the fewest and with the most MACs, the most extreme first; ties by id.

        Without MACs by the number of open filters.

        Args:
            count: samples of each kind, at most.
        """
        ids, cost = self.result.sample_id, self.cost
        return np.lexsort((ids, cost))[:count], np.lexsort((ids, -cost))[:count]


def gates_result(run: Run, split: str = "train", epoch: int | None = None) -> GatesResult:
    """A stored result of ``memgate probe gates``: patterns, costs and answers of each sample.

    Args:
        run: a run that was probed.
        split: a split of it.
        epoch: of the checkpoint; None for the latest that was probed.

    Raises:
        MemgateError: the run has no such split, or no such result.
    """
    return GatesResult.of(run.sample_log(), stored_result(run, PROBE, split, epoch, gate_sizes))
