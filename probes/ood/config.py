"""Options of the out-of-distribution probe: the sets of images and the detectors' settings. No torch."""

from dataclasses import dataclass

from memgate.errors import require

PROBE = "ood"
"""Name of the probe and of its file."""

TEST_SPLIT = "test"
"""The split that is in-distribution."""

PAPER_K = 50
"""k of the k-NN detector: Sun et al. 2022 for CIFAR-10, and OpenOOD for every set."""


@dataclass(frozen=True)
class OodSets:
    """Sets of out-of-distribution images as texts; :func:`probes.ood.sets.parse_sets` checks them for a run."""

    ood: tuple[str, ...] = ()
    """Sets, each NAME=PATH: an .npz file with images or test_images, a folder of pictures, or, named cifar10,
    cifar100 or svhn, the folder that would be --data.root (their test images are taken)."""
    near: tuple[str, ...] = ()
    """Names of sets that count as near. For CIFAR OpenOOD's names are known; other sets are in no group."""
    far: tuple[str, ...] = ()
    """Names of sets that count as far."""


@dataclass(frozen=True)
class OodConfig:
    """Settings of the detectors."""

    n: int = 0
    """Images of the test split and of each set, chosen once by hash; 0 for all."""
    k: int = PAPER_K
    """Which nearest training sample the k-NN detector measures the distance to."""
    support: int = 0
    """Training samples that it looks among, chosen once by hash; 0 for all."""

    def __post_init__(self) -> None:
        require(self.n >= 0, f"n {self.n} is no number of samples: 1 or more, or 0 for all.")
        require(self.k >= 1, f"k {self.k} is no neighbour: 1 or more.")
        require(
            self.support >= 0, f"support {self.support} is no number of samples: 1 or more, or 0 for all."
        )

    @property
    def variant(self) -> str:
        """Name under which results are stored: results of different settings are kept apart and never compared."""
        return f"n{self.n}_k{self.k}_support{self.support}"
