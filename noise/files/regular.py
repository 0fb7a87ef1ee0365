"""Opening of files that must be regular: a reader would wait for a named pipe for ever."""

import errno
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """A file open for reading bytes.

    Raises:
        OSError: it does not exist, cannot be read, or is a named pipe, a device or a folder.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.open("rb")


def regular_bytes(path: Path) -> bytes:
    """All bytes of a file; raises as :func:`open_regular` does."""
    with open_regular(path) as stream:
        return stream.read()
