"""Duration of one training step of each network with gates, divided by that of the same backbone without.

    python benchmarks/step_cost.py [--rounds 15] [--depth 20] [--only channel-gate,fbs] [--batch 0] [--precision auto]

A step is forward pass, losses, backward pass and updates (:func:`memgate.training.step.train_step`) on one batch of
random images of 32x32, with every loss of the gates at work. All networks take turns, so that other load on the
machine affects all of them. The ratio of times is that to the same backbone without gates in the same round: the
median over the rounds, and the first and the third quartile. Training saves nothing by closed gates, because closed
parts are multiplied by 0: the ratio is the price of the gates. MACs are those of an image with everything open.

Every kind of gate is on a ResNet of ``--depth`` layers, in batches of 128 images. GaterNet's gater, a ResNet-20, is on
each of its paper's backbones that a processor core can train, in batches that take it a second or two (:data:`GATERS`;
``--batch 128`` takes batches of 128 for all).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from tabulate import tabulate

from memgate import console
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, SparsityConfig, TrainConfig
from memgate.config.training import Precision
from memgate.data.image_set import ImageSet
from memgate.models.draws import keys_of
from memgate.models.macs import cost_of
from memgate.papers.gaternet import BACKBONES
from memgate.training.environment import choose_precision
from memgate.training.initial import new_state
from memgate.training.loader import Batch
from memgate.training.sparsity import sparsity_losses
from memgate.training.step import train_step

BATCH, CLASSES, SIDE = 128, 10, 32

WARM_UP = 2
"""Rounds before the first that is measured."""

BLEND = SparsityConfig(shaping_schedule="constant", l0=0.1, l0_from=0, l0_until=1)
"""Batch shaping and L0, both at full weight from the second epoch on."""

GATERS = {"resnet56": 64, "preresnet164-narrow": 32, "densenet100-12": 32, "shake-shake-64": 16}
"""Backbone in the rows of GaterNet's paper to the images of a batch."""


@dataclass(frozen=True)
class Network:
    """One line of the table."""

    name: str
    ungated: str
    """Name of the network that it is compared with: the same backbone without gates."""
    batch: int
    """Images of a step."""
    model: ModelConfig
    sparsity: SparsityConfig = field(default_factory=SparsityConfig)

    def config(self, precision: Precision) -> RunConfig:
        """The resolved configuration of its training."""
        train = TrainConfig(epochs=2, batch_size=self.batch, precision=precision)
        run = RunConfig(data=DataConfig(name="npz"), model=self.model, train=train, sparsity=self.sparsity)
        return run.resolved()


def networks(depth: int) -> list[Network]:
    """The lines of the table, each backbone without gates before those that are compared with it."""
    plain = f"resnet-{depth}"
    resnet = ModelConfig("resnet", depth)

    def gated(
        label: str, name: str, gate: GateConfig | None = None, sparsity: SparsityConfig | None = None
    ) -> Network:
        model = replace(resnet, name=name, gate=gate or GateConfig())
        return Network(label, plain, BATCH, model, sparsity or SparsityConfig())

    lines = [
        Network(plain, plain, BATCH, resnet),
        gated("entropy-gate", "entropy-gate"),
        gated("channel-gate, shaping and L0", "channel-gate", sparsity=BLEND),
        gated("channel-gate, L0", "channel-gate", sparsity=replace(BLEND, shaping=0.0)),
        gated("convnet-aig", "convnet-aig", sparsity=SparsityConfig(target_rates=(0.6,))),
        gated("skipnet, ff-2", "skipnet", GateConfig(skip_gate="ff-2")),
        gated("skipnet, recurrent", "skipnet", GateConfig(skip_gate="recurrent")),
        gated("fbs", "fbs", GateConfig(density=0.5)),
        gated(f"gater on {plain}", "gater"),
    ]
    for backbone, batch in GATERS.items():
        model, _ = BACKBONES[backbone]
        lines.append(Network(backbone, backbone, batch, model))
        lines.append(
            Network(
                f"gater on {backbone}", backbone, batch, replace(model, name="gater", backbone=model.name)
            )
        )
    return lines


