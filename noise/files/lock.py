"""Locks between processes (flock); the locks of a process are released when it ends or is killed."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
    """Whether an open file could be locked for this process; does not wait.

    Returns:
        False where another process, or another descriptor of this process, holds the lock.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
