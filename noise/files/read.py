"""Files that a corruption reads: their bytes, whole, with the digest that goes into the manifest."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noise.errors import MissingFileError, NoiseError
from noise.spec import CorruptionSpec


@dataclass(frozen=True)
class ReadFile:
    """A file as it was read.

    Attributes:
        path: where it lies.
        content: its bytes.
        record: (file name, SHA-256), for :attr:`noise.task.Change.files`.
    """

    path: Path
    content: bytes

    @property
    def record(self) -> tuple[str, str]:
        """File name and SHA-256 of the content."""
        return self.path.name, hashlib.sha256(self.content).hexdigest()

    def json(self) -> Any:
        """The content as JSON values.

        Raises:
            NoiseError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise NoiseError(f"{self.path} is not JSON ({error}): check the file.") from error


def expanded(path: str | Path) -> Path:
    """A path with ``~`` as the home folder.

    Raises:
        NoiseError: there is no such home folder, or no path can be like that.
    """
    try:
        found = Path(path).expanduser()
        found.is_file()
    except (ValueError, RuntimeError) as error:  # a zero byte; a home folder of nobody
        raise NoiseError(f"{str(path)!r} is not a path ({error}): check it.") from error
    return found


def absolute(spec: CorruptionSpec) -> CorruptionSpec:
    """A corruption whose files are named by their absolute paths."""
    return spec.with_paths(lambda path: str(expanded(path).absolute()))


def read_file(path: str | Path) -> ReadFile:
    """The file at ``path``.

    Raises:
        MissingFileError: it is not there.
        NoiseError: it cannot be read.
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
    """A spec whose files are where they are: at their path, or else under their name in one of ``folders``.

    A manifest that is handed on still names the paths of its writer; the digest that it holds says whether a
    file found elsewhere is the same.
    """

    def found(path: str) -> str:
        candidates = [expanded(path), *(folder / Path(path).name for folder in folders)]
        return str(next((candidate for candidate in candidates if candidate.is_file()), path))

    return spec.with_paths(found)
