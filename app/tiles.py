"""A grid of pictures to click: one sprite and one component, however many tiles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streamlit.components import v2

from app import palette, queries, words
from app.state import View, open_sample, problem
from app.thumbnails import SPRITE_COLUMNS, Look, looks, png, sprite
from memgate.errors import MemgateError

PAGE = 60
"""Tiles on a page of a gallery."""

LEGEND = "Border: solid pink is routed, dashed grey skipped. Corner: L label, I image, B both corrupted, O open set."

CORNERS = {"clean": "", "label": "L", "image": "I", "label+image": "B", "open": "O"}


def tiles(
    view: View,
    ids: NDArray[np.integer] | Sequence[int],
    key: str,
    size: int = 64,
    look: Look = "given",
    captions: Sequence[str] | None = None,
) -> None:
    """Show samples as tiles in the order of ``ids``; a click opens the sample.

    Args:
        view: run, split, gate and the epoch whose routes the borders show.
        ids: not more than a page of them; ids that the split has not are left out.
        key: of the widget.
        size: side of a picture in pixels of the screen.
        look: which picture.
        captions: one a tile; by default given label, and after an arrow the clean one where it differs.
    """
    known = [int(one) for one in ids if view.data.position(int(one)) is not None]
    try:
        pictures = queries.pictures(view.run, view.split)
        with_picture = set(pictures.sample_id[pictures.rows(known)].tolist())
        known = [one for one in known if one in with_picture]
        found = looks(pictures, np.array(known, np.int64), look)
    except MemgateError as error:
        problem(error)
        found = np.zeros((0, 1, 1, 3), np.uint8)
    sheet = sprite(found)
    rows = max(1, -(-len(known) // SPRITE_COLUMNS))
    ratio = (sheet.shape[0] / rows) / (sheet.shape[1] / SPRITE_COLUMNS)
    shown = [
        _tile(view, one, None if captions is None else captions[place]) for place, one in enumerate(known)
    ]
    folder = Path(__file__).parent
    component = v2.component(
        "memgate_tiles",
        html='<div class="grid" role="group"></div>',
        css=(folder / "tiles.css").read_text(),
        js=(folder / "tiles.js").read_text(),
    )
    data = {
        "tiles": shown, "sprite": png(sheet) if len(found) else "", "columns": SPRITE_COLUMNS, "rows": rows,
        "size": size, "ratio": ratio,
    }  # fmt: skip
    clicked = component(key=key, data=data, on_clicked_change=lambda: None).clicked
    # A click names one of these tiles, or it is not ours.
    if clicked in known:
        open_sample(view, int(clicked))


def _tile(view: View, sample_id: int, caption: str | None) -> dict[str, str | int]:
    place = int(view.data.places([sample_id])[0])
    cause, names = str(view.data.cause[place]), view.log.class_names
    given, clean = (
        words.class_name(int(labels[place]), names)
        for labels in (view.data.given_label, view.data.clean_label)
    )
    label = given if given == clean else f"{given} → {clean}"
    route = ""
    if view.gate and view.epoch is not None and view.at_cursor("seen")[place]:
        route = "routed" if view.at_cursor("routed", view.gate)[place] else "skipped"
    told = f"sample {sample_id}: given label {given}, {palette.CAUSE_WORDS[cause]}"
    told += f" (clean label {clean})" if given != clean else ""
    return {
        "id": sample_id, "caption": caption or label, "title": f"{told}, {route}" if route else told, "route": route,
        "corner": CORNERS.get(cause, "?"), "colour": palette.CAUSE_COLOURS.get(cause, palette.CORRUPTED),
    }  # fmt: skip
