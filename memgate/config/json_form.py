"""Converts a configuration to plain JSON values, as in config.json, and back."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from memgate.errors import MemgateError
from noise.errors import NoiseError
from noise.files.json_form import restored


def to_json(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def flags(config: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """A configuration as a flat dict: flag (``train.lr``) to plain JSON value.

    Args:
        config: a configuration dataclass.
        without: flags to leave out, and whole sections by their name (``model.gate``).
    """
    return flat(to_json(config), without)


def flat(values: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """Nested JSON values as a flat dict under dotted names; arguments as for :func:`flags`."""
    return {name: inner for key, value in values.items() for name, inner in _flags(key, value, without)}


def text_of(value: Any) -> str:
    """A plain JSON value as text to read: text unchanged, a list of texts joined by blanks, ``none`` for nothing."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value) or "none"
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Flags in which configurations differ, each with its value per configuration (None where it has no such flag)."""
    names = dict.fromkeys(name for flags_ in settings for name in flags_)
    table = {name: tuple(flags_.get(name) for flags_ in settings) for name in names}
    return {name: values for name, values in table.items() if any(value != values[0] for value in values)}


def _flags(name: str, value: Any, without: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Dotted names and values below one name."""
    if name in without:
        return
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flags(f"{name}.{key}", inner, without)


def from_json(kind: type, values: Any, where: str = "config.json") -> Any:
    """The configuration dataclass ``kind`` from JSON values.

    Raises:
        MemgateError: a key is unknown (a misspelt key must not silently mean the default), or a value is of
            another type or out of its range.
    """
    try:
        return restored(kind, values, where)
    except NoiseError as error:
        raise MemgateError(str(error)) from error
