"""Reads and writes the JSON files of runs and sweeps; config.json and status.json hold a digest of themselves."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write
from noise.files.json_form import json_text

DIGEST = "digest"
"""Key of the digest of all other keys; files of version 0.1.0 have none."""

MOST_LEVELS = 50
"""Of nested objects and lists; files of memgate have fewer than 10."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        MemgateError: the file cannot be read, or holds no JSON object.
    """
    try:
        if not path.is_file():
            raise OSError("it is no file")  # reading a named pipe would wait for ever
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MemgateError(f"{path} cannot be read ({error}): the run is damaged.") from error
    if not isinstance(value, dict):
        raise MemgateError(f"{path} holds no JSON object: the run is damaged.")
    if _deeper_than(value, MOST_LEVELS):
        raise MemgateError(f"{path} is nested deeper than {MOST_LEVELS} levels: the run is damaged.")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a file of strict JSON atomically, see :func:`noise.files.json_form.json_text`."""
    text = json_text(value, indent=2) + "\n"
    atomic_write(path, lambda stream: stream.write(text.encode()))


def with_digest(value: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """JSON values with the :func:`digest_of` them under :data:`DIGEST`, in place of a former one."""
    return {**value, DIGEST: digest_of(value, without)}


def check_digest(path: Path, value: Mapping[str, Any], needed: bool, without: Collection[str] = ()) -> None:
    """Compare the digest that the content of a file holds.

    Args:
        path: of the file, for the message.
        value: content of the file.
        needed: whether the file must have a digest, as those of version 0.1.0 need not.
        without: as for :func:`digest_of`.

    Raises:
        MemgateError: the digest differs, or is missing where it is needed.
    """
    if value.get(DIGEST) != (digest_of(value, without) if needed or DIGEST in value else None):
        raise MemgateError(
            f"{path} is damaged, or was changed after memgate wrote it: put a copy of it back."
        )


def digest_of(value: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """SHA-256 (64 hexadecimal digits) of JSON values without those of some dotted names and without their digest."""
    text = json.dumps(_without(value, [name.split(".") for name in (DIGEST, *without)]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _without(value: Mapping[str, Any], names: Collection[Sequence[str]]) -> dict[str, Any]:
    """JSON values without those at some places, each the keys that lead to it."""
    kept = {}
    for key, inner in value.items():
        below = [rest for first, *rest in names if first == key]
        if [] not in below:
            kept[key] = _without(inner, below) if below and isinstance(inner, dict) else inner
    return kept


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested deeper than so many levels."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(layer)
