"""Locks between processes (flock); the locks of a process are released when it ends or is killed."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ATTEMPTS = 20
"""Of :func:`try_lock`."""


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Context manager that holds the lock of a folder, so that processes replace files in it one after another.

    Waits until no other process holds the lock. On a file system without locks nothing is locked.

    Args:
        folder: an existing folder.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Whether an open file could be locked for this process; waits a fifth of a second at most.

    Returns:
        False where another process, or another descriptor of this process, holds the lock.

    Raises:
        OSError: the file system has no locks.
    """
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # perhaps by is_locked, for a moment
            time.sleep(0.2 / _ATTEMPTS)
        else:
            return True
    return False


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file that :func:`try_lock` takes; False where there is no such file.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    try:
        # O_NONBLOCK: it does not wait for the writer of a named pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)  # and with it the lock, which try_lock therefore waits for
    return False


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path, and was not renamed, replaced or deleted since it was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def unlocker(descriptor: int) -> Callable[[], None]:
    """A function that unlocks and closes a locked file.

    Forked processes (such as the workers of a data loader) share the lock, so closing the file alone would keep it.
    In a forked process the function only closes the file.
    """
    owner = os.getpid()

    def close() -> None:
        if os.getpid() == owner:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    return close
