"""What the user looks at: filter, then selection (ids), then focus (one id); all of it named by the URL.

Pure functions and records. Samples are named by their ``sample_id`` everywhere, never by a position: a figure
or a table that changes must not make a selection mean other samples.
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
"""Whether g has to lie in the box at one of its epochs or at all of them."""

LARGEST_ID = 2**53
"""Above this a browser's numbers are no longer exact."""


@dataclass(frozen=True)
class Box:
    """A rectangle brushed on a chart, both ends included: on the gate's evolution x is the epoch and y is g."""

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
    """In words, such as ``g in [0.80, 1.00] at any of the epochs 10 to 20``."""
    cohort: str | None = None
    """The name under which it is saved, if it is."""

    @property
    def key(self) -> str:
        """What the URL calls it: the cohort's name, or a digest of who is selected; never ``none``."""
        if self.cohort is not None:
            return self.cohort
        told = f"{self.run}\n{self.split}\n{self.how}\n".encode() + self.ids.tobytes()
        return UNSAVED + hashlib.sha256(told).hexdigest()[:12]

    def of(self, run: str, split: str) -> "Selection | None":
        """Itself where it belongs to what is shown, else None: the ids of another split are other samples."""
        return self if (self.run, self.split) == (run, split) else None


UNSAVED = "~"
"""With what the key of a selection begins that is not saved under a name (no cohort's name does)."""


def selection_of(run: str, split: str, ids: NDArray[np.integer] | Sequence[int], how: str) -> Selection:
    """A selection of ids in any order."""
    return Selection(run, split, np.unique(np.asarray(ids, np.int64)), how)


def from_cohort(run: str, cohort: Cohort) -> Selection:
    """A saved cohort as a selection."""
    return Selection(run, cohort.split, np.array(cohort.sample_ids, np.int64), cohort.how, cohort.name)


def choose(
    wanted: str | None, remembered: str | None, options: Sequence[str], what: str
) -> tuple[str | None, str]:
    """The option that the URL asks for, else the one used before, else the first.

    Args:
        wanted: the URL's value, None where the URL does not say.
        remembered: what this session used last (the links of the navigation drop the URL's values).
        options: what there is.
        what: a word for the message, such as ``run``.

    Returns:
        The option and an empty text; or None and a sentence where the URL asks for what there is not.
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
    """A sample id from the URL, None for what is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > LARGEST_ID:
        return None
    return int(text)


def parse_classes(text: str, count: int) -> tuple[int, ...] | None:
    """Classes from the URL (``all``, or numbers such as ``3,5``), None for what are none of the ``count`` classes."""
    if text == "all":
        return ()
    found = [parse_id(part) for part in text[:4000].split(",")]
    known = [one for one in found if one is not None and one < count]
    return tuple(sorted(set(known))) if len(known) == len(found) else None


def parse_names(text: str) -> list[str]:
    """Several runs from the URL (``a,b``), each once; a comma that belongs to a name is written %2C."""
    return list(dict.fromkeys(unquote(part) for part in text[:4000].split(",") if part))


def names_text(names: Sequence[str]) -> str:
    """What the URL says for several runs: see :func:`parse_names`."""
    return ",".join(quote(name, safe="") for name in names)


def with_first(names: Sequence[str], first: str) -> list[str]:
    """The same runs with ``first`` in front; one that is not among them takes the place of the first."""
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


def picked_row(event: Any) -> int | None:
    """The row of a table that was clicked, at its head or in a cell, as the table was sent; None for no click."""
    chosen = event.get("selection", {}) if isinstance(event, Mapping) else {}
    rows = [*chosen.get("rows", []), *(cell[0] for cell in chosen.get("cells", []))]
    return int(rows[0]) if rows else None


def outline(event: Any) -> str:
    """The boxes and lassos of a Plotly selection event as text; empty where it has none."""
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
    """Which samples [N] lie in a box of a figure whose axes are two numbers of each; NaN lies in none.

    Args:
        boxes: of it; their left and right are values of x.
        x: [N].
        y: [N].
    """
    found = np.zeros(len(x), bool)
    for box in boxes:
        found |= (x >= box.left) & (x <= box.right) & (y >= box.low) & (y <= box.high)
    return found


def epochs_inside(box: Box, epochs: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which epochs [E] the box touches: a cell of the heatmap reaches half-way to its neighbours.

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
    """Which samples [N] have their g inside a box, in any or in every one of its epochs; of several boxes, any.

    Args:
        boxes: the rectangles.
        epochs: [E] rising epoch numbers.
        gate: g [E, N]; NaN (not seen in that epoch) is in no box, and no reason against ``every``.
        mode: see :data:`Mode`.
    """
    found = np.zeros(gate.shape[1], bool)
    for box in boxes:
        values = gate[epochs_inside(box, epochs)]
        within = (values >= box.low) & (values <= box.high)
        if mode == "any":
            found |= within.any(axis=0)
        else:
            found |= (within | np.isnan(values)).all(axis=0) & within.any(axis=0)
    return found


def describe(boxes: Sequence[Box], epochs: NDArray[np.integer], mode: Mode) -> str:
    """The brush in words."""
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
