"""A log as version 0.1.0 wrote it: without seal and without checksums of commit rows."""

from pathlib import Path
from typing import Any

import h5py

from memgate.log.format import UNSEALED


def unseal(path: Path, schema: str = UNSEALED) -> None:
    """Replace a log by the same log without its seal, under another name of the format."""
    plain = path.with_suffix(".plain")
    with h5py.File(path, "r", locking=False) as source, h5py.File(plain, "w") as target:
        target.attrs.update({**source.attrs, "schema": schema})
        for name in source:
            source.copy(name, target)
        commit: Any = target["commit"]
        for split in commit:
            del commit[split]["row_crc32"]
    plain.replace(path)
