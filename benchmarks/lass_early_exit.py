"""What it saves to let each sample leave the search for a critical point as soon as it has one, as ratios in one run.

    python benchmarks/lass_early_exit.py --weights resnet20-12fca82f.th --data data/cifar10.npz

The yardstick is the loop that public code has: every image of the batch makes all steps, each of them a forward
and a backward pass, and another forward pass looks whether the prediction has changed. Against it stand
:func:`probes.csr.critical.critical_samples` without and with early exit. The three alternate; the ratio of the medians
counts.
Also timed: the first-order method on as many images.

Ends with exit code 1 when early exit takes more than 0.8 of the time of the naive loop.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate import console
from memgate.config.run import ModelConfig
from memgate.models.backbones.resnet import ResNet
from memgate.models.pixels import PixelNetwork
from memgate.models.pretrained import AKAMASTER_MEAN, AKAMASTER_STD, load_foreign
from probes.csr.config import LASS_ALPHA, LASS_BETA, PAPER_RADIUS, STEPS
from probes.csr.critical import critical_samples

LIMIT = 0.8
BATCH = 64
"""Of all three: the default of the probe on a CPU."""


def naive_lass(model: nn.Module, images: Tensor, seed: int) -> Tensor:
    """Arpit et al., Algorithm 1, at their constants, batch by batch: who is critical, bool [n]."""
    noise = torch.Generator().manual_seed(seed)
    alpha, beta, radius = LASS_ALPHA / 255, LASS_BETA / 255, PAPER_RADIUS / 255
    critical = []
    for origin in images.split(BATCH):
        with torch.no_grad():
            prediction = model(origin).argmax(1)
        found = torch.zeros(len(origin), dtype=torch.bool)
        there = origin
        for _ in range(STEPS["lass"]):
            there = there.detach().requires_grad_()
            loss = functional.cross_entropy(model(there), prediction, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, there)
            step = alpha * gradient.sign() + beta * torch.randn(origin.shape, generator=noise)
            there = torch.clamp(there + step, origin - radius, origin + radius).clamp(0, 1)
            with torch.no_grad():
                found |= model(there).argmax(1) != prediction
        critical.append(found)
    return torch.cat(critical)


def main() -> int:
    """Measure, print the table, and say whether the limit holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network = ResNet(ModelConfig("resnet", 20, shortcut="pad"), 10)
    load_foreign(network, arguments.weights)
    model = PixelNetwork(network, AKAMASTER_MEAN, AKAMASTER_STD).eval().requires_grad_(False)
    images = torch.from_numpy(np.load(arguments.data)["test_images"][: arguments.n]).permute(0, 3, 1, 2) / 255
    timed: dict[str, Callable[[], Tensor]] = {
        "naive loop": lambda: naive_lass(model, images, 0),
        "lass, all steps": lambda: _critical(model, images, method="lass", early_exit=False),
        "lass, early exit": lambda: _critical(model, images, method="lass"),
        "first-order": lambda: _critical(model, images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    shares: dict[str, float] = {}
    for turn in range(arguments.rounds + 1):
        for name, search in timed.items():
            began = time.perf_counter()
            shares[name] = float(search().double().mean())
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    naive = statistics.median(seconds["naive loop"])
    console.line(f"{arguments.n} images, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, times in seconds.items():
        spread = f"{min(times):.2f} to {max(times):.2f} s, n {len(times)}"
        middle = statistics.median(times)
        console.line(
            f"{name:17s} CSR {shares[name]:.1%}  median {middle:6.2f} s ({spread})  {middle / naive:.3f}x"
        )
    return int(statistics.median(seconds["lass, early exit"]) > LIMIT * naive)


def _critical(model: nn.Module, images: Tensor, **options: object) -> Tensor:
    found = critical_samples(model, images, batch_size=BATCH, **options)  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(found.critical[0])


if __name__ == "__main__":
    sys.exit(main())
