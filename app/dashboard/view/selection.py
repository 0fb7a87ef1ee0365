"""Selections of samples, boxes drawn on charts, and their text in the URL.

Pure functions and records. Samples are identified by their ``sample_id`` everywhere, never by a position: a figure
or a table that changes must not change a selection.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from probes.samples.cohorts import Cohort

Mode = Literal["any", "every"]
"""Whether g has to lie in the box at any of its epochs or at every one."""

LARGEST_ID = 2**53
"""Above this a browser's numbers are no longer exact."""


@dataclass(frozen=True)
class Box:
    """A rectangle drawn on a chart, both ends included: on the heatmap of g x is the epoch and y is g."""

    left: float
    right: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Selection:
    """Chosen samples of one split of one run, and how they were chosen."""

    run: str
    split: str
    ids: NDArray[np.int64]
    """Rising, each once."""
    how: str
    """Description, such as ``g in [0.80, 1.00] at any of the epochs 10 to 20``."""
    cohort: str | None = None
    """The name under which it is saved, if it is."""

    @property
    def key(self) -> str:
        """Name in the URL: the cohort's name, or a digest of the selected ids; never ``none``."""
        if self.cohort is not None:
            return self.cohort
        text = f"{self.run}\n{self.split}\n{self.how}\n".encode() + self.ids.tobytes()
        return UNSAVED + hashlib.sha256(text).hexdigest()[:12]

    def of(self, run: str, split: str) -> "Selection | None":
        """The selection if it is of this run and split, else None: the same ids are other samples there."""
        return self if (self.run, self.split) == (run, split) else None


UNSAVED = "~"
"""First character of the key of an unsaved selection; no cohort's name begins so."""


def selection_of(run: str, split: str, ids: NDArray[np.integer] | Sequence[int], how: str) -> Selection:
    """A selection of ids in any order."""
    return Selection(run, split, np.unique(np.asarray(ids, np.int64)), how)


def from_cohort(run: str, cohort: Cohort) -> Selection:
    """A saved cohort as a selection."""
    return Selection(run, cohort.split, np.array(cohort.sample_ids, np.int64), cohort.how, cohort.name)


def choose(
    wanted: str | None, remembered: str | None, options: Sequence[str], what: str
) -> tuple[str | None, str]:
    """The option named in the URL, else the one used before, else the first.

    Args:
        wanted: the URL's value; None where the URL has none.
        remembered: the last value in this session (the links of the navigation drop the URL's values).
        options: valid values.
        what: noun for the message, such as ``run``.

    Returns:
        The option and an empty text; or None and a message where the URL's value is not an option.
    """
    if wanted is not None:
        if wanted in options:
            return wanted, ""
        shown = ", ".join(options[:8]) + (", …" if len(options) > 8 else "")
        return None, f"There is no {what} {wanted[:80]!r} here: there is {shown or 'none yet'}."
    if remembered in options:
        return remembered, ""
    return (options[0] if options else None), ""


def parse_id(text: str) -> int | None:
    """A sample id from the URL; None for text that is not an id."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > LARGEST_ID:
        return None
    return int(text)


def parse_classes(text: str, count: int) -> tuple[int, ...] | None:
    """Classes from the URL (``all``, or numbers such as ``3,5``); None if one is not below ``count``."""
    if text == "all":
        return ()
    numbers = [parse_id(part) for part in text[:4000].split(",")]
    classes = [one for one in numbers if one is not None and one < count]
    return tuple(sorted(set(classes))) if len(classes) == len(numbers) else None


def parse_names(text: str) -> list[str]:
    """Names of runs from the URL (``a,b``), each once; a comma in a name is written %2C."""
    return list(dict.fromkeys(unquote(part) for part in text[:4000].split(",") if part))


def names_text(names: Sequence[str]) -> str:
    """Text in the URL for several runs: see :func:`parse_names`."""
    return ",".join(quote(name, safe="") for name in names)


def with_first(names: Sequence[str], first: str) -> list[str]:
    """The names with ``first`` in front; one that is not among them replaces the first."""
    rest = names if first in names else names[1:]
    return [first, *(name for name in rest if name != first)]


def boxes_of(event: Any) -> list[Box]:
    """The rectangles of a Plotly selection event; empty for a click, a lasso or nothing.

    A heatmap has no points to select, so the ranges are all that such an event carries.
    """
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    boxes = []
    for item in chosen.get("box", []):
        x, y = item.get("x", []), item.get("y", [])
        if len(x) == 2 and len(y) == 2:
            boxes.append(Box(min(x), max(x), min(y), max(y)))
    return boxes


def picked_ids(event: Any) -> list[int]:
    """The sample ids of the points of a Plotly selection event, from their customdata, each once."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    ids = [point.get("customdata") for point in chosen.get("points", []) if isinstance(point, Mapping)]
    return list(dict.fromkeys(one for one in ids if type(one) is int and 0 <= one < LARGEST_ID))


