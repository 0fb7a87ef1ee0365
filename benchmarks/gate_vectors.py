"""Size of a file of gate vectors, processor time to write and read it, and what its layout saves against one matrix.

    python benchmarks/gate_vectors.py [--samples 50000] [--depth 20] [--width 1] [--rounds 7]

The patterns are drawn at random. Times are processor time, which other programs on the machine change little: the
median of the rounds, with the file in the page cache. Memory is the largest resident size of this process above what
it had with the packed vectors in memory.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from memgate import console
from memgate.config.model import ModelConfig
from memgate.log.gate_vector_files import SplitVectors, VectorLayout, write_gate_vectors
from memgate.log.gate_vectors import GateVectors, vector_path


def packed_vectors(gates: dict[str, int], samples: int) -> SplitVectors:
    """Random vectors of one split."""
    draw = np.random.default_rng(0)
    patterns = {
        name: draw.integers(0, 256, (samples, -(-count // 8)), np.uint8) for name, count in gates.items()
    }
    return SplitVectors(patterns, np.ones((len(gates), samples), bool))


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of a call in milliseconds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return 1000 * statistics.median(times)


def matrix_milliseconds(vectors: GateVectors, path: Path, gate: str, rounds: int) -> tuple[float, float]:
    """Milliseconds for the rows of one gate, and of one sample, out of one matrix [N, B] of all gates."""
    rows = [vectors.packed("train", name) for name in vectors.gates]
    begin = sum(row.shape[1] for row in rows[: list(vectors.gates).index(gate)])
    part = slice(begin, begin + -(-vectors.gates[gate] // 8))
    with h5py.File(path, "w") as handle:
        handle["matrix"] = np.concatenate(rows, axis=1)
    with h5py.File(path, "r") as handle:
        matrix = handle["matrix"]
        assert isinstance(matrix, h5py.Dataset)
        return milliseconds(lambda: matrix[:, part], rounds), milliseconds(lambda: matrix[7], rounds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    gates = ModelConfig("channel-gate", depth=options.depth, width=options.width).gate_channels
    layout = VectorLayout(gates, {"train": np.arange(options.samples)}, (1,))
    vectors = packed_vectors(gates, options.samples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as name:
        folder, gate = Path(name), list(gates)[-1]
        write = milliseconds(
            lambda: write_gate_vectors(folder, layout, 1, "", {"train": vectors}), options.rounds
        )
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        size = vector_path(folder, 1).stat().st_size
        console.line(f"{options.samples:,} samples, {len(gates)} gates, {sum(gates.values()):,} channels")
        console.line(
            f"file {console.size_text(size)}, of which vectors {console.size_text(layout.vector_bytes())}"
        )
        console.line(f"write {write:.1f} ms, with {console.size_text(memory)} of memory")
        read = GateVectors.open(folder)
        for what, work in {
            "open and check": lambda: GateVectors.open(folder),
            "one filter of all samples": lambda: read.filter("train", gate, 3),
            "all filters of one gate": lambda: read.patterns("train", gate),
            "one sample's pattern": lambda: read.patterns("train", part=slice(7, 8)),
            "everything, gate by gate": lambda: [read.patterns("train", name) for name in gates],
        }.items():
            console.line(f"{what}: {milliseconds(work, options.rounds):.2f} ms")
        of_gate, of_sample = matrix_milliseconds(read, folder / "matrix.h5", gate, options.rounds)
        console.line(
            f"of one matrix instead: rows of a gate {of_gate:.2f} ms, of a sample {of_sample:.2f} ms"
        )
        with h5py.File(vector_path(folder, 1), "r") as handle:
            dataset = handle[f"train/patterns/{gate}"]
            assert isinstance(dataset, h5py.Dataset)
            console.line(
                f"of a gate's own dataset: {milliseconds(lambda: dataset[()], options.rounds):.2f} ms"
            )


if __name__ == "__main__":
    main()
