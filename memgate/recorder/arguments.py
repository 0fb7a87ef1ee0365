"""Checks of the Recorder's single arguments, before anything is trained. Imports no torch."""

import json
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memgate.config.names import is_name
from memgate.errors import MemgateError, require
from noise import checks
from noise.errors import NoiseError


def whole(value: Any, what: str) -> int:
    """The value as an int; NumPy integers are accepted.

    Raises:
        MemgateError: the value is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise MemgateError(f"{what} is {_shown(value)} and must be a whole number.") from error


def text(value: Any, what: str) -> str:
    """The value itself; raises MemgateError where it is not a string."""
    require(isinstance(value, str), f"{what} is {_shown(value)} and must be a string.")
    return value


def run_folder(out: Any, name: Any) -> Path:
    """The folder of the run ``name`` under ``out``.

    Raises:
        MemgateError: ``out`` is not a path, or ``name`` cannot be the name of a folder.
    """
    require(
        is_name(text(name, "name")),
        f"name {name!r} cannot be a folder's name: letters, digits, '.', '_' and '-' only, up to 100.",
    )
    require(isinstance(out, str | Path), f"out is {_shown(out)} and must be a path.")
    return Path(out).expanduser() / name


def split_counts(n_samples: Any) -> dict[str, int]:
    """Split to its number of samples; a single number is that of the training split.

    Raises:
        MemgateError: a number is not whole.
    """
    numbers = n_samples if isinstance(n_samples, Mapping) else {"train": n_samples}
    return {split: whole(number, f"n_samples of {split}") for split, number in numbers.items()}


def class_list(names: Sequence[Any] | None) -> tuple[str, ...] | None:
    """The class names as strings; None stays None.

    Raises:
        MemgateError: ``names`` is not a list, or two names are equal.
    """
    if names is None:
        return None
    try:
        return checks.class_list(names)
    except NoiseError as error:
        raise MemgateError(str(error)) from error


def json_values(settings: Any) -> dict[str, Any]:
    """The settings as JSON values; a value that JSON has no type for (path, device, function, NaN) becomes its text.

    Raises:
        MemgateError: the settings are not a mapping from names, or contain themselves.
    """
    settings = {} if settings is None else settings
    require(isinstance(settings, Mapping), f"settings is {_shown(settings)} and must map names to values.")
    try:
        text = json.dumps(dict(settings), default=_json_value)
        return json.loads(text, parse_constant=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise MemgateError(f"settings cannot be written as JSON ({error}): leave that out.") from error


def _json_value(value: Any) -> Any:
    """What json.dumps takes in place of a value that it cannot write."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    # Addresses differ from process to process; without them, the texts of two processes can be compared.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def _shown(value: Any) -> str:
    """The value for an error message; a long one is replaced by its type."""
    shown = repr(value)
    return shown if len(shown) <= 40 and "\n" not in shown else f"a {type(value).__name__}"
