"""Deterministic, atomic ``.npz`` files: equal arrays give equal bytes."""

import io
import lzma
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.atomic import atomic_write
from noise.files.regular import open_regular

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every entry; the real time would make files of equal arrays differ."""

MOST_UNPACKED = 2**28
"""Bytes up to which a file is unpacked however much smaller it is: 256 MiB."""

MOST_RATIO = 200
"""Largest ratio of unpacked to packed bytes above :data:`MOST_UNPACKED`; deflate reaches 1,030 on zeros."""

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, ValueError, EOFError, MemoryError,
    OverflowError,
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


def read_npz(
    path: Path, most: Mapping[str, int] | None = None, remedy: str = "write it again"
) -> dict[str, NDArray[Any]]:
    """Name to array of an ``.npz`` file, checksums verified; pickled objects are refused.

    Args:
        path: the file.
        most: as for :func:`arrays_of`.
        remedy: end of the message about a file that is damaged.

    Raises:
        NoiseError: the file is missing, unreadable, truncated, or not an ``.npz`` file.
    """
    try:
        with open_regular(path) as stream:
            return arrays_of(stream, str(path), most, remedy)
    except FileNotFoundError as error:
        raise NoiseError(f"{path} does not exist: check the path.") from error
    except OSError as error:
        raise NoiseError(f"{path} cannot be read ({error.strerror or error}): check the path.") from error


def arrays_of(
    stream: BinaryIO, name: str, most: Mapping[str, int] | None = None, remedy: str = "write it again"
) -> dict[str, NDArray[Any]]:
    """Name to array of an open ``.npz`` file.

    Args:
        stream: the file.
        name: its name in errors.
        most: array to the largest size of its entry in bytes; other arrays are not read. None: all arrays are read.
        remedy: end of the message about a file that is damaged.

    Raises:
        NoiseError: the file is damaged or encrypted, not an ``.npz`` file, or unpacks to far more than its size.
        OSError: the stream cannot be read.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {
                entry.filename.removesuffix(".npy"): entry
                for entry in archive.infolist()
                if most is None or entry.filename.removesuffix(".npy") in most
            }
            _check_sizes(entries, name, most or {})
            contents = {key: archive.read(entry.filename) for key, entry in entries.items()}
        return {
            key: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            for key, content in contents.items()
        }
    except NoiseError:
        raise
    except (NotImplementedError, RuntimeError) as error:
        # Compressed in a way that zipfile does not have, or encrypted.
        raise NoiseError(f"{name} cannot be unpacked ({error}): save it by numpy.savez.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # Damaged bzip2, not the disk.
        raise _damaged(name, error, remedy) from error
    except _DAMAGED as error:
        raise _damaged(name, error, remedy) from error


def _damaged(name: str, error: Exception, remedy: str) -> NoiseError:
    return NoiseError(f"{name} is damaged, truncated or not an .npz file ({error}): {remedy}.")


def _check_sizes(entries: Mapping[str, zipfile.ZipInfo], name: str, most: Mapping[str, int]) -> None:
    """Raise NoiseError when an array is larger than ``most``, or a small file would fill the memory."""
    for key, entry in entries.items():
        allowed = most.get(key, entry.file_size)
        require(
            entry.file_size <= allowed,
            f"{name}: the array {key} takes {entry.file_size:,} bytes, and at most {allowed:,} are possible: take an "
            "undamaged copy.",
        )
    unpacked, packed = (
        sum(getattr(entry, size) for entry in entries.values()) for size in ("file_size", "compress_size")
    )
    require(
        unpacked <= max(MOST_UNPACKED, MOST_RATIO * packed),
        f"{name} would unpack from {packed:,} to {unpacked:,} bytes, which no data set does: save it by numpy.savez.",
    )
