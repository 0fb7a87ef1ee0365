"""Changes of a log's identity, values and structure that leave a valid HDF5 file, made with h5py as anybody could."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Change = Callable[[Any], object]
"""Changes an open HDF5 file."""


def changes(path: Path) -> dict[str, Change]:
    """Description to change, for everything in a log (h5py writes through its checksums, as any program does)."""
    opened: Any = h5py.File(path, "r", locking=False)
    with opened as handle:
        splits = [name for name in handle if name not in ("commit", "epoch") and "sample_id" in handle[name]]
        datasets: list[str] = []
        handle.visititems(
            lambda name, item: datasets.append(name) if isinstance(item, h5py.Dataset) else None
        )
        attributes = list(handle.attrs)
    result: dict[str, Change] = {}
    for split in splits:
        result[f"{split}: two ids exchanged"] = _edit(f"{split}/sample_id", _exchanged)
        result[f"{split}: an id twice"] = _edit(f"{split}/sample_id", _twice)
        for column, value in (
            ("given_label", 3), ("clean_label", 3), ("label_op", 1), ("image_op", 1), ("open_set", 1),
        ):  # fmt: skip
            result[f"{split}/{column}: a value changed"] = _edit(f"{split}/{column}", _shifted(value))
        result[f"{split}/given_label: 60000"] = _edit(f"{split}/given_label", _first(60000))
        result[f"{split}/loss: a value changed"] = _edit(f"{split}/loss", _first(0.125))
        for value in (0, 3):
            result[f"commit/{split}/done: first row {value}"] = _edit(f"commit/{split}/done", _first(value))
        result[f"commit/{split}/crc32: a checksum changed"] = _edit(f"commit/{split}/crc32", _first(1))
        result[f"commit/{split}/seen: a count changed"] = _edit(f"commit/{split}/seen", _first(1))
    result["epoch: first is 7"] = _edit("epoch", _first(7))
    result["epoch: reversed"] = _edit("epoch", lambda values: values[::-1])
    for name in datasets:
        result[f"{name}: removed"] = lambda handle, name=name: handle.__delitem__(name)
    for name in datasets:
        result[f"{name}: halved"] = lambda handle, name=name: _replaced(
            handle, name, lambda v: v[: len(v) // 2]
        )
        result[f"{name}: as text"] = lambda handle, name=name: _replaced(
            handle, name, lambda _: np.bytes_(b"x")
        )
    for name in attributes:
        result[f"attribute {name}: removed"] = lambda handle, name=name: handle.attrs.__delitem__(name)
        result[f"attribute {name}: another text"] = lambda handle, name=name: _retexted(handle, name)
        result[f"attribute {name}: a number"] = lambda handle, name=name: handle.attrs.__setitem__(name, 5)
    result["class names reversed"] = lambda handle: _reversed(handle, "class_names")
    result["mode online"] = lambda handle: handle.attrs.__setitem__("mode", "online")
    result["format of a newer version"] = lambda handle: handle.attrs.__setitem__("schema", "memgate-log/9")
    return result


def apply(path: Path, change: Change) -> None:
    """Make a change of :func:`changes` in a file."""
    with h5py.File(path, "r+", locking=False) as handle:
        change(handle)


def _edit(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change of a dataset's values in place."""

    def change(handle: Any) -> None:
        handle[name][...] = edit(handle[name][...])

    return change


def _exchanged(values: np.ndarray) -> np.ndarray:
    values[[0, 1]] = values[[1, 0]]
    return values


def _twice(values: np.ndarray) -> np.ndarray:
    values[1] = values[0]
    return values


def _shifted(value: int) -> Callable[[np.ndarray], np.ndarray]:
    def shifted(values: np.ndarray) -> np.ndarray:
        values[0] = values[0] + value
        return values

    return shifted


def _first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def changed(values: np.ndarray) -> np.ndarray:
        values.reshape(-1)[0] = value
        return values

    return changed


def _replaced(handle: Any, name: str, edit: Callable[[np.ndarray], Any]) -> None:
    values = edit(handle[name][...])
    del handle[name]
    handle[name] = values


def _retexted(handle: Any, name: str) -> None:
    value = handle.attrs[name]
    handle.attrs[name] = "[]" if isinstance(value, str) and value != "[]" else "x"


def _reversed(handle: Any, name: str) -> None:
    """Turn round a list of texts, however it is stored."""
    import json

    value = handle.attrs[name]
    if isinstance(value, str | bytes):
        handle.attrs[name] = json.dumps(json.loads(value)[::-1])
    else:
        handle.attrs[name] = value[::-1]
