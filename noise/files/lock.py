"""Locks between processes (flock); a process that ends, or is killed, gives its locks back."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: of two processes that read, change and replace a file in it, neither loses anything.

    Waits until no other process holds it. On a file system without locks nothing is locked.

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
    """Lock an open file for this process, without waiting.

    Returns:
        Whether it is locked now; False where another process, or another descriptor of this one, holds the lock.

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

    Forked processes (a loader's workers) share the lock, so closing alone would keep it; called in one of them, the
    function only closes.
    """
    owner = os.getpid()

    def close() -> None:
        if os.getpid() == owner:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    return close
