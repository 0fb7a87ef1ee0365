"""Atomic writes: a file or folder is complete or absent, also when the process is killed.

Part of the lowest package because manifests, checkpoints, caches and exports all need it.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_DESCRIPTORS = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Path of a standard stream to its number."""

_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a folder",
}
"""What a path can be besides a regular file."""


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file to ``path`` in one step, replacing an existing file.

    Whenever the process or the machine stops, ``path`` holds either the old or the new content in full. The bytes go
    to a temporary file in the same folder (a rename is atomic only within one file system), are flushed to the disk,
    and the file is renamed at the end. After an error the temporary file is removed and ``path`` is unchanged.

    A symbolic link stays, and the file that it names is replaced. A stream (see :func:`is_stream`) gets the bytes once
    ``write`` has ended without an error.

    Args:
        path: the file; its folder must exist.
        write: is called with the open file, empty and seekable (zip and HDF5 writers seek), and leaves it open.

    Raises:
        OSError: the folder is missing or not writable, the disk is full, or ``path`` is a device or something else
            that is neither a regular file nor a stream.
        Exception: any error of ``write``.
    """
    if is_stream(path):
        _write_stream(path, write)
        return
    path = replaceable(path, stat.S_IFREG)
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

    One folder cannot replace another in a single step: a kill between the two renames leaves the old folder under a
    temporary name, but never an incomplete folder at ``path``; after any other stop the old folder is put back. A
    symbolic link stays, and the folder that it names is replaced.

    Args:
        path: the folder; its parent must exist.
        fill: is called with the new, empty folder.

    Raises:
        OSError: the parent is missing or not writable, the disk is full, or ``path`` exists and is no folder.
        Exception: any error of ``fill``.
    """
    path = replaceable(path, stat.S_IFDIR)
    temporary, old = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp") for _ in range(2))
    try:
        temporary.mkdir()
        fill(temporary)
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)


def is_stream(path: Path) -> bool:
    """Whether bytes are sent to ``path`` instead of kept there: ``/dev/stdout``, ``/dev/fd/N`` or a named pipe."""
    return _descriptor(path) is not None or path.is_fifo()


def replaceable(path: Path, kind: int = stat.S_IFREG) -> Path:
    """The path that is replaced when ``path`` is written: that at the end of its symbolic links.

    Args:
        path: the target of a write.
        kind: ``stat.S_IFREG`` for a file or ``stat.S_IFDIR`` for a folder.

    Raises:
        OSError: something of another kind is there, such as a device, which must not be replaced; or its links form
            a circle.
    """
    target = Path(os.path.realpath(path))
    try:
        present = stat.S_IFMT(target.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return target
    if present != kind:
        wanted = "a regular file" if kind == stat.S_IFREG else "a folder"
        raise OSError(
            errno.EINVAL, f"it is {_KINDS.get(present, 'a file')} and not {wanted}, which alone is replaced"
        )
    return target


def _descriptor(path: Path) -> int | None:
    """Number of the open file that a path in ``/dev`` or ``/proc`` names; None for any other path."""
    text = os.path.abspath(path)  # noqa: PTH100 (Path.resolve would follow the link, and lose the number)
    match = re.fullmatch(r"(?:/dev|/proc/self)/fd/(\d{1,9})", text)
    return int(match[1]) if match else _DESCRIPTORS.get(text)


def _write_stream(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Send bytes to a stream.

    Raises:
        OSError: nobody reads the pipe, or there is no such open file.
        Exception: any error of ``write``; nothing is then sent.
    """
    with tempfile.TemporaryFile() as content:  # a stream cannot seek
        write(content)
        content.seek(0)
        number = _descriptor(path)
        with os.fdopen(_opened_pipe(path) if number is None else os.dup(number), "wb") as stream:
            shutil.copyfileobj(content, stream)


def _opened_pipe(path: Path) -> int:
    """Descriptor of a named pipe, opened for writing.

    Raises:
        OSError: nobody reads it.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody reads would wait for ever.
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "it is a pipe that no program reads") from error
        raise
    os.set_blocking(opened, True)
    return opened


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of an interrupted :func:`atomic_write` from a folder with no other writer."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk, where its file system can do that; Windows cannot open folders.

    What was written into the folder is in its place already, so a failure here is none of the write.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
