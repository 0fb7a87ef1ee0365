"""Deterministic, atomic ``.npz`` files: equal arrays give equal bytes."""

import io
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError
from noise.files.atomic import atomic_write

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every entry; the real time would make files of equal arrays differ."""


DAMAGED = (
    zipfile.BadZipFile, zlib.error, tokenize.TokenError, ValueError, EOFError, NotImplementedError, RuntimeError,
    MemoryError, OverflowError,
)  # fmt: skip
"""Exceptions that a damaged file may raise, from the archive or from the header of an array."""


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to ``path`` atomically and deterministically; ``numpy.load`` reads the result.

    Raises:
        NoiseError: the file cannot be written; an existing file is then unchanged.
    """
    try:
        atomic_write(path, lambda stream: write_arrays(stream, arrays.items()))
    except OSError as error:
        raise NoiseError(
            f"{path} cannot be written ({error.strerror}): check the folder and the disk."
        ) from error


def write_arrays(stream: BinaryIO, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write named arrays as ``.npz`` one after another, so that only one needs to be in memory.

    Entries are stored without compression, because compressed bytes depend on the zlib version.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays:
            with archive.open(_entry(f"{name}.npy"), "w", force_zip64=True) as member:
                # Not ascontiguousarray: it would turn an array without dimensions (the header) into one of length 1.
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def write_zip(stream: BinaryIO, folder: Path, name: str) -> None:
    """Write the files of a folder as a deterministic ``.zip`` that holds a folder ``name``."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = _entry(f"{name}/{path.relative_to(folder).as_posix()}")
            with archive.open(entry, "w", force_zip64=True) as member, path.open("rb") as file:
                shutil.copyfileobj(file, member)


def _entry(name: str) -> zipfile.ZipInfo:
    """An archive entry that does not depend on time or machine."""
    information = zipfile.ZipInfo(name, EPOCH)
    information.create_system = 3
    information.external_attr = 0o644 << 16
    return information


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Name to array of an ``.npz`` file, checksums verified; pickled objects are refused.

    Raises:
        NoiseError: the file is missing, unreadable, truncated, or not an ``.npz`` file.
    """
    try:
        with path.open("rb") as stream:
            return arrays_of(stream, str(path))
    except FileNotFoundError as error:
        raise NoiseError(f"{path} does not exist: check the path.") from error
    except OSError as error:
        raise NoiseError(f"{path} cannot be read ({error.strerror or error}): check the path.") from error


def arrays_of(stream: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    """Name to array of an open ``.npz`` file; ``name`` is used in errors.

    Raises:
        NoiseError: the file is damaged or not an ``.npz`` file.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {entry: archive.read(entry) for entry in archive.namelist()}
        return {
            entry.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for entry, content in entries.items()
        }
    except DAMAGED as error:
        raise NoiseError(
            f"{name} is damaged, truncated or not an .npz file ({error}): write it again."
        ) from error