def chosen(lines: Sequence[Network], beginnings: Sequence[str]) -> list[Network]:
    """The lines whose names begin in one of these ways, and what they are compared with."""
    kept = [line for line in lines if line.name.startswith(tuple(beginnings))]
    names = {line.name for line in kept} | {line.ungated for line in kept}
    return [line for line in lines if line.name in names]


def random_images(count: int) -> ImageSet:
    """Images of random pixels, whose classes follow one another."""
    return ImageSet(
        np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8),
        np.arange(count) % CLASSES,
        np.arange(count),
        tuple("0123456789"),
        "train",
        "random",
        grey=False,
    )


def step_of(config: RunConfig, images: ImageSet, device: torch.device) -> Callable[[], None]:
    """A function that makes one training step of a new network, on the first images."""
    state = new_state(config, images, device)
    losses = sparsity_losses(config, epoch=2, progress=0.0)
    index = torch.arange(config.train.batch_size, device=device)
    pixels = torch.from_numpy(images.images).to(device)[index].float().div(255).permute(0, 3, 1, 2)
    batch = Batch(pixels, torch.from_numpy(images.labels).to(device)[index], index, keys_of(0, index))

    def run() -> None:
        state.model.train()
        train_step(state, batch, 1, config.train, losses)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def measured(steps: Sequence[Callable[[], None]], rounds: int) -> np.ndarray:
    """Seconds of every step in every round [rounds, steps]; the steps take turns."""
    seconds = np.zeros((rounds + WARM_UP, len(steps)))
    for times in seconds:
        for place, step in enumerate(steps):
            start = time.perf_counter()
            step()
            times[place] = time.perf_counter() - start
    return seconds[WARM_UP:]


def rows_of(lines: Sequence[Network], seconds: np.ndarray) -> list[tuple[str, ...]]:
    """The rows of the table."""
    names = [line.name for line in lines]
    macs = [cost_of(line.model, CLASSES, SIDE).total for line in lines]
    rows = []
    for place, line in enumerate(lines):
        plain = names.index(line.ungated)
        times, ratios = 1000 * seconds[:, place], seconds[:, place] / seconds[:, plain]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        compared = place != plain
        rows.append(
            (
                line.name,
                f"{line.batch}",
                f"{np.median(times):.0f}",
                f"{times.min():.0f} to {times.max():.0f}",
                f"{middle:.2f} [{low:.2f}, {high:.2f}]" if compared else "",
                f"{macs[place] / 1e6:.1f}",
                f"{macs[place] / macs[plain]:.2f}" if compared else "",
            )
        )
    return rows


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="steps of each network that are measured")
    parser.add_argument("--depth", type=int, default=20, help="of the ResNet with every kind of gate")
    parser.add_argument("--only", default="", help="beginnings of the networks' names, separated by commas")
    parser.add_argument("--batch", type=int, default=0, help="images of a step; 0: as many as each line has")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = choose_precision(arguments.precision, device)
    lines = chosen(
        networks(arguments.depth), arguments.only.split(",")
    )  # all names begin with the empty text
    lines = [replace(line, batch=arguments.batch or line.batch) for line in lines]
    images = random_images(max(line.batch for line in lines))
    steps = [step_of(line.config(precision), images, device) for line in lines]
    rows = rows_of(lines, measured(steps, arguments.rounds))
    console.line(
        f"{device.type}, {torch.get_num_threads()} threads, {precision}, torch {torch.__version__}, "
        f"n = {arguments.rounds} steps of each network"
    )
    headers = [
        "network",
        "images",
        "median ms a step",
        "range",
        "time x ungated",
        "million MACs",
        "MACs x ungated",
    ]
    console.line(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
