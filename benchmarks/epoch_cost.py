"""Duration of a memgate epoch divided by that of its forward, backward and optimiser steps alone.

    python benchmarks/epoch_cost.py [--rounds 5] [--depth 20]

The reference repeats forward pass, backward pass and optimiser step on one constant batch. It is compared with
whole epochs of :class:`memgate.training.loop.Training`, from the permutation to the fsync of log and checkpoint:
logged online, and logged by an evaluation pass of the training and the test set. The three alternate, so that a slow
minute of the machine affects all of them; the ratio of their medians is reported. 4,000 training images of 32x32 in
batches of 128. The evaluation pass has 800 test images, CIFAR's proportion. Online logging concerns the training set
only (a test set is always evaluated, at the cost of its forward passes), so its test set has 8 images.

Ends with exit code 1 when a ratio is above its limit: 1.05 online, 1.5 with the pass.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from memgate import console
from memgate.config.run import DataConfig, LogConfig, ModelConfig, RunConfig, TrainConfig
from memgate.log.writer import SampleLogWriter
from memgate.runs.create import create_run
from memgate.runs.held import HeldRun
from memgate.runs.inputs import load_inputs
from memgate.runs.logged import log_layout
from memgate.training.environment import choose_precision, describe
from memgate.training.interrupt import Interrupt
from memgate.training.loader import Batch
from memgate.training.loop import Training
from memgate.training.step import train_step
from memgate.training.tensorboard import TensorBoard

LIMITS = {"online": 1.05, "eval": 1.5}
TRAIN, BATCH = 4000, 128
TEST = {"online": 8, "eval": 800}


def write_images(path: Path, test_images: int) -> None:
    """Write random images; their values do not change the cost of a convolution."""
    draw = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", TRAIN), ("test", test_images)):
        arrays[f"{split}_images"] = draw.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % 8
    np.savez(path, **arrays)


def bare_epoch(training: Training) -> Callable[[], None]:
    """A function that makes an epoch's steps on one batch, and the last step on a part of it."""
    batch = next(training.images["train"].training_batches(0, 1, BATCH))
    full, rest = divmod(TRAIN, BATCH)
    short = Batch(batch.images[:rest], batch.labels[:rest], batch.index[:rest])

    def run() -> None:
        training.state.model.train()
        for number, part in enumerate([batch] * full + [short] * (rest > 0), start=1):
            train_step(training.state, part, number, training.config.train)
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    return run


def logged_epoch(training: Training) -> Callable[[], None]:
    """A function that trains, evaluates, logs and checkpoints the next epoch."""
    board = TensorBoard(training.run.path, False, 0)
    return lambda: training.one_epoch(board)


def main() -> int:
    """Measure and print the table; the exit code is 1 where a ratio is above its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--depth", type=int, default=20)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = RunConfig(
            out=folder,
            model=ModelConfig(depth=arguments.depth),
            train=TrainConfig(
                epochs=arguments.rounds + 1, batch_size=BATCH, precision=choose_precision("auto", device)
            ),
        )
        epochs_by_mode: dict[str, Callable[[], None]] = {}
        for mode in ("online", "eval"):
            write_images(folder / f"{mode}.npz", TEST[mode])
            data = DataConfig(name="npz", root=folder / f"{mode}.npz")
            config = replace(base, name=mode, data=data, log=LogConfig(mode=mode)).resolved()
            inputs = load_inputs(config)
            layout = log_layout(config, inputs)
            run = create_run(config, config, describe(device), inputs.manifests, inputs.digests, layout)
            held = HeldRun(run, SampleLogWriter.open(run.path / "log.h5"))
            training = Training(held, inputs, device, Interrupt())
            epochs_by_mode.setdefault("bare", bare_epoch(training))
            epochs_by_mode[mode] = logged_epoch(training)
        seconds: dict[str, list[float]] = {mode: [] for mode in epochs_by_mode}
        for round_number in range(arguments.rounds + 1):
            for mode, epoch in epochs_by_mode.items():
                start = time.perf_counter()
                epoch()
                if round_number:  # the first round warms up
                    seconds[mode].append(time.perf_counter() - start)
    bare = statistics.median(seconds["bare"])
    failed = False
    console.line(
        f"{device.type}, {torch.get_num_threads()} threads, ResNet-{arguments.depth}, torch {torch.__version__}"
    )
    for mode, times in seconds.items():
        ratio, limit = statistics.median(times) / bare, LIMITS.get(mode)
        failed |= limit is not None and ratio > limit
        spread = f"{min(times):.2f} to {max(times):.2f} s"
        console.line(
            f"{mode:7s} median {statistics.median(times):6.2f} s ({spread}, n {len(times)})  {ratio:.3f}x"
            + (f"  limit {limit}x" if limit else "")
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
