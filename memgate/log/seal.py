"""The seal of an HDF5 file: a digest of all its bytes that never change, which is checked before HDF5 reads any.

It lies in the file's user block, which HDF5 skips: a line with the format and the SHA-256 of the second line, and
that second line, a JSON object. The HDF5 library can crash or loop for ever on damaged metadata, so a file is compared
with its seal by plain reads first.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of an HDF5 file."""

MAGIC = b"memgate-"
"""The first bytes of a file with a seal."""

BLOCK = 1 << 20
"""Bytes that are read at once."""

LARGEST = 1 << 24
"""Bytes of the largest user block that is read."""


@dataclass(frozen=True)
class Seal:
    """What a file was when it was made."""

    schema: str
    """Format of the file."""
    start: int
    """Offset at which the HDF5 file begins, after the user block."""
    size: int
    """Bytes of the whole file."""
    changing: tuple[tuple[int, int], ...]
    """(offset, bytes) of the parts that are written later, by rising offset."""
    files: Mapping[str, str]
    """Name of a file that belongs to this one to its digest, see :func:`memgate.log.identity.file_digests`."""
    sha256: str
    """SHA-256 of the bytes from ``start`` on, without the changing parts."""
    identity: str
    """SHA-256 of all of the above: it names this very file."""


class BrokenSealError(ValueError):
    """The file is not what its seal says."""


def user_block(ranges: int, files: int) -> int:
    """Size in bytes of a user block for a seal with so many changing parts and files: a power of two."""
    needed, size = 512 + 48 * ranges + 256 * files, 512
    while size < needed:
        size *= 2
    return size


def write_seal(
    stream: BinaryIO,
    schema: str,
    start: int,
    changing: Iterable[tuple[int, int]] = (),
    files: Mapping[str, str] | None = None,
) -> None:
    """Write the seal of a finished file into its user block.

    Args:
        stream: the file, open for reading and writing.
        schema: format of the file.
        start: size of the user block in bytes.
        changing: (offset, bytes) of the parts that are written later.
        files: name of a file that belongs to this one to its digest, see :func:`memgate.log.identity.file_digests`.
    """
    size, parts = stream.seek(0, 2), sorted(changing)
    content: dict[str, Any] = {
        "start": start, "size": size, "changing": parts, "files": dict(files or {}),
        "sha256": _digest(stream, start, size, parts),
    }  # fmt: skip
    line = json.dumps(content).encode()
    text = f"{schema} {hashlib.sha256(line).hexdigest()}\n".encode() + line + b"\n"
    assert len(text) <= start, "the user block is too small for its seal"
    stream.seek(0)
    stream.write(text.ljust(start, b"\0"))


def stored_schema(stream: BinaryIO) -> str | None:
    """The format that a file's seal names; None for an HDF5 file without a seal.

    Raises:
        BrokenSealError: the file begins like neither.
    """
    stream.seek(0)
    head = stream.read(256)
    if head.startswith(SIGNATURE):
        return None
    schema, space, _ = head.split(b"\n")[0].partition(b" ")
    if not (head.startswith(MAGIC) and space and schema.isascii()):
        raise BrokenSealError("it does not begin like an HDF5 file: it has been overwritten")
    return schema.decode()


def checked_seal(stream: BinaryIO, schema: str) -> Seal:
    """The seal of a file, after its bytes were compared with it.

    Args:
        stream: the file.
        schema: its format, of :func:`stored_schema`.

    Raises:
        BrokenSealError: the file differs from its seal, or the seal itself is damaged.
    """
    stream.seek(0)
    first = stream.readline(256)
    line = stream.readline(LARGEST).rstrip(b"\n")
    identity = hashlib.sha256(line).hexdigest()
    if first != f"{schema} {identity}\n".encode():
        raise BrokenSealError("the checksum at its beginning does not match")
    content = json.loads(line)
    changing = tuple((int(offset), int(size)) for offset, size in content["changing"])
    seal = Seal(
        schema, content["start"], content["size"], changing, content["files"], content["sha256"], identity
    )
    size = stream.seek(0, 2)
    if size < seal.size:
        raise BrokenSealError(f"it has {size:,} of {seal.size:,} bytes: it has been cut")
    if _digest(stream, seal.start, seal.size, seal.changing) != seal.sha256:
        raise BrokenSealError("the checksum of its structure, labels and sample ids does not match")
    return seal


def _digest(stream: BinaryIO, start: int, size: int, changing: Iterable[tuple[int, int]]) -> str:
    """SHA-256 of the bytes from ``start`` to ``size`` without the changing parts."""
    digest = hashlib.sha256()
    for begin, end in _gaps(start, size, changing):
        stream.seek(begin)
        while begin < end:
            data = stream.read(min(BLOCK, end - begin))
            if not data:
                break
            digest.update(data)
            begin += len(data)
    return digest.hexdigest()


def _gaps(start: int, size: int, changing: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(begin, end) of what lies between rising parts, from ``start`` to ``size``."""
    for offset, length in changing:
        if start < offset:
            yield start, offset
        start = max(start, offset + length)
    if start < size:
        yield start, size
