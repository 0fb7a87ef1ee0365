"""Seconds and peak memory of estimating memorisation from a large group, in a separate process.

    python benchmarks/memorisation.py [--samples 50000] [--test 10000] [--models 256] [--epochs 30] [--folder /tmp]

The group has made-up signals and is written by the program's own writers: a folder, a manifest and a log of 9 bytes
for each sample and epoch for every model (4.2 GB with the defaults, in --folder, deleted at the end). A fifth of the
labels is wrong and memorised in the second half of the epochs. The whole command is measured: imports, checksums of
every row of every log, scores at all epochs, attacks at the last, influence, the file. Logs are in the page cache when
they are read, if it is large enough.

Ends with exit code 1 when it takes more than a minute or 2 GiB.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from memgate.config.run import DataConfig, LogConfig, ModelConfig, RunConfig, SubsetConfig, TrainConfig
from memgate.data.subset_masks import members
from memgate.log.format import FLAGS, EpochRecord, Samples
from memgate.log.writer import SampleLogWriter
from memgate.runs.create import create_run
from memgate.runs.inputs import load_inputs
from memgate.runs.logged import log_layout
from memgate.sweeps.grid import record
from memgate.sweeps.subsets import plan_group

SECONDS, GIB = 60, 2
CLASSES, SIDE = 10, 8


def write_group(folder: Path, samples: int, test: int, models: int, epochs: int) -> None:
    """Write the runs of a group with made-up logs under ``folder/runs``."""
    draw = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", samples), ("test", test)):
        arrays[f"{split}_images"] = draw.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
        arrays[f"{split}_labels"] = draw.integers(0, CLASSES, count)
    np.savez(folder / "data.npz", **arrays)
    base = RunConfig(
        name="group",
        out=folder / "runs",
        noise=("symmetric:0.2",),
        device="cpu",
        data=DataConfig(name="npz", root=folder / "data.npz"),
        model=ModelConfig(name="resnet"),
        train=TrainConfig(epochs=epochs),
        log=LogConfig(quantities="memorisation"),
    )
    group, configs = plan_group("quickstart", base, models, (0.5,))
    inputs = load_inputs(replace(base, subset=SubsetConfig(model=0)).resolved())
    splits = {split: inputs.samples(split) for split in inputs.splits}
    mask = members(splits["train"].sample_id, models, 0.5, 0)
    levels = {split: draw.normal(1, 1.5, len(of)).astype(np.float32) for split, of in splits.items()}
    record(group, folder / "runs")
    for model, config in enumerate(configs):
        resolved = config.resolved()
        layout = log_layout(resolved, inputs)
        environment = {"command": ["memgate", "train"], "device": "cpu", "threads": 1, "started_unix": model}
        run = create_run(resolved, config, environment, inputs.manifests, inputs.digests, layout)
        writer = SampleLogWriter.open(run.path / "log.h5")
        for epoch in layout.epochs:
            records = {
                split: made_up(
                    of, levels[split], mask[model] if split == "train" else None, epoch / epochs, draw
                )
                for split, of in splits.items()
            }
            writer.write(epoch, records)
        writer.close()
        run.set_status("complete", epochs)


def made_up(
    samples: Samples,
    level: np.ndarray,
    trained: np.ndarray | None,
    progress: float,
    draw: np.random.Generator,
) -> EpochRecord:
    """One epoch of a model: clean samples are fitted by all models, wrong labels late by those that have seen them."""
    wrong = samples.given_label != samples.clean_label
    seen = np.zeros(len(samples), bool) if trained is None else trained
    phi = np.where(wrong, -3 + 6 * seen * (progress > 0.5), level * progress + 0.3 * seen)
    phi = (phi + draw.standard_normal(len(samples), np.float32)).astype(np.float32)
    none = np.full(len(samples), np.nan, np.float32)
    flags = FLAGS["seen"] + FLAGS["correct_given"] * (phi > 0) + FLAGS["trained"] * seen
    return EpochRecord(
        gate=none[None][:0], entropy=none[None][:0], gate_pred=none[None][:0].astype(np.uint16),
        flags=flags.astype(np.uint8)[None], loss=none, margin=none, p_given=1 / (1 + np.exp(-phi)), el2n=none,
        out_entropy=none, pred=np.zeros(len(samples), np.uint16), phi=phi,
    )  # fmt: skip


def main() -> int:
    """Print the tables, seconds and memory; the exit code is 0 if both are within their limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("samples", 50_000), ("test", 10_000), ("models", 256), ("epochs", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_group(folder, arguments.samples, arguments.test, arguments.models, arguments.epochs)
        command = [
            sys.executable,
            "-m",
            "memgate",
            "probe",
            "memorisation",
            "group",
            "--out",
            folder / "runs",
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        size = (folder / "runs" / "group.memorisation.h5").stat().st_size
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    gib = used.ru_maxrss / 2**20
    print(
        f"\n{seconds:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of processors), {gib:.2f} GiB at most, "
        f"result {size / 1e6:.1f} MB"
    )
    return int(seconds > SECONDS or gib > GIB)


if __name__ == "__main__":
    sys.exit(main())
