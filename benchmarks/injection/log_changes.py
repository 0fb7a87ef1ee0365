"""Changes of what a log or a file of results says that leave a valid HDF5 file, made with h5py as anybody could."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Change = Callable[[Any], object]
"""Changes an open HDF5 file."""


def changes(path: Path) -> dict[str, Change]:
    """Description to change, for everything in an HDF5 file of a run."""
    opened: Any = h5py.File(path, "r", locking=False)
    with opened as handle:
        splits = [name for name in handle if name not in ("commit", "epoch") and "sample_id" in handle[name]]
        datasets: list[str] = []
        attributes = [("/", name) for name in handle.attrs]

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                datasets.append(name)
            attributes.extend((name, attribute) for attribute in item.attrs)

        handle.visititems(visit)
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
    if "epoch" in datasets:
        result["epoch: reversed"] = _edit("epoch", lambda values: values[::-1])
    for name in datasets:
        result[f"{name}: first is 7"] = _edit(name, _first(7))
        result[f"{name}: removed"] = lambda handle, name=name: handle.__delitem__(name)
    for name in datasets:
        result[f"{name}: halved"] = lambda handle, name=name: _replaced(
            handle, name, lambda v: v[: len(v) // 2]
        )
        result[f"{name}: as text"] = lambda handle, name=name: _replaced(
            handle, name, lambda _: np.bytes_(b"x")
        )
    for place, name in attributes:
        for words, change in (("removed", _gone), ("another text", _retexted), ("a number", _number)):
            result[f"attribute {name} of {place}: {words}"] = partial(_at, place, name, change)
    if ("/", "class_names") in attributes:
        result["class names reversed"] = partial(_at, "/", "class_names", _reversed)
        result["mode online"] = lambda handle: handle.attrs.__setitem__("mode", "online")
    result["format of a newer version"] = partial(_at, "/", "schema", _newer)
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


def _at(place: str, name: str, change: Callable[[Any, str], object], handle: Any) -> None:
    """Make a change of one attribute."""
    change(handle[place].attrs, name)


def _gone(attributes: Any, name: str) -> None:
    del attributes[name]


def _number(attributes: Any, name: str) -> None:
    attributes[name] = 5


def _retexted(attributes: Any, name: str) -> None:
    attributes[name] = "[]" if isinstance(attributes[name], str) and attributes[name] != "[]" else "x"


def _newer(attributes: Any, name: str) -> None:
    value = attributes[name]
    text = value.decode() if isinstance(value, bytes) else str(value)
    attributes[name] = np.bytes_(text.partition("/")[0] + "/99")


def _reversed(attributes: Any, name: str) -> None:
    """Turn round a list of texts, however it is stored."""
    value = attributes[name]
    if isinstance(value, str | bytes):
        attributes[name] = json.dumps(json.loads(value)[::-1])
    else:
        attributes[name] = value[::-1]