def picked_coordinate(event: Any, axis: Literal["x", "y"] = "y") -> float | None:
    """The x or y of the last point of a Plotly selection event; None for no point."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    points = [point for point in chosen.get("points", []) if isinstance(point, Mapping)]
    value = points[-1].get(axis) if points else None
    return float(value) if isinstance(value, int | float) else None


def picked_row(event: Any) -> int | None:
    """The row of a table that was clicked, at its head or in a cell, as the table was sent; None for no click."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    rows = [*chosen.get("rows", []), *(cell[0] for cell in chosen.get("cells", []))]
    return int(rows[0]) if rows else None


def outline(event: Any) -> str:
    """Boxes and lassos of a Plotly selection event as text; empty for none."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    drawn = [list(chosen.get(shape, [])) for shape in ("box", "lasso")]
    return repr(drawn) if any(drawn) else ""


def gesture(event: Any, before: str = "") -> Literal["", "click", "box", "lasso"]:
    """How the points of a Plotly selection event were chosen; several gestures at once count as a lasso.

    Args:
        event: what happened to a chart.
        before: the outline of the chart's last event: Plotly sends what was drawn again with a later click.
    """
    ids = picked_ids(event)
    if not ids:
        return ""
    drawn = outline(event)
    if not drawn or (drawn == before and len(ids) == 1):
        return "click"
    return "lasso" if event["selection"].get("lasso") else "box"


def points_in_boxes(boxes: Sequence[Box], x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    """Samples whose point (x, y) lies in a box of a figure, bool [N]; NaN lies in none.

    Args:
        boxes: drawn on the figure; left and right are values of x.
        x: [N].
        y: [N].
    """
    members = np.zeros(len(x), bool)
    for box in boxes:
        members |= (x >= box.left) & (x <= box.right) & (y >= box.low) & (y <= box.high)
    return members


def lassos_of(event: Any) -> list[NDArray[np.float64]]:
    """The lassos of a Plotly selection event: the corners of each, [m, 2]."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    shapes = []
    for item in chosen.get("lasso", []):
        x, y = item.get("x", []), item.get("y", [])
        if len(x) == len(y) > 2:
            shapes.append(np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1))
    return shapes


def points_in_lassos(lassos: Sequence[NDArray[np.float64]], x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    """Samples whose point (x, y) lies in a lasso, bool [N]: a ray from it crosses the lasso an odd number of times.

    Args:
        lassos: corners [m, 2] of each.
        x: [N].
        y: [N].
    """
    members = np.zeros(len(x), bool)
    for corners in lassos:
        crossed = np.zeros(len(x), bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            spans = (y0 > y) != (y1 > y)
            if y0 != y1:
                crossed ^= spans & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        members |= crossed
    return members


def epochs_inside(box: Box, epochs: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Epochs that the box touches, bool [E]: a cell of the heatmap reaches half-way to its neighbours.

    A box drawn inside one cell therefore means that epoch, although it may not contain the epoch's number.
    """
    if len(epochs) == 0:
        return np.zeros(0, bool)
    first, last = (int(np.abs(epochs - end).argmin()) for end in (box.left, box.right))
    places = np.arange(len(epochs))
    return (places >= first) & (places <= last)


def gate_in_boxes(
    boxes: Sequence[Box], epochs: NDArray[np.integer], gate: NDArray[np.float32], mode: Mode
) -> NDArray[np.bool_]:
    """Samples whose g lies in a box, at any or at every one of its epochs, bool [N]; of several boxes, any.

    Args:
        boxes: the rectangles.
        epochs: [E] rising epoch numbers.
        gate: g [E, N]; NaN (not seen in that epoch) lies in no box, and is ignored by ``every``.
        mode: see :data:`Mode`.
    """
    members = np.zeros(gate.shape[1], bool)
    for box in boxes:
        values = gate[epochs_inside(box, epochs)]
        within = (values >= box.low) & (values <= box.high)
        if mode == "any":
            members |= within.any(axis=0)
        else:
            members |= (within | np.isnan(values)).all(axis=0) & within.any(axis=0)
    return members


def describe(boxes: Sequence[Box], epochs: NDArray[np.integer], mode: Mode) -> str:
    """Description of the boxes."""
    parts = []
    for box in boxes:
        touched = epochs[epochs_inside(box, epochs)]
        if len(touched) == 0:
            continue
        span = f"at epoch {touched[0]}"
        if len(touched) > 1:
            span = f"at {mode} of the epochs {touched[0]} to {touched[-1]}"
        parts.append(f"g in [{box.low:.2f}, {box.high:.2f}] {span}")
    return ", or ".join(parts)


def neighbours(ids: Sequence[int] | NDArray[np.integer], focus: int) -> tuple[int | None, int | None]:
    """The ids before and after ``focus`` in an ascending list; it need not be in the list itself."""
    before = int(np.searchsorted(ids, focus, side="left"))
    after = int(np.searchsorted(ids, focus, side="right"))
    return (int(ids[before - 1]) if before > 0 else None), (int(ids[after]) if after < len(ids) else None)
