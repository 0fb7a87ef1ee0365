"""Whose log it is: the log compared with the manifests and other files beside it, and with a run's layout."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from memgate.errors import MemgateError, require
from memgate.log.format import SAMPLE_COLUMNS, LogLayout, Samples
from memgate.log.guard import text
from memgate.log.seal import Seal
from noise.errors import NoiseError
from noise.files.regular import open_regular, regular_bytes
from noise.manifest.manifest import Manifest


def manifest_path(run: Path, split: str) -> Path:
    """Path of the manifest of a corrupted split in a run's folder."""
    return run / ("manifest.npz" if split == "train" else f"manifest-{split}.npz")


def file_digests(folder: Path) -> dict[str, str]:
    """Name to digest of the files that a log belongs to: configuration and manifests, which never change.

    That of a manifest is the SHA-256 of the file; that of config.json the one which it holds of itself, because places
    in it, such as the folder of the data, may be changed by hand.
    """
    files = sorted([*folder.glob("config.json"), *folder.glob("manifest*.npz")])
    return {path.name: _digest(path) for path in files}


def changed_files(folder: Path, seal: Seal | None) -> tuple[str, ...]:
    """Names of the files of :func:`file_digests` that are not those that the log was made with; () where unknown.

    Files that are not there are left out; one that cannot be read is another one.
    """
    known = seal.files if seal else {}
    return tuple(
        name
        for name, digest in known.items()
        if (folder / name).exists() and _digest(folder / name) != digest
    )


def configuration_note(path: Path, seal: Seal | None) -> tuple[str, ...]:
    """A sentence if config.json beside a log is not the one that the log was made with; else ()."""
    if "config.json" not in changed_files(path.parent, seal):
        return ()
    return (
        "config.json is not the one that the log was made with: its settings may not be those that were trained.",
    )


def check_manifests(path: Path, seal: Seal | None, samples: Mapping[str, Samples]) -> None:
    """Check that a log belongs to the manifests beside it.

    A manifest that is not there or cannot be read is left to its readers, which say so.

    Args:
        path: of the log.
        seal: of the log; samples are compared with a manifest that it does not name. None: an older log.
        samples: split to its samples.

    Raises:
        MemgateError: a manifest is another one, or says other things of the samples.
    """
    changed = changed_files(path.parent, seal)
    if seal is None:
        _check_clean(path, samples)
    for split, columns in samples.items():
        file = manifest_path(path.parent, split)
        bound = seal is not None and file.name in seal.files
        if (bound and file.name not in changed) or not file.is_file():
            continue
        try:
            manifest = Manifest.load(file)
        except NoiseError:
            continue
        difference = next(_differences(columns, Samples.of(manifest)), None)
        if difference is None and bound:
            difference = "the manifest has been changed since"
        require(
            difference is None,
            f"{path} does not belong to the {file.name} beside it ({difference}): put back the file that belongs to "
            "the run.",
        )


def _check_clean(path: Path, samples: Mapping[str, Samples]) -> None:
    """Raise MemgateError where a split that is neither trained on nor a corrupted copy has corrupted samples."""
    for split, columns in samples.items():
        if (
            split != "train"
            and not manifest_path(path.parent, split).exists()
            and not split.endswith("_corrupted")
        ):
            difference = next(
                _differences(columns, Samples.clean(columns.sample_id, columns.clean_label)), None
            )
            require(
                difference is None,
                f"{path} is damaged ({difference} of {split}, which nothing corrupts): put back a copy of it.",
            )


def check_layout(path: Path, layout: LogLayout, log: LogLayout) -> None:
    """Check that a log is the one of a run.

    Args:
        path: of the log.
        layout: what the run's configuration and data give.
        log: what the log has.

    Raises:
        MemgateError: they differ.
    """
    for name in ("gates", "epochs", "mode", "class_names", "macs", "phi", "reduced"):
        stored, expected = getattr(log, name), getattr(layout, name)
        require(
            stored == expected,
            f"{path} has other {name.replace('_', ' ')} than the run's configuration ({_short(stored)}, not "
            f"{_short(expected)}): put back the file that belongs to the run.",
        )
    for split, samples in layout.splits.items():
        if split not in log.splits:
            raise MemgateError(f"{path} has no split {split!r}: put back the file that belongs to the run.")
        difference = next(_differences(log.splits[split], samples), None)
        require(
            difference is None,
            f"{path} does not belong to the run's data ({difference} in {split}): put back the file that belongs to "
            "the run.",
        )


def check_samples(path: Path, split: str, samples: Samples, classes: int) -> None:
    """Check what a log without a seal says of the samples of a split.

    Raises:
        MemgateError: columns have several lengths, labels are out of range, or an id occurs twice.
    """
    damaged = f"{path} is damaged: the {{}} of {split} {{}}; put back a copy of it, or train the run again."
    for name in SAMPLE_COLUMNS:
        column = getattr(samples, name)
        require(
            column.shape == samples.sample_id.shape, damaged.format(name, "has another length than its ids")
        )
        if name.endswith("label"):
            require(
                bool((column < classes).all()),
                damaged.format(name, f"goes up to {column.max(initial=0)}, and there are {classes} classes"),
            )
    require(
        len(np.unique(samples.sample_id)) == len(samples.sample_id),
        damaged.format("sample_id", "has an id twice"),
    )


def unsealed_identity(handle: Any, splits: Iterable[str]) -> str:
    """A digest that names a log without a seal: of its attributes, epochs and samples."""
    digest = hashlib.sha256()
    names = ("mode", "gates", "class_names", "splits")
    digest.update(json.dumps([text(handle.attrs[name]) for name in names]).encode())
    digest.update(np.float64(handle.attrs["created_unix"]).tobytes())
    digest.update(handle["epoch"][:].tobytes())
    for split in splits:
        for column in SAMPLE_COLUMNS:
            digest.update(handle[split][column][:].tobytes())
    return digest.hexdigest()


def _differences(samples: Samples, expected: Samples) -> Iterator[str]:
    """Sentences about columns that differ; at most one is needed."""
    if len(samples) != len(expected):
        yield f"{len(samples):,} samples, not {len(expected):,}"
        return
    for name, dtype in SAMPLE_COLUMNS.items():
        differ = int((getattr(samples, name) != getattr(expected, name).astype(dtype)).sum())
        if differ:
            yield f"{name} differs for {differ:,} of {len(samples):,} samples"


def _short(value: object) -> str:
    """A value in at most 60 characters."""
    words = str(value)
    return words if len(words) <= 60 else words[:57] + "..."


def _digest(path: Path) -> str:
    """Digest of a file as in :func:`file_digests`; a configuration without one of its own has that of the file."""
    if path.name == "config.json":
        with suppress(OSError, ValueError, RecursionError, AttributeError):
            own = json.loads(regular_bytes(path)).get("digest")
            if isinstance(own, str):
                return own
    return _sha256(path)


def _sha256(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read, or is no regular file."""
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
