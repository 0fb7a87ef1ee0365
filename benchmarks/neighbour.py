"""Seconds an epoch alone, beside a busy process, and of two trainings at once, for settings of idle threads.

    python benchmarks/neighbour.py [--rounds 3] [--settings default 5000 2000 1000 passive]

PyTorch divides an operation among the threads of libgomp. A thread that has finished waits for the others in a loop
(it spins), in which it keeps its core. That is fast as long as every thread has a core of its own, and slow as soon as
another program needs one: then a thread that waits keeps the one that works from running.

A setting is GOMP_SPINCOUNT (a number), ``default`` (libgomp's own choice) or ``passive`` (OMP_WAIT_POLICY=PASSIVE).
The settings alternate in each round, so that a slow minute of the machine affects all of them. The trainings are
processes of their own that import memgate as a library, which sets nothing. Each has as many threads as the machine
has cores. Printed are medians over the rounds and epochs (of both trainings, where two run at once), without the first
epoch, and their ratios to ``default`` alone. The losses of all trainings are compared: no setting may change a number.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from memgate import console

SITUATIONS = ("alone", "beside a busy process", "two trainings at once")

SETTINGS = ("default", "5000", "2000", "1000", "passive")


def environment(setting: str) -> dict[str, str]:
    """The environment of a training with a setting."""
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    if setting == "passive":
        return {**inherited, "OMP_WAIT_POLICY": "PASSIVE"}
    return inherited if setting == "default" else {**inherited, "GOMP_SPINCOUNT": setting}


@contextlib.contextmanager
def busy_process(wanted: bool) -> Iterator[None]:
    """Context in which another process keeps a core busy."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measured(situation: str, setting: str, size: Mapping[str, int], folder: Path) -> tuple[list[float], list]:
    """Seconds of each epoch but the first, over the trainings of a situation; and the losses of each training."""
    count = 2 if situation == SITUATIONS[2] else 1
    with busy_process(situation == SITUATIONS[1]):
        trainings = []
        for _ in range(count):
            out = tempfile.mkdtemp(dir=folder)
            command = [sys.executable, __file__, "--training", json.dumps({**size, "out": out})]
            trainings.append(
                subprocess.Popen(command, env=environment(setting), stdout=subprocess.PIPE, text=True)
            )
        outputs = [training.communicate()[0] for training in trainings]
    if any(training.returncode for training in trainings):
        raise SystemExit("a training has failed: see its message above")
    rows = [json.loads(output.splitlines()[-1]) for output in outputs]
    return [row["seconds"] for run in rows for row in run[1:]], [[row["loss"] for row in run] for run in rows]


def train_once(size: Mapping[str, int], out: Path) -> list[dict[str, float]]:
    """Train in this process; seconds and training loss of each epoch."""
    import torch

    from memgate.config.run import DataConfig, ModelConfig, RunConfig, TrainConfig
    from memgate.training.loop import train

    torch.set_num_threads(os.cpu_count() or 1)
    draw, count = np.random.default_rng(0), size["images"]
    images = draw.integers(0, 256, (count + 8, 32, 32, 3), np.uint8)
    labels = np.arange(count + 8) % 8
    np.savez(
        out / "data.npz",
        train_images=images[8:],
        train_labels=labels[8:],
        test_images=images[:8],
        test_labels=labels[:8],
    )
    run = train(
        RunConfig(
            name="run",
            out=out,
            device="cpu",
            data=DataConfig(name="npz", root=out / "data.npz"),
            model=ModelConfig(depth=size["depth"]),
            train=TrainConfig(epochs=size["epochs"], checkpoint_every=0),
        )
    )
    return [{"seconds": row["seconds"], "loss": row["train_loss"]} for row in run.metrics()]


def main() -> None:
    """Measure and print a table, one row a situation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--depth", type=int, default=14)
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    parser.add_argument("--training", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.training:
        size = json.loads(arguments.training)
        console.line(json.dumps(train_once(size, Path(size["out"]))))
        return
    size = {"epochs": arguments.epochs, "images": arguments.images, "depth": arguments.depth}
    seconds: dict[tuple[str, str], list[float]] = {}
    losses = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for situation in SITUATIONS:
                for setting in arguments.settings:
                    times, of_runs = measured(situation, setting, size, Path(folder))
                    seconds.setdefault((situation, setting), []).extend(times)
                    losses += of_runs
    base = statistics.median(seconds[SITUATIONS[0], arguments.settings[0]])
    console.line(
        f"ResNet-{arguments.depth}, {arguments.images} images, {os.cpu_count()} cores and threads, "
        f"{arguments.rounds} rounds of {arguments.epochs - 1} epochs; seconds an epoch (ratio to "
        f"{arguments.settings[0]}, alone)"
    )
    for situation in SITUATIONS:
        cells = [statistics.median(seconds[situation, setting]) for setting in arguments.settings]
        shown = "  ".join(
            f"{setting} {cell:.2f} ({cell / base:.2f}x)"
            for setting, cell in zip(arguments.settings, cells, strict=True)
        )
        console.line(f"{situation:22s} {shown}")
    console.line(
        "All trainings have the same losses." if all(one == losses[0] for one in losses) else "LOSSES DIFFER."
    )


if __name__ == "__main__":
    main()
