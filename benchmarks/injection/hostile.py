"""Files that somebody made to do harm: they block, fill the memory, point elsewhere, or execute code."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

Hostile = Callable[[Path, Path], object]
"""Replaces the file of a run by a hostile one; the second path is a marker that executed code would write."""

MEGABYTES = 3_000
"""Size of an unpacked zip bomb: more than a child may use, see :data:`injection.child.MEMORY`."""


class _Payload:
    """An object that writes the marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self._marker, "w")


def hostile_files(name: str) -> dict[str, Hostile]:
    """Description to hostile file, of those that can stand in the place of a run's file of this name."""
    files: dict[str, Hostile] = {"FIFO": _fifo, "not text": _bytes}
    suffix = Path(name).suffix
    if suffix == ".json":
        files |= {"nested JSON": _nested, "infinite numbers": _infinite, "huge numbers": _huge, "list": _list}
    if suffix in (".npz", ".pt"):
        files |= {"zip bomb": _bomb, "pickle payload": _pickle, "payload in a zip": _zipped_pickle}
    if suffix == ".h5":
        files |= {"external dataset": _external, "soft links": _soft, "virtual dataset": _virtual}
    if suffix == ".csv":
        files |= {"long line": _long_line, "one column": _one_column}
    return files


def _fifo(path: Path, _marker: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _bytes(path: Path, _marker: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 50)


def _nested(path: Path, _marker: Path) -> None:
    depth = 100_000
    path.write_text('{"schema": ' + "[" * depth + "]" * depth + "}")


def _infinite(path: Path, _marker: Path) -> None:
    _renumbered(path, float("inf"))


def _huge(path: Path, _marker: Path) -> None:
    _renumbered(path, 6_000_002)


def _renumbered(path: Path, number: float) -> None:
    """Replace every number of a JSON file."""

    def renumber(value: object) -> object:
        if isinstance(value, dict):
            return {key: renumber(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [renumber(entry) for entry in value]
        return number if isinstance(value, int | float) and not isinstance(value, bool) else value

    path.write_text(json.dumps(renumber(json.loads(path.read_text()))))


def _list(path: Path, _marker: Path) -> None:
    path.write_text("[1, 2, 3]")


def _bomb(path: Path, _marker: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[0]
    path.write_bytes(_bomb_of(name))


@cache
def _bomb_of(name: str) -> bytes:
    """An archive with one entry, which unpacks to gigabytes of zeros."""
    buffer, block = io.BytesIO(), bytes(1 << 20)
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        for _ in range(MEGABYTES):
            member.write(block)
    return buffer.getvalue()


def _pickle(path: Path, marker: Path) -> None:
    path.write_bytes(pickle.dumps(_Payload(marker)))


def _zipped_pickle(path: Path, marker: Path) -> None:
    """The payload where the reader of this kind of file looks for objects."""
    if path.suffix == ".pt":
        torch.save({"schema": "memgate-checkpoint/1", "model": _Payload(marker), "epoch": 1}, path)
        return
    buffer = io.BytesIO()
    array = np.empty((), object)
    array[()] = _Payload(marker)
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", buffer.getvalue())


def _external(path: Path, _marker: Path) -> None:
    secret = path.with_name("secret.bin")
    secret.write_bytes(bytes(range(256)) * 4000)

    def place(handle: h5py.Group, name: str, old: h5py.Dataset) -> None:
        handle.create_dataset(name, old.shape, old.dtype, external=[(str(secret), 0, old.nbytes)])

    _rebuilt(path, place)


def _soft(path: Path, _marker: Path) -> None:
    def place(handle: h5py.Group, name: str, _old: h5py.Dataset) -> None:
        handle[name] = h5py.SoftLink("/" + name)

    _rebuilt(path, place)


def _virtual(path: Path, _marker: Path) -> None:
    def place(handle: h5py.Group, name: str, old: h5py.Dataset) -> None:
        layout = h5py.VirtualLayout(old.shape, old.dtype)
        layout[...] = h5py.VirtualSource("elsewhere.h5", "values", old.shape)
        handle.create_virtual_dataset(name, layout)

    _rebuilt(path, place)


def _rebuilt(path: Path, place: Callable[[h5py.Group, str, h5py.Dataset], object]) -> None:
    """Replace the first dataset with an axis in every group by what ``place`` makes."""
    with h5py.File(path, "r+", locking=False) as handle:
        names: list[str] = []
        handle.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) and item.shape else None
        )
        first = {name.rpartition("/")[0]: name for name in reversed(names)}
        for name in first.values():
            old: Any = handle[name]
            del handle[name]
            place(handle, name, old)


def _long_line(path: Path, _marker: Path) -> None:
    path.write_text(path.read_text() + "1," * 200_000 + "\n")


def _one_column(path: Path, _marker: Path) -> None:
    path.write_text("epoch\n1\n2\n")
