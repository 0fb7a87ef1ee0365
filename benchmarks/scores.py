"""Seconds and peak memory of computing every score of a long log, in a separate process.

    python benchmarks/scores.py [--samples 50000] [--epochs 300] [--folder /tmp] [--chunks 4096]

The log has one gate and about 33 bytes per sample and epoch: 0.5 GB in --folder, deleted at the end. It is in the page
cache when it is read, unless the machine has little memory. The whole process is measured: imports, checksums of every
row, the table.

Ends with exit code 1 when a run takes more than 20 s or 2 GiB.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from memgate.log.format import FLAGS, EpochRecord, LogLayout, Samples, logged_epochs
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from probes.dynamics.snapshot import Snapshot
from probes.dynamics.summary import SAMPLES_PER_CHUNK, summary_table

SECONDS, GIB = 20, 2
CLASSES = 10


def write_log(path: Path, n: int, epochs: int) -> None:
    """Write a log of decreasing losses, with a fifth of the labels wrong."""
    clean = np.arange(n) % CLASSES
    given = np.where(np.arange(n) % 5 == 0, (clean + 1) % CLASSES, clean)
    none = np.zeros(n, np.int16)
    samples = Samples(np.arange(n), given, clean, none, none, none)
    names = tuple(map(str, range(CLASSES)))
    layout = LogLayout({"train": samples}, ("b3",), logged_epochs(epochs, 1), "eval", names)
    SampleLogWriter.create(path, layout)
    writer = SampleLogWriter.open(path)
    for epoch in layout.epochs:
        writer.write(epoch, {"train": record(samples, epoch / epochs)})
    writer.close()


def record(samples: Samples, progress: float) -> EpochRecord:
    """Simulated values of one epoch; ``progress`` from 0 to 1. Wrong labels are fitted later than clean ones."""
    n, draw = len(samples), np.random.default_rng(int(progress * 1e6))
    wrong = samples.given_label != samples.clean_label
    margin = draw.normal(np.where(wrong, 10 * progress - 5, 8 * progress), 2).astype(np.float32)
    p = 1 / (1 + np.exp(-margin))
    entropy = draw.random(n, np.float32) * np.float32(np.log(CLASSES))
    gate = 1 / (1 + np.exp(4 - 3.478 * entropy))
    pred = np.where(margin > 0, samples.given_label, samples.clean_label)
    flags = FLAGS["seen"] + FLAGS["correct_given"] * (margin > 0) + FLAGS["routed"] * (gate > 0.5)
    return EpochRecord(
        gate=gate[None], entropy=entropy[None], gate_pred=pred[None], flags=flags[None], loss=-np.log(p),
        margin=margin, p_given=p, el2n=1 - p, out_entropy=entropy, pred=pred,
    )  # fmt: skip


def measure(path: Path, chunk: int) -> None:
    """Print peak memory in GiB, processor seconds and the number of columns as JSON; called in a new process."""
    log = SampleLog(path)
    snapshot = Snapshot(log, "train", log.epochs("train"), log.samples("train"))
    table = summary_table(snapshot, (), chunk)
    used = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "gib": used.ru_maxrss / 2**20,
        "cpu": used.ru_utime + used.ru_stime,
        "columns": len(table.columns),
    }
    print(json.dumps(measured))


def main() -> int:
    """Print a line per chunk size; the exit code is 0 if all are within the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--chunks", type=int, nargs="*", default=[SAMPLES_PER_CHUNK])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.chunks[0])
        return 0
    slow = False
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "log.h5"
        write_log(path, arguments.samples, arguments.epochs)
        size = path.stat().st_size / 1e9
        print(f"{arguments.samples:,} samples x {arguments.epochs} epochs, {size:.2f} GB", flush=True)
        for chunk in arguments.chunks:
            command = [sys.executable, __file__, "--measure", str(path), "--chunks", str(chunk)]
            start = time.perf_counter()
            process = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, measured = time.perf_counter() - start, json.loads(process.stdout)
            slow |= seconds > SECONDS or measured["gib"] > GIB
            print(
                f"chunks of {chunk:6d}: {seconds:5.1f} s ({measured['cpu']:.1f} s of processor time), "
                f"peak {measured['gib']:.2f} GiB, {measured['columns']} columns",
                flush=True,
            )
    print(f"limits {SECONDS} s and {GIB} GiB: {'exceeded' if slow else 'kept'}")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
