"""What each filter does over samples: how often it is open, for which classes, and what it says about the class.

A pattern holds for each of F filters whether it is open for a sample. No torch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics.cluster import expected_mutual_information

from memgate.errors import require
from probes.gates.patterns import CHUNK, is_rare

Category = Literal["always off", "conditional", "always on"]

CATEGORIES: tuple[Category, ...] = ("always off", "conditional", "always on")
"""Names of the categories, by their number."""


@dataclass(frozen=True, eq=False)
class FilterStatistics:
    """How F filters are used over n samples of K classes; n is at least 1.

    Example:
        >>> import numpy as np
        >>> import probes
        >>> use = probes.FilterStatistics(opened=np.array([[2, 2], [0, 2]]), samples=np.array([2, 2]))
        >>> use.n
        4
    """

    opened: NDArray[np.int64]
    """Samples of each class for which each filter is open [F, K]."""
    samples: NDArray[np.int64]
    """Samples of each class [K]."""

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.samples.sum())

    @property
    def frequency(self) -> NDArray[np.float64]:
        """Share of the samples for which each filter is open [F], in [0, 1] (the batch-shaping paper's Fig. 6)."""
        return self.opened.sum(axis=1) / self.n

    @property
    def frequency_by_class(self) -> NDArray[np.float64]:
        """Share of each class's samples for which each filter is open [F, K]; NaN for a class without samples."""
        return self.opened / np.where(self.samples == 0, np.nan, self.samples)

    def category(self, always: float = 0.99) -> NDArray[np.int8]:
        """Number of each filter's category in :data:`CATEGORIES` [F] (the batch-shaping paper's Fig. 5).

        Args:
            always: a filter is always on where it is on for more than this share of the samples, always off where it
                is off for more.
        """
        on = self.opened.sum(axis=1)
        # Compared as counts, since 1 - 0.99 is not 0.01.
        return np.select([on > always * self.n, self.n - on > always * self.n], [2, 0], 1).astype(np.int8)

    def rare(self, most: float = 0.05) -> NDArray[np.bool_]:
        """Whether each filter is open for some sample, but for at most the share ``most`` of them [F]."""
        return is_rare(self.opened.sum(axis=1), self.n, most)

    @cached_property
    def information(self) -> NDArray[np.float64]:
        """Mutual information of each filter's state and the class [F], in nats, in [0, ln 2]; 0 where it says nothing.

        The plug-in estimate, which is above 0 by chance: subtract :attr:`chance`. Cover and Thomas 2006, section 2.3.
        """
        joint = np.stack([self.opened, self.samples - self.opened]) / self.n  # [2, F, K]
        expected = joint.sum(axis=2, keepdims=True) * self.samples / self.n
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(joint > 0, joint * np.log(joint / expected), 0)
        return np.maximum(terms.sum(axis=(0, 2)), 0)

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """Expected mutual information [F], in nats, if the labels were shuffled among the samples.

        The exact mean over all permutations (Vinh et al. 2010, "Information theoretic measures for clusterings
        comparison", eq. 24a, as in adjusted mutual information), so that no draws are needed.
        """
        on = self.opened.sum(axis=1)
        present = self.samples[self.samples > 0]
        means = {count: self._expected(count, present) for count in set(on.tolist())}
        return np.array([means[count] for count in on.tolist()])

    @property
    def excess_information(self) -> NDArray[np.float64]:
        """Mutual information beyond chance [F], in nats: about 0 (of either sign) for a filter that knows no class."""
        return self.information - self.chance

    def _expected(self, on: int, samples: NDArray[np.int64]) -> float:
        if on in (0, self.n) or len(samples) < 2:
            return 0.0
        # Only the sums of the rows and columns of this table are read; every table with these sums has the same mean.
        first = np.diff(np.minimum(np.cumsum(samples), on), prepend=0)
        return float(expected_mutual_information(np.stack([first, samples - first]), self.n))


def filter_statistics(patterns: ArrayLike, labels: ArrayLike, classes: int | None = None) -> FilterStatistics:
    """How often each of F filters is open, by class, from anybody's patterns and labels.

    Args:
        patterns: [n, F], a filter is open where it is above 0: bool, 0 and 1, or weights.
        labels: class numbers [n], 0 or above.
        classes: number of classes K; None for the largest label plus 1.

    Raises:
        MemgateError: there are no samples, the shapes differ, or a label is no class.

    Example:
        >>> import probes
        >>> use = probes.filter_statistics([[1, 0], [1, 0], [1, 1], [1, 1]], [0, 0, 1, 1])
        >>> use.frequency.tolist(), use.category().tolist(), use.information.round(3).tolist()
        ([1.0, 0.5], [2, 1], [0.0, 0.693])
    """
    values, numbers = np.asarray(patterns), np.asarray(labels)
    require(
        values.ndim == 2 and numbers.shape == (len(values),) and len(values) > 0,
        f"patterns of the shape {values.shape} and labels of the shape {numbers.shape} must be [n, F] and [n] of the "
        "same samples, n at least 1.",
    )
    require(
        np.issubdtype(numbers.dtype, np.integer)
        and numbers.min() >= 0
        and numbers.max() < (classes or np.inf),
        f"labels {numbers.dtype} must be class numbers, 0 or above"
        + ("." if classes is None else f", below the {classes} classes."),
    )
    return counted((values > 0).T, numbers, classes or int(numbers.max()) + 1)


def counted(opened: NDArray[np.bool_], labels: NDArray[np.integer], classes: int) -> FilterStatistics:
    """The statistics of patterns [F, n] with labels [n] of K classes."""
    counts = np.zeros((len(opened), classes), np.int64)
    for start in range(0, len(labels), CHUNK):
        part = slice(start, start + CHUNK)
        member = labels[part, None] == np.arange(classes)
        # float32 counts exactly up to 2^24 samples, and a chunk has fewer.
        counts += (opened[:, part].astype(np.float32) @ member.astype(np.float32)).astype(np.int64)
    return FilterStatistics(counts, np.bincount(labels, minlength=classes).astype(np.int64))
