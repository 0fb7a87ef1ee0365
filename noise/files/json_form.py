"""JSON: the text of values, and values converted to the types that a dataclass declares and checked against them."""

import dataclasses
import json
import math
import sys
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np

from noise.errors import NoiseError, require


def json_text(value: Any, indent: int | None = None, ascii_only: bool = True, sort_keys: bool = False) -> str:
    """Values as strict JSON, which every parser reads: NaN and infinity, for which JSON has no number, are null.

    Everything that memgate writes as JSON is written by this function.

    Args:
        value: dicts, lists, tuples, text, numbers, bools, None, paths, and NumPy's arrays and numbers.
        indent: spaces of a level; None for one line.
        ascii_only: write other characters as escapes.
        sort_keys: sort the keys of objects.

    Raises:
        TypeError: a value is of another type.

    Example:
        >>> json_text({"loss": float("nan"), "n": np.int64(3), "file": Path("a.csv")})
        '{"loss": null, "n": 3, "file": "a.csv"}'
    """
    return json.dumps(
        plain(value), indent=indent, ensure_ascii=ascii_only, sort_keys=sort_keys, allow_nan=False
    )


def plain(value: Any) -> Any:
    """The value as strict JSON values, see :func:`json_text`; values of other types are unchanged."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: Any) -> Any:
    """A key of a dict as one that JSON takes."""
    key = key.item() if isinstance(key, np.generic) else key
    return str(key) if isinstance(key, float | Path) else key


def restored(hint: Any, value: Any, where: str) -> Any:
    """A JSON value as the type ``hint``: a dataclass, tuple, dict, union, Literal, Path or a plain type.

    Keys that a dataclass does not have are refused, because a misspelt key would silently leave the default in place;
    keys with a default may be missing. Lists become tuples.

    Args:
        hint: the type.
        value: a value from ``json.loads``.
        where: name of the value in errors.

    Raises:
        NoiseError: the value is of another type, or a key is unknown or missing.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, where)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, where)
    if origin is typing.Literal:
        require(
            value in arguments, f"{where} is {value!r} and must be one of {', '.join(map(repr, arguments))}."
        )
        return value
    if origin is tuple:
        _check(isinstance(value, list), value, "a list", where)
        kinds = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        require(len(value) == len(kinds), f"{where} has {len(value)} entries and must have {len(kinds)}.")
        return tuple(restored(kind, entry, where) for kind, entry in zip(kinds, value, strict=True))
    if origin is dict:
        _check(isinstance(value, dict), value, "an object", where)
        return {key: restored(arguments[1], entry, f"{where}: {key}") for key, entry in value.items()}
    return _plain(hint, value, where)


def _record(kind: type, value: Any, where: str) -> Any:
    """A JSON object as the dataclass ``kind``."""
    _check(isinstance(value, dict), value, "an object", where)
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    require(not unknown, f"{where} has the unknown key {', '.join(unknown)}: known are {', '.join(hints)}.")
    needed = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(needed - set(value))
    require(not missing, f"{where} lacks {', '.join(missing)}.")
    return kind(**{key: restored(hints[key], entry, f"{where}: {key}") for key, entry in value.items()})


def _union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """A JSON value as the first of ``kinds`` that fits."""
    if value is None and type(None) in kinds:
        return None
    refusals = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return restored(kind, value, where)
        except NoiseError as error:
            refusals.append(error)
    raise refusals[0]


def _plain(hint: Any, value: Any, where: str) -> Any:
    """A JSON value as a path, number, text or bool."""
    if hint is Path:
        _check(isinstance(value, str), value, "text", where)
        return Path(value)
    if hint is float:
        # Neither NaN nor infinite nor a whole number too large for a float.
        _check(type(value) in (int, float) and abs(value) <= sys.float_info.max, value, "a number", where)
        return float(value)
    # type() instead of isinstance(), because bool is a subclass of int.
    _check(
        type(value) is hint, value, {int: "a whole number", str: "text", bool: "true or false"}[hint], where
    )
    return value


def _check(holds: bool, value: Any, wanted: str, where: str) -> None:
    """Raise NoiseError that names the value and the wanted type, unless ``holds``."""
    require(holds, f"{where} is {str(value)[:40]!r} and must be {wanted}.")
