"""Makes an empty ``log.h5``: its layout, the samples of its splits, and its seal."""

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from memgate import __version__
from memgate.log.format import COMMIT, QUANTITIES, SAMPLE_COLUMNS, SCHEMA, STORED_MODES, LogLayout
from memgate.log.seal import user_block, write_seal

PER_DATASET = 768
"""More bytes than HDF5 needs for the header, the place and the meaning of a dataset, or for a group."""

LONGEST = 60_000
"""Characters of the longest text of a fixed length: an HDF5 attribute has at most 64 KiB."""


def _allocate(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """A new dataset with a fixed place in the file; its content is not written (the file system gives zeros)."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype))
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, h5py.h5s.create_simple(shape), plan))


def fixed(value: str) -> bytes | str:
    """A text as the value of an attribute: of a fixed length where HDF5 allows that.

    A text of variable length lies in HDF5's global heap, where damage makes the library loop for ever.
    """
    return np.bytes_(value.encode()) if len(value) < LONGEST and value.isascii() and value else value


def write_layout(handle: h5py.File, layout: LogLayout) -> list[tuple[int, int]]:
    """Write all metadata, and the samples of every split, into an empty file.

    Returns:
        (offset, bytes) in the file of each dataset that the epochs are written to.
    """
    handle.attrs.update(
        schema=fixed(SCHEMA),
        memgate_version=fixed(__version__),
        created_unix=time.time(),
        mode=fixed(STORED_MODES[layout.mode]),
        gates=fixed(json.dumps(layout.gates)),
        class_names=fixed(json.dumps(layout.class_names)),
        splits=fixed(json.dumps(list(layout.splits))),
    )
    changing: list[h5py.Dataset] = []
    handle.create_dataset("epoch", data=np.array(layout.epochs, "i4"))
    names, rows = layout.names(), len(layout.epochs)
    for split, samples in layout.splits.items():
        group = handle.create_group(split)
        for column, dtype in SAMPLE_COLUMNS.items():
            group.create_dataset(column, data=getattr(samples, column).astype(dtype))
        for name in names:
            dataset = _allocate(group, name, layout.shape(split, name), QUANTITIES[name].dtype)
            dataset.attrs["meaning"] = fixed(QUANTITIES[name].meaning)
            if QUANTITIES[name].per_gate:
                dataset.attrs["gates"] = fixed(json.dumps(layout.gates))
            changing.append(dataset)
        commit = handle.create_group(f"commit/{split}")
        commit.attrs["quantities"] = fixed(json.dumps(names))
        for name, dtype in COMMIT.items():
            width = (len(names),) if name == "crc32" else ()
            dataset = _allocate(commit, name, (rows, *width), dtype)
            # HDF5 does not fill an allocated dataset, so the zeros of `done` have to be written.
            dataset[...] = 0
            changing.append(dataset)
    places = ((dataset.id.get_offset(), dataset.id.get_storage_size()) for dataset in changing)
    return [place for place in places if place[1]]


def written_bytes(layout: LogLayout, files: int) -> int:
    """Most bytes that HDF5 writes into an empty log: all but the datasets of the epochs, whose place it only takes.

    Args:
        layout: of the log.
        files: number of files that the seal names.
    """
    names, splits = layout.names(), len(layout.splits)
    samples = sum(len(one) for one in layout.splits.values())
    columns = samples * sum(np.dtype(dtype).itemsize for dtype in SAMPLE_COLUMNS.values())
    rows = len(layout.epochs) * (4 + splits * sum(np.dtype(dtype).itemsize for dtype in COMMIT.values()))
    checksums = len(layout.epochs) * splits * len(names) * np.dtype(COMMIT["crc32"]).itemsize
    per_gate = sum(QUANTITIES[name].per_gate for name in names)
    texts = len(json.dumps(layout.gates)) * (1 + splits * per_gate) + len(json.dumps(layout.class_names))
    headers = PER_DATASET * (2 + splits * (2 + len(names) + len(COMMIT) + len(SAMPLE_COLUMNS)))
    return _start(layout, files) + columns + rows + checksums + texts + headers


def _start(layout: LogLayout, files: int) -> int:
    """Size of the user block in bytes."""
    usual = len(QUANTITIES) - len({"phi"})  # so that logs without it keep the size that they always had
    quantities = max(usual, len(layout.names()))
    return user_block(len(layout.splits) * (quantities + len(COMMIT)), files)


def write_log(target: Path | BinaryIO, layout: LogLayout, files: Mapping[str, str]) -> None:
    """Write an empty log and its seal.

    Args:
        target: the file's path, or a stream that can be read and written.
        layout: of the log.
        files: see :func:`memgate.log.identity.file_digests`.
    """
    start = _start(layout, len(files))
    with h5py.File(target, "w", userblock_size=start) as handle:
        changing = write_layout(handle, layout)
    with target.open("r+b") if isinstance(target, Path) else nullcontext(target) as stream:
        write_seal(stream, SCHEMA, start, changing, files)
