"""Milliseconds per image of networks that compute only open channels, beside dense ones, with the ratio of MACs.

    python benchmarks/sliced.py [--depth 20] [--widths 1,4,10] [--open 100,75,50,25] [--images 100] [--batch 1]
    python benchmarks/sliced.py --run runs/NAME

One thread. For each share of open channels, four networks are measured in turn on the same images, so that other load
on the machine affects all of them:

- sliced: a channel-gated network of which every image opens other channels, drawn at random;
- masked: the same network as it is trained, which multiplies closed channels by 0;
- dense: the same network without gates;
- smaller: a plain network of the same depth, narrower, with as many MACs as the sliced one.

In sliced, dense and smaller, BatchNorm is folded into the convolutions; sliced and masked also make the record of each
gate that is logged. Time is that of a clock on the wall; with ``--clock thread`` it is the processor time of the one
thread, which other load on the machine changes less.

With ``--run``, the gates of a trained network choose, on the run's test images. With ``--batch b`` above 1, images
that open the same channels of a unit are computed together, and time per image is that of the batch divided by b.
``--patterns p`` draws p patterns for each batch; 1 is the simulation of appendix C.2 of the batch-shaping paper, in
which all images of a batch open the same channels (there 128 images on a GPU: ``--batch 128 --device cuda``).
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor

from memgate import console
from memgate.config.run import GateConfig, ModelConfig
from memgate.models import build_model
from memgate.models.gated.folded import folded
from memgate.models.gated.hard_gated import OWN_CHOICE, ChannelRoute
from memgate.models.gated.sliced import sliced
from memgate.models.macs import SampleCost, cost_of, sample_cost
from memgate.runs.run import open_run
from memgate.training.evaluate import loaded
from memgate.training.evaluate_sliced import timed
from memgate.training.loader import DeviceImages

CLASSES, SIDE = 10, 32
CLOCKS = {"wall": time.perf_counter, "thread": time.thread_time}
WARM_UP = 2
"""Batches before the first that is measured."""


@dataclass(frozen=True)
class Case:
    """One line group of the table: a gated network and the batches that it is measured on."""

    label: str
    config: ModelConfig
    model: Any
    cost: SampleCost
    batches: list[tuple[Tensor, ChannelRoute]]
    """Images [b, 3, H, W], and what replaces the gates' choices."""


def forced(config: ModelConfig, opened: float, batch: int, patterns: int, seed: int) -> ChannelRoute:
    """A route that opens a share of the channels of each map, drawn for each of ``patterns`` groups of a batch."""
    draw = torch.Generator().manual_seed(seed)
    route = {}
    for name, channels in config.gate_channels.items():
        order = torch.rand(patterns, channels, generator=draw).argsort(dim=1).argsort(dim=1)
        weights = (order < round(opened * channels)).float()[torch.arange(batch) % patterns]
        route[name] = partial(_other, weights=weights)
    return route


def _other(chosen: Tensor, weights: Tensor) -> Tensor:
    return weights.to(chosen)


