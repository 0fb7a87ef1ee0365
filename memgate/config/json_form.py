"""A configuration as plain JSON values, and back: what config.json holds."""

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
    """A configuration as flags (``train.lr``) and their plain JSON values, to compare two of them by name.

    Args:
        config: a configuration dataclass.
        without: flags to leave out, and whole sections by their name (``model.gate``).
    """
    return flat(to_json(config), without)


def flat(values: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """Nested JSON values under dotted names, as :func:`flags` gives them."""
    return {name: inner for key, value in values.items() for name, inner in _flags(key, value, without)}


def text_of(value: Any) -> str:
    """A plain JSON value for people: text as it is, a list of texts with blanks between them."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value) or "none"
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The flags in which several configurations differ, with the value of each; None where one has no such flag."""
    names = dict.fromkeys(name for one in settings for name in one)
    found = {name: tuple(one.get(name) for one in settings) for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _flags(name: str, value: Any, without: Collection[str]) -> Iterator[tuple[str, Any]]:
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
