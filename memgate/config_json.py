"""A configuration as plain JSON values, and back: what config.json holds."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from memgate.config import require


def to_json(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def from_json(kind: type, values: dict[str, Any], where: str = "config.json") -> Any:
    """The configuration dataclass ``kind`` from JSON values.

    Raises:
        MemgateError: a key is unknown (a misspelt key must not silently mean the default).
    """
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    require(not unknown, f"{where} has the unknown key {', '.join(unknown)}: known are {', '.join(hints)}.")
    return kind(**{key: _restored(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _restored(hint: Any, value: Any, where: str) -> Any:
    """One JSON value as the type that the field declares."""
    if value is None:
        return None
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, value, where)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if Path in options:
        return Path(value)
    if any(typing.get_origin(option) is tuple for option in options):
        return tuple(value)
    return value
