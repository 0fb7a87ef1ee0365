"""config.json of a run: reading, writing, and the identity of the run that follows from it. No torch.

The file holds a digest of its own content, so that a changed number is noticed. Places, such as the folder of the
data, are not covered: they may be changed by hand.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memgate.config.json_form import flat
from memgate.errors import MemgateError
from memgate.runs.json_files import read_json, write_json

SCHEMA = "memgate-run/1"

DIGEST = "digest"
"""Key that holds the :func:`config_digest` of all others; runs of version 0.1.0 lack it."""

PLACES = ("name", "out", "device", "data.root", "manifest", "init_from")
"""Flags that may be changed afterwards, such as when the data has been moved to another folder."""

_NOT_COVERED = (DIGEST, *(f"{part}.{flag}" for part in ("config", "requested") for flag in PLACES))

_ORIGIN_KEYS = (("config", "requested"), ("recorded",), ("curves", "source"))
"""Keys by the run's origin: trained by memgate, recorded from another program, imported curves."""


def read_config(path: Path) -> dict[str, Any]:
    """The content of config.json, checked for its schema, keys and digest.

    Raises:
        MemgateError: the file is damaged, was changed, or is of another format.
    """
    stored = read_json(path)
    origin = next((keys for keys in _ORIGIN_KEYS if keys[0] in stored), _ORIGIN_KEYS[0])
    if stored.get("schema") != SCHEMA or not {"environment", "digests", *origin} <= stored.keys():
        raise MemgateError(
            f"{path} is not a configuration of the format {SCHEMA}: the run is damaged or too old."
        )
    if stored.get(DIGEST) not in (None, config_digest(stored)):
        raise MemgateError(
            f"{path} is damaged, or was changed after the run began: put a copy of it back; to train with other "
            "values, start a new run."
        )
    return stored


def write_config(path: Path, content: Mapping[str, Any]) -> None:
    """Write config.json with its schema and digest; arguments as for :func:`memgate.runs.create.make_folder`."""
    write_json(path, {"schema": SCHEMA, **content})
    written = read_json(path)  # the values as every reader gets them
    write_json(path, {**written, DIGEST: config_digest(written)})


def config_digest(stored: Mapping[str, Any]) -> str:
    """SHA-256 (64 hexadecimal digits) of the content of config.json without places and without its own digest."""
    return _digest(flat(stored, _NOT_COVERED))


def run_identity(stored: Mapping[str, Any], manifest_digests: Mapping[str, str]) -> str:
    """SHA-256 (64 hexadecimal digits) that differs between runs: of the configuration, its start and the manifest.

    Args:
        stored: content of config.json; ``environment.started_unix`` tells apart two runs of one configuration.
        manifest_digests: column to digest, from the header of the training split's manifest.
    """
    return _digest([config_digest(stored), dict(manifest_digests)])


def _digest(value: Any) -> str:
    """SHA-256 of a JSON value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
