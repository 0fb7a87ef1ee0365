"""Checks of configurations: types, choices and ranges of their fields, also where Python code makes them. No torch."""

import dataclasses
import math
import typing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from memgate.errors import MemgateError, require
from noise.errors import NoiseError
from noise.files.json_form import restored
from noise.files.read import expanded

LARGEST_SEED, MOST_IMAGES, MOST_EPOCHS = 2**63 - 1, 1_000_000_000, 100_000
"""Bounds of numbers that size something, so that a slip of the keyboard ends in a sentence."""

LEAST_SHAPE, MOST_SHAPE = 1e-3, 1e4
"""Bounds of a and b of a Beta distribution, within which its table of values is accurate."""


def check_types(config: Any, section: str = "") -> None:
    """Check every field of a frozen dataclass against its type, and convert it: lists to tuples, text to paths.

    Args:
        config: the dataclass, in its ``__post_init__``.
        section: prefix of its flags, such as ``train.``.

    Raises:
        MemgateError: a value is of another type, or none of the choices.
    """
    hints = _hints(type(config))
    for field in dataclasses.fields(config):
        flag, hint, value = flag_of(section, field.name), hints[field.name], getattr(config, field.name)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            require(isinstance(value, hint), f"{flag} must be a {hint.__name__}.")
            continue
        try:
            object.__setattr__(config, field.name, restored(hint, _plain(value, flag), flag))
        except NoiseError as error:
            raise MemgateError(str(error)) from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Field name to type of a dataclass."""
    return typing.get_type_hints(kind)


def in_range(flag: str, value: float | None, low: float, high: float, remedy: str = "") -> None:
    """Raise MemgateError unless a number lies from ``low`` to ``high``, both included; None is in every range."""
    require(
        value is None or low <= value <= high,
        f"{flag} {value} is out of range: from {low:,} to {high:,}{remedy}.".replace(",", ""),
    )


def given_path(flag: str, path: Path) -> Path:
    """A path with ``~`` replaced by the home folder; raises MemgateError where the text cannot be a path."""
    try:
        return expanded(path)
    except NoiseError as error:
        raise MemgateError(f"{flag}: {error}") from error


def flag_of(section: str, name: str) -> str:
    """The flag of a field, as it is typed."""
    return f"--{section}{name.replace('_', '-')}"


def _plain(value: Any, flag: str) -> Any:
    """A value as JSON has it, for comparison with the type of its field."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and value.bit_length() > 64:  # Python cannot even print some of them
        raise MemgateError(f"{flag} is a number of {value.bit_length()} bits, which is out of range.")
    if isinstance(value, float) and not math.isfinite(value):
        raise MemgateError(f"{flag} {value} must be a finite number.")
    if isinstance(value, list | tuple):
        return [_plain(item, flag) for item in value]
    return str(value) if isinstance(value, Path) else value
