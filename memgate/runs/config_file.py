"""config.json of a run: reading, writing, and the identity of the run that follows from it. No torch.

The file holds a digest of its own content, so that a changed number is noticed. Places, such as the folder of the
data, are not covered: they may be changed by hand.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memgate.config.json_form import from_json
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.runs.json_files import check_digest, digest_of, read_json, with_digest, write_json
from noise.files.json_form import json_text
from noise.files.schema import is_newer, other_format

SCHEMA = "memgate-run/1"

PLACES = ("name", "out", "device", "data.root", "manifest", "init_from", "init_gater")
"""Flags that may be changed afterwards, such as when the data has been moved to another folder."""

_NOT_COVERED = tuple(f"{part}.{flag}" for part in ("config", "requested") for flag in PLACES)

_ORIGIN_KEYS = (("config", "requested"), ("recorded",), ("curves", "source"))
"""Keys by the run's origin: trained by memgate, recorded from another program, imported curves."""


def read_config(path: Path) -> dict[str, Any]:
    """The content of config.json, checked for its schema, keys and digest.

    Raises:
        MemgateError: the file is damaged, was changed, or is of another format.
    """
    stored = read_json(path)
    origin = next((keys for keys in _ORIGIN_KEYS if keys[0] in stored), _ORIGIN_KEYS[0])
    if is_newer(stored.get("schema"), SCHEMA):
        raise MemgateError(other_format(path, stored["schema"], SCHEMA, ""))
    if stored.get("schema") != SCHEMA or not {"environment", "digests", *origin} <= stored.keys():
        raise MemgateError(
            f"{path} is not a configuration of the format {SCHEMA}: the run is damaged or too old."
        )
    check_digest(path, stored, needed=False, without=_NOT_COVERED)
    return stored


def configuration(values: Mapping[str, Any], path: Path) -> RunConfig:
    """The configuration in a part of config.json, also of version 0.1.0.

    Args:
        values: ``config`` or ``requested`` of the file's content.
        path: of the file, for messages.

    Raises:
        MemgateError: a value is out of its range, or not one of this version.
    """
    if values.get("log", {}).get("mode") == "sweep":  # the name of the mode in version 0.1.0
        values = {**values, "log": {**values["log"], "mode": "eval"}}
    return from_json(RunConfig, values, str(path))


def write_config(path: Path, content: Mapping[str, Any]) -> None:
    """Write config.json with its schema and digest; content as for :func:`memgate.runs.create.make_folder`."""
    values = json.loads(json_text({"schema": SCHEMA, **content}))  # as every reader gets them
    write_json(path, with_digest(values, _NOT_COVERED))


def run_identity(stored: Mapping[str, Any], manifest_digests: Mapping[str, str]) -> str:
    """SHA-256 (64 hexadecimal digits) that differs between runs: of the configuration, its start and the manifest.

    Args:
        stored: content of config.json; ``environment.started_unix`` tells apart two runs of one configuration.
        manifest_digests: column to digest, from the header of the training split's manifest.
    """
    text = json.dumps([digest_of(stored, _NOT_COVERED), dict(manifest_digests)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
