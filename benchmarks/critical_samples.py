"""Critical sample ratios of a public ResNet-20 by every method: what agrees with what, and at what cost.

    python benchmarks/critical_samples.py --weights resnet20-12fca82f.th --data data/cifar10.npz

The weights are those of akamaster/pytorch_resnet_cifar10; the data is what 'memgate data prepare cifar10' writes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from memgate.models.foreign import AKAMASTER_MEAN, AKAMASTER_STD, load_foreign
from memgate.models.resnet import ResNet
from probes.csr import critical_samples
from probes.network import PixelNetwork

RADII = (0.1, 0.3, 1, 2)
WAYS = {
    "first-order": {},
    "first-order, 3 others": {"others": 3},
    "first-order, all others": {"others": 9},
    "fgsm": {"method": "fgsm"},
    "lass, 10 steps": {"method": "lass"},
    "pgd, 10 steps": {"method": "pgd", "steps": 10},
    "pgd, 20 steps": {"method": "pgd"},
}


def main() -> None:
    """Print a line per method: CSR at each radius, agreement with the last method, gradients, minutes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    network = ResNet(3, "basic", 10, "pad")
    load_foreign(network, arguments.weights)
    model = PixelNetwork(network, AKAMASTER_MEAN, AKAMASTER_STD)
    arrays = np.load(arguments.data)
    images = torch.from_numpy(arrays["test_images"]).permute(0, 3, 1, 2)
    predictions = critical_samples(model, images).prediction
    print(f"test accuracy {(predictions == arrays['test_labels']).mean():.2%} of {len(images)}")

    found, minutes = {}, {}
    for name, options in WAYS.items():
        started = time.perf_counter()
        found[name] = critical_samples(model, images[: arguments.n], radius=RADII, **options)
        minutes[name] = (time.perf_counter() - started) / 60
    reference = found[list(WAYS)[-1]].critical
    print(f"radii {RADII} grey levels, {arguments.n} images: CSR; same membership as {list(WAYS)[-1]}")
    for name, result in found.items():
        ratios = " ".join(f"{share:6.1%}" for share in result.critical.mean(1))
        same = " ".join(f"{share:6.1%}" for share in (result.critical == reference).mean(1))
        print(
            f"{name:26s} {ratios}   {same}   {result.gradient_evaluations:6d} gradients {minutes[name]:.2f} min"
        )


if __name__ == "__main__":
    main()
