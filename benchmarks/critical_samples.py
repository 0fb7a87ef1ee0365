"""Critical sample ratios of a public ResNet-20 by every method: what agrees with what, and at what cost.

    python benchmarks/critical_samples.py --weights resnet20-12fca82f.th --data data/cifar10.npz

The weights are those of akamaster/pytorch_resnet_cifar10; the data is what 'memgate data prepare cifar10' writes.
With --votes (CIFAR-10H, npz 'counts' [10000, 10]) and --cscores (npz 'scores' [50000]) also Spearman's rank
correlation of the critical radius with other people's hardness; --only-ranks leaves the methods out.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from scipy.stats import entropy

from memgate.config.run import ModelConfig
from memgate.models.backbones.resnet import ResNet
from memgate.models.pixels import PixelNetwork
from memgate.models.pretrained import AKAMASTER_MEAN, AKAMASTER_STD, load_foreign
from probes.csr.critical import critical_samples
from probes.stats.intervals import spearman_interval

RADII = (0.1, 0.3, 1, 2)
WAYS = {
    "first-order, 2 others": {},
    "first-order, runner-up": {"others": 1},
    "first-order, 3 others": {"others": 3},
    "first-order, all others": {"others": 9},
    "fgsm": {"method": "fgsm"},
    "lass, 10 steps": {"method": "lass"},
    "pgd, 10 steps": {"method": "pgd", "steps": 10},
    "pgd, 20 steps": {"method": "pgd"},
}


def main() -> None:
    """Print accuracy, rank correlations, and a line per method: CSR at each radius, agreement, gradients, minutes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--votes", type=Path)
    parser.add_argument("--cscores", type=Path)
    parser.add_argument("--only-ranks", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    network = ResNet(ModelConfig("resnet", 20, shortcut="pad"), 10)
    load_foreign(network, arguments.weights)
    model = PixelNetwork(network, AKAMASTER_MEAN, AKAMASTER_STD)
    arrays = np.load(arguments.data)
    images = torch.from_numpy(arrays["test_images"]).permute(0, 3, 1, 2)
    predictions = critical_samples(model, images).prediction
    print(f"test accuracy {(predictions == arrays['test_labels']).mean():.2%} of {len(images)}")

    if arguments.votes:
        counts = np.load(arguments.votes)["counts"][: arguments.n]
        show_ranks(
            model, arrays, "test", "CIFAR-10H entropy (high is harder)", np.asarray(entropy(counts, axis=1))
        )
    if arguments.cscores:
        scores = np.load(arguments.cscores)["scores"][: arguments.n]
        show_ranks(model, arrays, "train", "C-score (low is harder)", -scores)
    if not arguments.only_ranks:
        compare(model, images[: arguments.n])


def show_ranks(
    model: PixelNetwork, arrays: Mapping[str, np.ndarray], split: str, name: str, hardness: np.ndarray
) -> None:
    """Print how the negated critical radius ranks a split's first samples beside a hardness [n], high is harder."""
    images = torch.from_numpy(arrays[f"{split}_images"][: len(hardness)]).permute(0, 3, 1, 2)
    found = critical_samples(model, images)
    rho, low, high = spearman_interval(-found.critical_radius, hardness)
    print(
        f"{split}, {len(hardness)} images: Spearman of -critical radius with {name} {rho:.3f} [{low:.3f}, {high:.3f}]"
    )


def compare(model: PixelNetwork, images: torch.Tensor) -> None:
    """Print a line per method: CSR at each radius, agreement with the last method, gradients, minutes."""
    found, minutes = {}, {}
    for name, options in WAYS.items():
        started = time.perf_counter()
        found[name] = critical_samples(model, images, radius=RADII, **options)
        minutes[name] = (time.perf_counter() - started) / 60
    reference = found[list(WAYS)[-1]].critical
    print(f"radii {RADII} grey levels, {len(images)} images: CSR; same membership as {list(WAYS)[-1]}")
    for name, result in found.items():
        ratios = " ".join(f"{share:6.1%}" for share in result.critical.mean(1))
        same = " ".join(f"{share:6.1%}" for share in (result.critical == reference).mean(1))
        print(
            f"{name:26s} {ratios}   {same}   {result.gradient_evaluations:6d} gradients {minutes[name]:.2f} min"
        )


if __name__ == "__main__":
    main()
