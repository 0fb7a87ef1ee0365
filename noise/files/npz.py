"""Arrays to an ``.npz`` file and back: same arrays, same bytes; a whole file or none."""

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
"""The time written to every entry: the real one would make two equal files differ."""


_DAMAGED = (
    zipfile.BadZipFile, zlib.error, tokenize.TokenError, ValueError, EOFError, NotImplementedError, RuntimeError,
    MemoryError, OverflowError,
)  # fmt: skip
"""What reading a damaged file may raise: of the archive, or of an array's own header, which states its size."""


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to ``path`` atomically and deterministically; ``numpy.load`` reads the result.

    Raises:
        NoiseError: the file cannot be written; an existing file is then left as it was.
    """
    try:
        atomic_write(path, lambda stream: write_arrays(stream, arrays.items()))
    except OSError as error:
        raise NoiseError(
            f"{path} cannot be written ({error.strerror}): check the folder and the disk."
        ) from error


def write_arrays(stream: BinaryIO, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write named arrays as ``.npz``, one after the other, so that only one needs to be in memory.

    Entries are stored, not deflated: the bytes would else depend on the zlib of the interpreter.
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays:
            with archive.open(_entry(f"{name}.npy"), "w", force_zip64=True) as member:
                # As it is where it can be: an array of no dimension (a manifest's header) must keep none.
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def write_zip(stream: BinaryIO, folder: Path, name: str) -> None:
    """Pack the files of a folder, in the order of their names, as a deterministic ``.zip`` of a folder ``name``."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = _entry(f"{name}/{path.relative_to(folder).as_posix()}")
            with archive.open(entry, "w", force_zip64=True) as member, path.open("rb") as file:
                shutil.copyfileobj(file, member)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry of an archive that is the same whenever and wherever it is written."""
    information = zipfile.ZipInfo(name, EPOCH)
    information.create_system = 3
    information.external_attr = 0o644 << 16
    return information


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file, checksums verified; pickled objects are refused.

    Raises:
        NoiseError: the file is missing, unreadable, truncated, or no ``.npz`` file.
    """
    try:
        with path.open("rb") as stream:
            return arrays_of(stream, str(path))
    except FileNotFoundError as error:
        raise NoiseError(f"{path} does not exist: check the path.") from error
    except OSError as error:
        raise NoiseError(f"{path} cannot be read ({error.strerror or error}): check the path.") from error


def arrays_of(stream: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    """The same from an open file; ``name`` is what the error calls it.

    Raises:
        NoiseError: it is damaged or no ``.npz`` file.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {entry: archive.read(entry) for entry in archive.namelist()}
        return {
            entry.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for entry, content in entries.items()
        }
    except _DAMAGED as error:
        raise NoiseError(
            f"{name} is damaged, truncated or no .npz file ({error}): write it again."
        ) from error
