"""What the user looks at: filter (in the URL), then selection (ids in the session), then focus (``?id=``).

Pure functions and records. Samples are named by their ``sample_id`` everywhere, never by a position: a figure
or a table that changes must not make a selection mean other samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from noise.manifest import CORRUPTED_CAUSES

Mode = Literal["any", "every"]
"""Whether g has to lie in the box at one of its epochs or at all of them."""

LARGEST_ID = 2**53
"""Above this a browser's numbers are no longer exact."""


@dataclass(frozen=True)
class Box:
    """A rectangle brushed on the gate's evolution: epochs on x, g on y, both ends included."""

    first_epoch: float
    last_epoch: float
    low: float
    high: float


@dataclass(frozen=True)
class Selection:
    """Chosen samples of one split of one run, and how they were chosen."""

    run: str
    split: str
    ids: tuple[int, ...]
    how: str
    """In words, such as ``g in [0.80, 1.00] at any of the epochs 10 to 20``."""

    def of(self, run: str, split: str) -> "Selection | None":
        """Itself where it belongs to what is shown, else None: the ids of another split are other samples."""
        return self if (self.run, self.split) == (run, split) else None


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


def epochs_inside(box: Box, epochs: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which epochs [E] the box touches: a cell of the heatmap reaches half-way to its neighbours.

    A box drawn inside one cell therefore means that epoch, although it may not contain the epoch's number.
    """
    if len(epochs) == 0:
        return np.zeros(0, bool)
    first, last = (int(np.abs(epochs - end).argmin()) for end in (box.first_epoch, box.last_epoch))
    places = np.arange(len(epochs))
    return (places >= first) & (places <= last)


def inside(
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


def matching(cause: NDArray[np.str_], wanted: str) -> NDArray[np.bool_]:
    """The filter: which samples [N] have a cause; ``all`` and ``corrupted`` pool several."""
    if wanted == "all":
        return np.ones(len(cause), bool)
    return cause != "clean" if wanted == "corrupted" else cause == wanted


def filters(cause: NDArray[np.str_]) -> list[str]:
    """The filters that make a difference for these samples, ``all`` first."""
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if not present:
        return ["all"]
    pooled = ["corrupted"] if len(present) > 1 else []
    clean = ["clean"] if (cause == "clean").any() else []
    return ["all", *clean, *pooled, *present]


def neighbours(ids: Sequence[int], focus: int) -> tuple[int | None, int | None]:
    """The ids before and after ``focus`` in an ascending list; it need not be in the list itself."""
    before = int(np.searchsorted(ids, focus, side="left"))
    after = int(np.searchsorted(ids, focus, side="right"))
    return (int(ids[before - 1]) if before > 0 else None), (int(ids[after]) if after < len(ids) else None)
