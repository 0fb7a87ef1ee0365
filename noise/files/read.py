"""Files that a corruption reads: their bytes and the digest for the manifest."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise.errors import MissingFileError, NoiseError
from noise.spec import CorruptionSpec

_GZIP = b"\x1f\x8b"
"""First bytes of a gzipped file."""


@dataclass(frozen=True)
class ReadFile:
    """Content of a file.

    Attributes:
        path: path of the file.
        content: all bytes of the file.
        record: (file name, SHA-256), for :attr:`noise.task.Change.files`.
    """

    path: Path
    content: bytes

    @property
    def record(self) -> tuple[str, str]:
        """File name and SHA-256 of the content."""
        return self.path.name, hashlib.sha256(self.content).hexdigest()

    @property
    def unpacked(self) -> bytes:
        """The content, gunzipped where it is gzipped.

        Raises:
            NoiseError: the gzipped content is damaged.
        """
        if not self.content.startswith(_GZIP):
            return self.content
        try:
            return gzip.decompress(self.content)
        except (OSError, EOFError, zlib.error) as error:
            raise NoiseError(f"{self.path} is damaged or truncated ({error}): write it again.") from error

    def json(self) -> Any:
        """The content as JSON values; it may be gzipped.

        Raises:
            NoiseError: the content is not JSON.
        """
        try:
            return json.loads(self.unpacked)
        except (ValueError, RecursionError) as error:
            raise NoiseError(f"{self.path} is not JSON ({error}): check the file.") from error


def expanded(path: str | Path) -> Path:
    """A path with ``~`` replaced by the home folder.

    Raises:
        NoiseError: there is no such home folder, or the text is not a valid path.
    """
    try:
        result = Path(path).expanduser()
        result.is_file()
    # A zero byte; an unknown user; a name that is too long.
    except (ValueError, RuntimeError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NoiseError(f"{str(path)[:60]!r} is not a path ({reason}): check it.") from error
    return result


def absolute(spec: CorruptionSpec) -> CorruptionSpec:
    """The same spec with absolute paths."""
    return spec.with_paths(lambda path: str(expanded(path).absolute()))


def read_file(path: str | Path) -> ReadFile:
    """The file at ``path``.

    Raises:
        MissingFileError: the file does not exist.
        NoiseError: the file cannot be read.
    """
    path = expanded(path)
    try:
        return ReadFile(path, path.read_bytes())
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NoiseError(f"{path} cannot be read ({reason}): check the path.") from error


def located(spec: CorruptionSpec, folders: Sequence[Path]) -> CorruptionSpec:
    """The same spec with paths that exist: each file at its path, or else under its name in one of ``folders``.

    A manifest holds the paths of the machine where it was written. Its digests show whether a file in another folder
    is the same one.
    """

    def existing(path: str) -> str:
        candidates = [expanded(path), *(folder / Path(path).name for folder in folders)]
        return str(next((candidate for candidate in candidates if candidate.is_file()), path))

    return spec.with_paths(existing)
