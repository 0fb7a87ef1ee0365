"""Reads and writes the JSON files of runs and sweeps."""

import json
from pathlib import Path
from typing import Any

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write
from noise.files.json_form import json_text


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        MemgateError: the file cannot be read, or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MemgateError(f"{path} cannot be read ({error}): the run is damaged.") from error
    if not isinstance(value, dict):
        raise MemgateError(f"{path} holds no JSON object: the run is damaged.")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a file of strict JSON atomically, see :func:`noise.files.json_form.json_text`."""
    text = json_text(value, indent=2) + "\n"
    atomic_write(path, lambda stream: stream.write(text.encode()))
