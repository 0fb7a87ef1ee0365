"""A file is there whole or not at all: every file that must survive a kill is written here.

It lives in the lowest room because manifests, checkpoints, caches and exports all need it.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a new file and put it at ``path`` in one step, replacing what was there.

    Whenever the process or the machine stops, ``path`` holds the old content or the new, never a part: the
    bytes go to a temporary file in the same folder (a rename is atomic within one file system only), reach
    the disk, and take the name at the end. After an error the temporary file is gone and ``path`` untouched.

    Args:
        path: where the file goes; its folder must exist.
        write: gets the open file, empty and seekable (zip and HDF5 writers seek), and leaves it open.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
        Exception: whatever ``write`` raises, as it is.
    """
    # Not tempfile: its files are private (0600), and a data folder is often shared. "x" honours the umask.
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
    """Let ``fill`` put files into a new folder and give it the name ``path``, replacing a folder that was there.

    A folder cannot take the place of another in one step: a stop between the two leaves the old one under a
    temporary name, and never a part of the new one under its own.

    Args:
        path: where the folder goes; its parent must exist.
        fill: gets the empty folder.

    Raises:
        OSError: the parent is missing or not writable, or the disk is full.
        Exception: whatever ``fill`` raises, as it is.
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
    """Remove what a kill in the middle of :func:`atomic_write` left in a folder that nobody else writes to."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk. Windows cannot open a folder, and needs no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
