"""What a Recorder checks of single arguments, before anything is trained. No torch."""

import json
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memgate.errors import MemgateError, require


def whole(value: Any, what: str) -> int:
    """A whole number, numpy's too.

    Raises:
        MemgateError: it is none.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise MemgateError(f"{what} is {_shown(value)} and must be a whole number.") from error


def text(value: Any, what: str) -> str:
    """A text; raises MemgateError where it is none."""
    require(isinstance(value, str), f"{what} is {_shown(value)} and must be a text.")
    return value


def folder(value: Any) -> Path:
    """The folder for runs; raises MemgateError where it is no path."""
    require(isinstance(value, str | Path), f"out is {_shown(value)} and must be a path.")
    return Path(value).expanduser()


def class_list(names: Sequence[Any] | None) -> tuple[str, ...] | None:
    """Names of classes as texts.

    Raises:
        MemgateError: they are no list, or two are the same.
    """
    if names is None:
        return None
    try:
        found = () if isinstance(names, str) else tuple(map(str, names))
    except TypeError:
        found = ()
    require(bool(found), f"class_names is {_shown(names)} and must be a list of names.")
    twice = [name for name in found if found.count(name) > 1]
    require(not twice, f"class_names hold {twice[0] if twice else ''!r} twice: give each class its own name.")
    return found


def json_values(settings: Any) -> dict[str, Any]:
    """Settings as JSON values; what JSON does not have (a path, a device, a function) as its text.

    Raises:
        MemgateError: they are no mapping of names, or hold themselves.
    """
    settings = {} if settings is None else settings
    require(isinstance(settings, Mapping), f"settings is {_shown(settings)} and must map names to values.")
    try:
        return json.loads(json.dumps(dict(settings), default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise MemgateError(f"settings cannot be written as JSON ({error}): leave that out.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    # Without its address, which differs from process to process, a text can be compared.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 and "\n" not in shown else f"a {type(value).__name__}"
