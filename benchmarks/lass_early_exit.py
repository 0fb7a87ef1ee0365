"""Duration of LASS with early exit of samples that have a critical point, divided by that without, in the same run.

    python benchmarks/lass_early_exit.py --weights resnet20-12fca82f.th --data data/cifar10.npz

The reference is the loop of public code: every image of the batch makes all steps, each with a forward pass, a
backward pass, and a second forward pass that checks whether the prediction has changed. It is compared with
:func:`probes.csr.critical.critical_samples` without and with early exit, and with the first-order method. All of them
alternate; the ratio of the medians is reported.

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
from critical_samples import public_resnet20
from torch import Tensor, nn
from torch.nn import functional

from memgate import console
from probes.csr.config import LASS_ALPHA, LASS_BETA, PAPER_RADIUS, STEPS
from probes.csr.critical import critical_samples

LIMIT = 0.8
BATCH = 64
"""Images per batch of every search: the default of the probe on a CPU."""


def naive_lass(model: nn.Module, images: Tensor, seed: int) -> Tensor:
    """Whether each image is critical, bool [n], by Algorithm 1 of Arpit et al. with their constants."""
    noise = torch.Generator().manual_seed(seed)
    alpha, beta, radius = LASS_ALPHA / 255, LASS_BETA / 255, PAPER_RADIUS / 255
    critical = []
    for origin in images.split(BATCH):
        with torch.no_grad():
            prediction = model(origin).argmax(1)
        is_critical = torch.zeros(len(origin), dtype=torch.bool)
        point = origin
        for _ in range(STEPS["lass"]):
            point = point.detach().requires_grad_()
            loss = functional.cross_entropy(model(point), prediction, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, point)
            step = alpha * gradient.sign() + beta * torch.randn(origin.shape, generator=noise)
            point = torch.clamp(point + step, origin - radius, origin + radius).clamp(0, 1)
            with torch.no_grad():
                is_critical |= model(point).argmax(1) != prediction
        critical.append(is_critical)
    return torch.cat(critical)


def main() -> int:
    """Measure and print the table; the exit code is 1 where early exit is too slow."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = public_resnet20(arguments.weights).eval().requires_grad_(False)
    images = torch.from_numpy(np.load(arguments.data)["test_images"][: arguments.n]).permute(0, 3, 1, 2) / 255
    searches: dict[str, Callable[[], Tensor]] = {
        "naive loop": lambda: naive_lass(model, images, 0),
        "lass, all steps": lambda: _critical(model, images, method="lass", early_exit=False),
        "lass, early exit": lambda: _critical(model, images, method="lass"),
        "first-order": lambda: _critical(model, images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    shares: dict[str, float] = {}
    for round_number in range(arguments.rounds + 1):
        for name, search in searches.items():
            start = time.perf_counter()
            shares[name] = float(search().double().mean())
            if round_number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
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
    """Whether each image is critical, bool [n], by the probe's search."""
    result = critical_samples(model, images, batch_size=BATCH, **options)  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(result.critical[0])


if __name__ == "__main__":
    sys.exit(main())
