"""Atomic writes: a file or folder is complete or absent, also when the process is killed.

Part of the lowest package because manifests, checkpoints, caches and exports all need it.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file to ``path`` in one step, replacing an existing file.

    Whenever the process or the machine stops, ``path`` holds either the old or the new content in full. The bytes go
    to a temporary file in the same folder (a rename is atomic only within one file system), are flushed to the disk,
    and the file is renamed at the end. After an error the temporary file is removed and ``path`` is unchanged.

    Args:
        path: the file; its folder must exist.
        write: is called with the open file, empty and seekable (zip and HDF5 writers seek), and leaves it open.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
        Exception: any error of ``write``.
    """
    # Not tempfile: its files are private (0600), but data folders are often shared. Mode "x" honours the umask.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x+b") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def atomic_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Write a folder to ``path``, replacing an existing folder.

    One folder cannot replace another in a single step: a stop between the two renames leaves the old folder under a
    temporary name, but never an incomplete folder at ``path``.

    Args:
        path: the folder; its parent must exist.
        fill: is called with the new, empty folder.

    Raises:
        OSError: the parent is missing or not writable, or the disk is full.
        Exception: any error of ``fill``.
    """
    temporary, old = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for _ in range(2))
    try:
        temporary.mkdir()
        fill(temporary)
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of an interrupted :func:`atomic_write` from a folder with no other writer."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk; on Windows, which cannot open folders, nothing is needed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
