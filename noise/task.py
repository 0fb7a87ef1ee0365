"""What one operation is given and what it gives back; every kind is a function Task -> Change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noise.choose import exact_count, hash_order
from noise.errors import NoiseError
from noise.spec import CorruptionSpec
from noise.streams import sample_words


@dataclass(frozen=True, eq=False)
class Task:
    """The clean data and one spec.

    Attributes:
        spec: what to do.
        images: [N, H, W, C] uint8, always the clean ones: no operation sees what another did.
        labels: [N] int64 in [0, K), always the clean ones, for the same reason.
        class_names: K names.
        sample_id: [N] int64, distinct, 0 or above.
        free: [N] bool, samples that no earlier operation of the same target has taken.
        dataset: name under which samples are hashed, such as ``cifar10`` or ``cifar10/test``.
        seed: seed of the corruption.
        sources: name to images uint8 [M, h, w, c] of the data sets that open-set noise may take from.
    """

    spec: CorruptionSpec
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    sample_id: NDArray[np.int64]
    free: NDArray[np.bool_]
    dataset: str
    seed: int
    sources: Mapping[str, NDArray[np.uint8]]

    @property
    def class_count(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def data_set(self) -> str:
        """``dataset`` without its split: the same for every split."""
        return self.dataset.partition("/")[0]

    @property
    def split(self) -> str:
        """What stands after the slash in ``dataset``: empty for the training split."""
        return self.dataset.partition("/")[2]

    @property
    def rate(self) -> float:
        """The spec's rate; only for kinds that take one."""
        assert self.spec.rate is not None
        return self.spec.rate

    def order(self) -> NDArray[np.int64]:
        """[N] positions in the hash order of this kind.

        Rate and parameters are not part of the hash: a higher rate, or another severity, begins with the same
        samples, so that two runs can be compared pair by pair.
        """
        return hash_order(self.sample_id, self.dataset, self.seed, self.spec.kind)

    def take(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first round(rate * len(order)) free samples of ``order``: the exact count or an error.

        Raises:
            NoiseError: earlier operations left too few free samples.
        """
        count = exact_count(self.rate, len(order))
        free = order[self.free[order]]
        if count > len(free):
            target = " or ".join(self.spec.targets)
            raise NoiseError(
                f"{self.spec} needs {count} of {len(order)} samples but only {len(free)} have no {target} "
                f"operation yet: lower the rates of the {target} operations until they fit together."
            )
        return free[:count]

    def words(self, positions: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
        """[n, count] random words of the samples at ``positions``; see :func:`noise.streams.sample_words`."""
        return sample_words(self.sample_id[positions], count, self.dataset, self.seed, self.spec.kind)

    def shared_words(self, row: int, count: int) -> NDArray[np.uint64]:
        """[count] random words that belong to no sample: the same for every split of a data set.

        ``row`` numbers streams that never meet, for a kind that needs several.
        """
        return sample_words(np.array([row]), count, self.data_set, self.seed, self.spec.kind, "shared")[0]

    def take_in_classes(self, classes: Iterable[int]) -> NDArray[np.int64]:
        """:meth:`take` in each of some classes by itself: exactly round(rate * n) of its n samples.

        Raises:
            NoiseError: a class has too few free samples.
        """
        order = self.order()
        in_order = self.labels[order]
        return np.concatenate([self.take(order[in_order == label]) for label in classes])

    def free_share(self) -> NDArray[np.float64]:
        """[K] share of each class that is free; 1 for a class without a sample."""
        counts = np.bincount(self.labels, minlength=self.class_count)
        free = np.bincount(self.labels[self.free], minlength=self.class_count)
        return np.where(counts > 0, free / np.maximum(counts, 1), 1.0)

    def relabelled(self, given: NDArray[np.int64], requested: NDArray[np.float64] | None = None) -> "Change":
        """The change that gives every free sample its label in ``given`` [N], where that is another one.

        For kinds that draw or read a label for each sample by itself: those that keep theirs count as
        untouched, so that another operation may still take them.

        Args:
            given: [N].
            requested: [K] share of each class that was to be touched, had all its samples been free.
        """
        positions = np.flatnonzero(self.free & (given != self.labels))
        asked = None if requested is None else requested * self.free_share()
        return Change(positions, labels=given[positions], requested=asked)


@dataclass(frozen=True, eq=False)
class Change:
    """What one operation did.

    Attributes:
        positions: [n] int64, distinct positions of the samples it touched, all of them free.
        labels: [n] int64 given labels, or None where it leaves them as they are.
        images: [n, H, W, C] uint8, likewise.
        sources: [n] ``dataset:index`` of images that came from elsewhere, else empty.
        requested: [K] share of the samples of each class that was to be touched, in [0, 1]; None where that
            is the rate itself, or where the kind takes no rate and only the outcome is known.
        convention: id of the convention where the kind leaves a choice, else empty.
        files: (name, SHA-256) of every file or image source that it read.
    """

    positions: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    images: NDArray[np.uint8] | None = None
    sources: tuple[str, ...] = ()
    requested: NDArray[np.float64] | None = None
    convention: str = ""
    files: tuple[tuple[str, str], ...] = ()
