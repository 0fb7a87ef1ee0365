"""Critical sample ratios of a public ResNet-20 by every method, their agreement and their cost.

    python benchmarks/critical_samples.py --weights resnet20-12fca82f.th --data data/cifar10.npz

The weights are those of akamaster/pytorch_resnet_cifar10; the data is the file that 'memgate data prepare cifar10'
writes. With --votes (CIFAR-10H, npz 'counts' [10000, 10]) and --cscores (npz 'scores' [50000]), Spearman's rank
correlation of the critical radius with these published measures of difficulty is printed too; --only-ranks omits the
comparison of the methods.
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
from probes.stats.rank_correlation import spearman_interval

RADII = (0.1, 0.3, 1, 2)
"""Radii in grey levels of 255."""
METHODS = {
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
    """Print test accuracy, rank correlations, and the comparison of the methods."""
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

    model = public_resnet20(arguments.weights)
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


def public_resnet20(weights: Path) -> PixelNetwork:
    """The ResNet-20 of akamaster/pytorch_resnet_cifar10: images [b, 3, 32, 32] in [0, 1] to logits [b, 10]."""
    network = ResNet(ModelConfig("resnet", 20, shortcut="pad"), 10)
    load_foreign(network, weights)
    return PixelNetwork(network, AKAMASTER_MEAN, AKAMASTER_STD)


def show_ranks(
    model: PixelNetwork, arrays: Mapping[str, np.ndarray], split: str, name: str, difficulty: np.ndarray
) -> None:
    """Print the rank correlation of the negated critical radius with a difficulty [n] (higher is harder).

    Args:
        model: images in [0, 1] to logits.
        arrays: the data file's arrays.
        split: its first n images are used.
        name: of the difficulty, for the printed line.
        difficulty: one value per image.
    """
    images = torch.from_numpy(arrays[f"{split}_images"][: len(difficulty)]).permute(0, 3, 1, 2)
    result = critical_samples(model, images)
    rho, low, high = spearman_interval(-result.critical_radius, difficulty)
    print(
        f"{split}, {len(difficulty)} images: Spearman of -critical radius with {name} "
        f"{rho:.3f} [{low:.3f}, {high:.3f}]"
    )


def compare(model: PixelNetwork, images: torch.Tensor) -> None:
    """Print a line per method: CSR at each radius, agreement with the last method, gradients, minutes."""
    results, minutes = {}, {}
    for name, options in METHODS.items():
        start = time.perf_counter()
        results[name] = critical_samples(model, images, radius=RADII, **options)
        minutes[name] = (time.perf_counter() - start) / 60
    reference = results[list(METHODS)[-1]].critical
    print(f"radii {RADII} grey levels, {len(images)} images: CSR; same membership as {list(METHODS)[-1]}")
    for name, result in results.items():
        ratios = " ".join(f"{share:6.1%}" for share in result.critical.mean(1))
        same = " ".join(f"{share:6.1%}" for share in (result.critical == reference).mean(1))
        print(
            f"{name:26s} {ratios}   {same}   {result.gradient_evaluations:6d} gradients {minutes[name]:.2f} min"
        )


if __name__ == "__main__":
    main()
