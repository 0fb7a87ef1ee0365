"""A configuration as plain JSON values, and back: what config.json holds."""

import dataclasses
import json
from typing import Any

from memgate.errors import MemgateError
from noise.errors import NoiseError
from noise.jsonform import restored


def to_json(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


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
