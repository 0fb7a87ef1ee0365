"""What one operation is given and what it gives back; every kind is a function Task -> Change."""

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
        labels: [N] int64, always the clean ones, for the same reason.
        class_count: K; labels lie in [0, K).
        sample_id: [N] int64, distinct, 0 or above.
        free: [N] bool, samples without an operation of this target so far.
        dataset: name under which samples are hashed.
        seed: seed of the corruption.
    """

    spec: CorruptionSpec
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_count: int
    sample_id: NDArray[np.int64]
    free: NDArray[np.bool_]
    dataset: str
    seed: int

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
        count = exact_count(self.spec.rate, len(order))
        free = order[self.free[order]]
        if count > len(free):
            target = self.spec.target
            raise NoiseError(
                f"{self.spec} needs {count} of {len(order)} samples but only {len(free)} have no {target} "
                f"operation yet: lower the rates of the {target} operations until they fit together."
            )
        return free[:count]

    def words(self, positions: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
        """[n, count] random words of the samples at ``positions``; see :func:`noise.streams.sample_words`."""
        return sample_words(self.sample_id[positions], count, self.dataset, self.seed, self.spec.kind)


@dataclass(frozen=True, eq=False)
class Change:
    """What one operation did.

    Attributes:
        positions: [n] int64, distinct positions of the samples it touched, all of them free.
        values: [n] int64 given labels, or [n, H, W, C] uint8 images.
        severity: 1 to 5 for kinds that have one, else 0.
        sources: [n] ``dataset:index`` of images that came from elsewhere, else empty.
    """

    positions: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.uint8]
    severity: int = 0
    sources: tuple[str, ...] = ()