def forced_cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """Networks with random weights and a forced share of open channels."""
    device, batch = torch.device(arguments.device), arguments.batch
    for width in arguments.widths:
        config = ModelConfig("channel-gate", arguments.depth, width=width)
        model = build_model(config, CLASSES, 0).eval().to(device)
        cost = sample_cost(config, CLASSES, SIDE)
        assert cost is not None
        images = torch.randn(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device)
        for percent in arguments.open:
            batches = [
                (images, forced(config, percent / 100, batch, min(arguments.patterns or batch, batch), seed))
                for seed in range(max(arguments.images // batch, 1))
            ]
            yield Case(f"width {width:g}, {percent:g} % open", config, model, cost, batches)


def run_case(arguments: argparse.Namespace) -> Case:
    """A trained network, whose gates choose, on test images of its run."""
    run = open_run(arguments.run)
    setting = loaded(run, "last", arguments.device)
    assert setting.cost is not None
    images = DeviceImages(setting.inputs, "test", setting.device)
    chosen = images.evaluation_batches(arguments.batch)
    count = max(arguments.images // arguments.batch, 1)
    batches = [
        (batch.images.contiguous(), OWN_CHOICE) for batch, _ in zip(chosen, range(count), strict=False)
    ]
    return Case(run.name, run.config.model, setting.model.eval(), setting.cost, batches)


def smaller(case: Case, macs: float, classes: int, side: int) -> tuple[ModelConfig, int]:
    """The plain network of the same depth whose MACs are nearest to ``macs``, and its MACs."""
    plain = replace(case.config, name="resnet", gate=GateConfig())
    # MACs grow with the square of the width, except those of stem and head.
    guess = case.config.width * (macs / case.cost.ungated) ** 0.5
    channels = max(case.config.widths.values())
    steps = [round(channels * guess / case.config.width) + step for step in (-1, 0, 1)]
    widths = [case.config.width * step / channels for step in steps if step > 0]
    configs = [replace(plain, width=width) for width in widths]
    costs = [cost_of(config, classes, side).total for config in configs]
    nearest = int(np.argmin([abs(cost - macs) for cost in costs]))
    return configs[nearest], costs[nearest]


def macs_of(case: Case, images: Tensor, route: ChannelRoute) -> Tensor:
    """MACs of each sample of a batch [b], with the channels that the route opens."""
    chosen = {gate.name: gate.channels for gate in case.model(images, route=route).gates}
    return case.cost.of({name: route[name](one) if name in route else one for name, one in chosen.items()})


@torch.inference_mode()
def measured(case: Case, clock: Callable[[], float]) -> list[dict[str, str]]:
    """The lines of a case."""
    images, _ = case.batches[0]
    classes, side = case.model.trunk.head.out_features, images.shape[-1]
    own, dense = sliced(case.model), folded(case.model).trunk
    macs = torch.cat([macs_of(case, *batch) for batch in case.batches])
    config, smaller_macs = smaller(case, macs.mean().item(), classes, side)
    plain = folded(build_model(config, classes, 0, side)).to(images.device)
    networks: Mapping[str, Callable[[tuple[Tensor, ChannelRoute]], Any]] = {
        "sliced": lambda batch: own(batch[0], route=batch[1]),
        "masked": lambda batch: case.model(batch[0], route=batch[1]),
        "dense": lambda batch: dense(batch[0]),
        f"smaller (width {config.width:.3g})": lambda batch: plain(batch[0]),
    }
    counts = (macs.mean().item(), case.cost.total, case.cost.ungated, smaller_macs)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for number, batch in enumerate(case.batches[:WARM_UP] + case.batches):
        for name, network in networks.items():
            _, spent = timed(partial(network, batch), images.device, clock)
            if number >= WARM_UP:
                seconds[name].append(spent / len(batch[0]))
    reference = np.median(seconds["dense"])
    return [
        {
            "network": case.label,
            "as": name,
            "MMACs": f"{count / 1e6:.1f}",
            "MAC ratio": f"{count / case.cost.ungated:.2f}",
            "ms p50": f"{1000 * np.median(times):.2f}",
            "ms p95": f"{1000 * np.percentile(times, 95):.2f}",
            "time ratio": f"{np.median(times) / reference:.2f}",
        }
        for (name, times), count in zip(seconds.items(), counts, strict=True)
    ]


def numbers(text: str) -> list[float]:
    """Numbers between commas."""
    return [float(number) for number in text.split(",")]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--widths", type=numbers, default=[1, 4, 10])
    parser.add_argument(
        "--open", type=numbers, default=[100, 75, 50, 25], help="percent of each unit's channels"
    )
    parser.add_argument("--images", type=int, default=100, help="measured for each line")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--patterns", type=int, default=0, help="in a batch; 0: one for each image")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--clock", default="wall", choices=tuple(CLOCKS))
    parser.add_argument(
        "--run", default=None, help="a run with gates that open and close, instead of random weights"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = [run_case(arguments)] if arguments.run else forced_cases(arguments)
    console.line(
        f"{arguments.device}, 1 thread, {arguments.clock} clock, batch {arguments.batch}, {arguments.images} images a "
        f"line, torch {torch.__version__}"
    )
    rows = [row for case in cases for row in measured(case, CLOCKS[arguments.clock])]
    console.line(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
    slow = [row["network"] for row in rows if row["as"] == "sliced" and float(row["time ratio"]) >= 1]
    console.line(f"Slicing saves no time against the dense network: {'; '.join(slow) or 'nowhere here'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
