"""Input and output of one operation.

A kind in ``noise.apply.CHOSEN`` is a function Task -> Change; one in ``RENDERED`` makes images for given positions.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

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
        spec: the corruption to carry out.
        images: [N, H, W, C] uint8, always the clean ones: operations do not build on each other.
        labels: [N] int64 in [0, K), always the clean ones, for the same reason.
        class_names: K names.
        sample_id: [N] int64, distinct, 0 or above.
        free: [N] bool, whether no earlier operation on the same target has taken the sample.
        dataset: name under which samples are hashed, such as ``cifar10`` or ``cifar10/test``.
        seed: seed of the corruption.
        sources: name to images uint8 [M, h, w, c] of the data sets that open-set noise may take from.
        grey: whether the data set is grey and its images shall stay grey, see :meth:`render`.
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
    grey: bool = False

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
        """The part of ``dataset`` after the slash; empty for the training split."""
        return self.dataset.partition("/")[2]

    @property
    def rate(self) -> float:
        """The rate of the spec; only for kinds that take one."""
        assert self.spec.rate is not None
        return self.spec.rate

    def order(self) -> NDArray[np.int64]:
        """Positions [N] in the hash order of this kind.

        Rate and parameters are not part of the hash, so a higher rate or another severity starts with the same
        samples, and two runs can be compared sample by sample.
        """
        return hash_order(self.sample_id, self.dataset, self.seed, self.spec.kind)

    def take(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions [n] of the first n = round(rate * len(order)) free samples of ``order``; never fewer.

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
        """Random words [n, count] of the samples at ``positions``; see :func:`noise.streams.sample_words`."""
        return sample_words(self.sample_id[positions], count, self.dataset, self.seed, self.spec.kind)

    def shared_words(self, row: int, count: int) -> NDArray[np.uint64]:
        """Random words [count] that belong to no sample; the same for every split of a data set.

        Streams of different ``row`` never overlap, for a kind that needs several.
        """
        return sample_words(np.array([row]), count, self.data_set, self.seed, self.spec.kind, "shared")[0]

    def render(self, make: Callable[["Task"], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Images [n, H, W, C] that ``make`` returns for this task.

        On grey data ``make`` is given images of one channel, and its result is repeated: a kind that draws for each
        value draws once for all channels. Drawn apart, the corrupted images would be the only ones with colours,
        and a network would tell them by that.
        """
        if not self.grey:
            return make(self)
        images = make(replace(self, images=self.images[..., :1], grey=False))
        return np.repeat(images, self.images.shape[-1], axis=-1)

    def take_in_classes(self, classes: Iterable[int]) -> NDArray[np.int64]:
        """Positions taken in each of ``classes`` separately: exactly round(rate * n) of the n samples of a class.

        Raises:
            NoiseError: a class has too few free samples.
        """
        order = self.order()
        in_order = self.labels[order]
        return np.concatenate([self.take(order[in_order == label]) for label in classes])

    def free_share(self) -> NDArray[np.float64]:
        """Share [K] of the samples of each class that are free; 1 for a class without samples."""
        counts = np.bincount(self.labels, minlength=self.class_count)
        free = np.bincount(self.labels[self.free], minlength=self.class_count)
        return np.where(counts > 0, free / np.maximum(counts, 1), 1.0)

    def relabelled(self, given: NDArray[np.int64], requested: NDArray[np.float64] | None = None) -> "Change":
        """The change that gives every free sample its label in ``given``.

        For kinds that draw or read a label for each sample separately. A sample whose label stays the same counts as
        untouched, so a later operation may still take it.

        Args:
            given: [N] labels in [0, K).
            requested: [K] share of each class to be touched if all its samples were free.
        """
        positions = np.flatnonzero(self.free & (given != self.labels))
        requested = None if requested is None else requested * self.free_share()
        return Change(positions, labels=given[positions], requested=requested)


@dataclass(frozen=True, eq=False)
class Change:
    """Result of one operation.

    Attributes:
        positions: [n] int64, distinct positions of the samples that it touched; all were free.
        labels: [n] int64 given labels; None for an operation that changes no label.
        images: [n, H, W, C] uint8 images; None for an operation that changes no image.
        sources: n texts ``dataset:index`` for images from another data set, else empty.
        requested: [K] share of the samples of each class to be touched, in [0, 1]; None where this is the rate
            itself, or where the kind takes no rate and only the outcome is known.
        convention: id of the convention for a kind with several conventions, else empty.
        files: (name, SHA-256) of every file or image source that was read.
    """

    positions: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    images: NDArray[np.uint8] | None = None
    sources: tuple[str, ...] = ()
    requested: NDArray[np.float64] | None = None
    convention: str = ""
    files: tuple[tuple[str, str], ...] = ()
