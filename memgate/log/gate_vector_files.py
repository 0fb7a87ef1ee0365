"""Writes ``gates_epoch_NNN.h5``, a file for each chosen epoch, whole or not at all (:mod:`memgate.log.gate_vectors`).

A file depends on its content alone, so an epoch that is trained again on the CPU gives the same bytes.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from memgate.console import size_text
from memgate.errors import require
from memgate.log.gate_vectors import SCHEMA, ids_digest, kept_epochs, packed_bytes, vector_path
from memgate.log.new_file import fixed
from memgate.log.sealed_content import sealed_content
from noise.files.atomic import atomic_write, sync_folder

METADATA = (4096, 4096, 512)
"""Largest number of bytes of a file that are no vectors: of the file, of each split, and of each dataset."""


@dataclass(frozen=True, eq=False)
class SplitVectors:
    """Binary vectors of the N samples of a split, packed."""

    patterns: Mapping[str, NDArray[np.uint8]]
    """Name of a gate to [N, ceil(C / 8)]: a bit per channel, 1 where it is open, as of ``numpy.packbits(axis=1)``."""
    known: NDArray[np.bool_]
    """[G, N] whether a gate's vector of a sample is known; the bits are 0 where it is not."""


@dataclass(frozen=True)
class VectorLayout:
    """Content of the files of a run's gate vectors, fixed before the first epoch."""

    gates: Mapping[str, int]
    """Name of a gate to its number of channels C."""
    splits: Mapping[str, NDArray[np.int64]]
    """Name of a split to its sample ids [N], in the order of the log."""
    epochs: tuple[int, ...]
    """Epochs that get a file, counted from 1."""

    def bytes(self) -> int:
        """Largest size of one file in bytes: the vectors, and at most :data:`METADATA`."""
        per_file, per_split, per_dataset = METADATA
        return (
            self.vector_bytes()
            + per_file
            + len(self.splits) * (per_split + per_dataset * (len(self.gates) + 1))
        )

    def vector_bytes(self) -> int:
        """Size of the vectors in one file in bytes."""
        pattern = sum(packed_bytes(count) for count in self.gates.values())
        return sum(
            len(ids) * pattern + len(self.gates) * packed_bytes(len(ids)) for ids in self.splits.values()
        )

    @property
    def size_note(self) -> str:
        """The size of all files as the end of a list; empty where there are none."""
        if not self.epochs:
            return ""
        count = len(self.epochs)
        return f", gate vectors of {count} epoch{'s' * (count > 1)} up to {size_text(count * self.bytes())}"

    def check_space(self, folder: Path) -> None:
        """Raise MemgateError where the disk of a folder has too little space for the files of all epochs."""
        needed, free = len(self.epochs) * self.bytes(), shutil.disk_usage(folder).free
        require(
            needed <= free,
            f"The gate vectors of {len(self.epochs):,} epochs need {size_text(needed)} and {size_text(free)} are free "
            f"on the disk of {folder.parent}: free some space, or keep fewer with --log.gates last.",
        )


def write_gate_vectors(
    folder: Path, layout: VectorLayout, epoch: int, log: str, vectors: Mapping[str, SplitVectors]
) -> None:
    """Write the vectors of one epoch; the file is whole or, after a kill at any moment, what it was before.

    Args:
        folder: of the run.
        layout: of the file.
        epoch: counted from 1.
        log: identity of the run's log.
        vectors: split to its vectors, of every split of the layout.

    Raises:
        OSError: the disk is full or gone.
    """
    content = _content(layout, epoch, log, vectors)
    atomic_write(vector_path(folder, epoch), lambda stream: stream.write(content))


def keep(folder: Path, last_epoch: int) -> None:
    """Remove the vectors of the epochs after ``last_epoch``, which are going to be trained again.

    Raises:
        OSError: the folder is not writable.
    """
    for epoch in kept_epochs(folder):
        if epoch > last_epoch and not vector_path(folder, epoch).is_dir():
            vector_path(folder, epoch).unlink(missing_ok=True)
    sync_folder(folder)


def _content(layout: VectorLayout, epoch: int, log: str, vectors: Mapping[str, SplitVectors]) -> memoryview:
    """The bytes of a file; arguments as of :func:`write_gate_vectors`."""

    def fill(handle: h5py.File) -> None:
        handle.attrs.update(
            epoch=epoch,
            log=fixed(log),
            gates=fixed(json.dumps(dict(layout.gates))),
            splits=fixed(json.dumps(list(layout.splits))),
        )
        for split, ids in layout.splits.items():
            group, values = handle.create_group(split), vectors[split]
            group.attrs.update(samples=len(ids), sample_id_sha256=fixed(ids_digest(ids)))
            for name in layout.gates:
                group.create_dataset(f"patterns/{name}", data=values.patterns[name])
            group.create_dataset("known", data=np.packbits(values.known, axis=1))

    return sealed_content(SCHEMA, fill)
