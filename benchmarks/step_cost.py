"""Duration of one training step of each network with gates, divided by that of the same backbone without.

    python benchmarks/step_cost.py [--depth 20] [--rounds 21] [--only channel-gate,fbs] [--precision auto]

A step is forward pass, losses, backward pass and updates (:func:`memgate.training.step.train_step`) on one batch of
128 random images of 32x32, with every loss of the gates at work. The networks take turns, so that other load on the
machine affects all of them; the medians and their ratio are reported. Training saves nothing by closed gates, because
closed parts are multiplied by 0: the ratio is the price of the gates.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from tabulate import tabulate

from memgate import console
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, SparsityConfig, TrainConfig
from memgate.data.image_set import ImageSet
from memgate.models.draws import keys_of
from memgate.training.environment import choose_precision
from memgate.training.initial import new_state
from memgate.training.loader import Batch
from memgate.training.sparsity import sparsity_losses
from memgate.training.step import train_step

BATCH = 128
BLEND = SparsityConfig(shaping_schedule="constant", l0=0.1, l0_from=0, l0_until=1)
"""Batch shaping and L0, both at full weight from the second epoch on."""


def configurations(depth: int) -> dict[str, RunConfig]:
    """Name in the table to the configuration of each network, the backbone without gates first."""
    plain = RunConfig(
        data=DataConfig(name="npz"),
        model=ModelConfig(depth=depth),
        train=TrainConfig(epochs=2, batch_size=BATCH),
    )

    def gated(name: str, gate: GateConfig | None = None, sparsity: SparsityConfig | None = None) -> RunConfig:
        model = replace(plain.model, name=name, gate=gate or GateConfig())
        return replace(plain, model=model, sparsity=sparsity or SparsityConfig())

    return {
        "resnet": plain,
        "entropy-gate": gated("entropy-gate"),
        "channel-gate, shaping and L0": gated("channel-gate", sparsity=BLEND),
        "channel-gate, L0": gated("channel-gate", sparsity=replace(BLEND, shaping=0.0)),
        "convnet-aig": gated("convnet-aig", sparsity=SparsityConfig(target_rates=(0.6,))),
        "skipnet, ff-2": gated("skipnet", GateConfig(skip_gate="ff-2")),
        "skipnet, recurrent": gated("skipnet", GateConfig(skip_gate="recurrent")),
        "fbs": gated("fbs", GateConfig(density=0.5)),
    }


def step_of(config: RunConfig, batch: Batch, images: ImageSet, device: torch.device) -> Callable[[], None]:
    """A function that makes one training step of a new network."""
    state = new_state(config, images, device)
    losses = sparsity_losses(config, epoch=2, progress=0.0)

    def run() -> None:
        state.model.train()
        train_step(state, batch, 1, config.train, losses)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--only", default="", help="beginnings of the networks' names, separated by commas")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    draw = np.random.default_rng(0)
    images = ImageSet(
        draw.integers(0, 256, (BATCH, 32, 32, 3), np.uint8),
        np.arange(BATCH) % 10,
        np.arange(BATCH),
        tuple("0123456789"),
        "train",
        "random",
        grey=False,
    )
    pixels = torch.from_numpy(images.images).to(device).float().div(255).permute(0, 3, 1, 2)
    index = torch.arange(BATCH, device=device)
    batch = Batch(pixels, torch.from_numpy(images.labels).to(device), index, keys_of(0, index))
    precision = choose_precision(arguments.precision, device)
    prefixes = tuple(arguments.only.split(","))  # every name begins with the empty text
    steps = {}
    for name, config in configurations(arguments.depth).items():
        if name == "resnet" or name.startswith(prefixes):
            resolved = replace(config, train=replace(config.train, precision=precision)).resolved()
            steps[name] = step_of(resolved, batch, images, device)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(arguments.rounds + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= 2:  # the first rounds warm up
                seconds[name].append(time.perf_counter() - start)
    plain = statistics.median(seconds["resnet"])
    rows = [
        (
            name,
            f"{1000 * statistics.median(times):.1f}",
            f"{1000 * min(times):.1f} to {1000 * max(times):.1f}",
            f"{statistics.median(times) / plain:.2f}",
        )
        for name, times in seconds.items()
    ]
    console.line(
        f"{device.type}, {torch.get_num_threads()} threads, ResNet-{arguments.depth}, {precision}, "
        f"torch {torch.__version__}, n = {arguments.rounds} steps of {BATCH} images each"
    )
    console.line(tabulate(rows, ["network", "median ms a step", "range", "x ungated"], disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
