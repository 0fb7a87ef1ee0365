"""A grid of images to click: one sprite and one component, however many tiles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from streamlit.components import v2

from app.dashboard import palette, run_data, sentences
from app.dashboard.components.thumbnails import SPRITE_COLUMNS, Look, looks, png, sprite
from app.dashboard.view.state import View, open_sample, problem
from memgate.errors import MemgateError

PAGE = 60
"""Tiles on a page of a gallery."""

LEGEND = (
    "Border: solid pink routed, dashed grey skipped, none: route missing. Corner: L label, I image, B both corrupted, "
    "O open set."
)

CORNERS = {"unknown": "", "clean": "", "label": "L", "image": "I", "label+image": "B", "open": "O"}


def tiles(
    view: View,
    ids: NDArray[np.integer] | Sequence[int],
    key: str,
    size: int = 64,
    look: Look = "given",
    captions: Sequence[str] | None = None,
    numbers: Sequence[str] | None = None,
) -> None:
    """Show samples as tiles in the order of ``ids``; a click opens the sample.

    Args:
        view: run, split, gate and the epoch whose routes the borders show.
        ids: not more than a page of them; ids without a column or an image in the split are left out.
        key: of the widget.
        size: longer side of an image in pixels of the screen.
        look: which version of the image.
        captions: one for each of ``ids``; by default clean → given label.
        numbers: a second line for each of ``ids``; none by default.
    """
    places = view.data.places(ids)
    place_of = dict(zip(view.data.sample_id[places].tolist(), places.tolist(), strict=True))
    known = [at for at, one in enumerate(ids) if int(one) in place_of]
    images = np.zeros((0, 1, 1, 3), np.uint8)
    try:
        pictures = run_data.pictures(view.run, view.split)
        there = np.isin(ids, pictures.sample_id)
        known = [at for at in known if there[at]]
        images = looks(pictures, np.array([ids[at] for at in known], np.int64), look)
    except MemgateError as error:
        problem(error)  # the tiles are then empty frames that can still be clicked
    routes = _routes(view)
    shown = []
    for at in known:
        place = place_of[int(ids[at])]
        tile = _tile(view, int(ids[at]), place, str(routes[place]))
        if captions is not None:
            tile["caption"] = captions[at]
        tile["number"] = "" if numbers is None else numbers[at]
        if tile["number"]:
            tile["title"] = f"{tile['title']}, {tile['number']}"
        shown.append(tile)
    sheet = sprite(images)
    folder = Path(__file__).parent
    component = v2.component(
        "memgate_tiles",
        html='<div class="grid" role="group" aria-label="Samples: arrow keys move, Enter opens"></div>',
        css=(folder / "tiles.css").read_text(),
        js=(folder / "tiles.js").read_text(),
    )
    width, height = extent(images.shape[1], images.shape[2], size)
    data = {
        "tiles": shown, "sprite": png(sheet) if len(images) else "", "columns": SPRITE_COLUMNS,
        "rows": max(1, -(-len(images) // SPRITE_COLUMNS)), "width": width, "height": height,
    }  # fmt: skip
    clicked = component(key=key, data=data, on_clicked_change=lambda: None).clicked
    # Anything but the id of a tile was not sent by the component.
    if clicked in [tile["id"] for tile in shown]:
        open_sample(view, int(clicked))


def extent(rows: int, columns: int, size: int) -> tuple[int, int]:
    """Width and height on the screen of an image of ``rows`` x ``columns`` pixels, its longer side ``size``."""
    longer = max(rows, columns)
    return max(1, round(size * columns / longer)), max(1, round(size * rows / longer))


def _routes(view: View) -> NDArray[np.str_]:
    """Route of every sample [N] at the epoch shown, ``missing`` where it is not known; empty without a gate."""
    if not view.gate or view.epoch is None:
        return np.full(len(view.data.sample_id), "")
    routes = np.where(view.at_cursor("routed", view.gate), "routed", "skipped")
    return np.where(view.known_at_cursor("routed", view.gate), routes, "missing")


def _tile(view: View, sample_id: int, place: int, route: str) -> dict[str, str | int]:
    cause, names = str(view.data.cause[place]), view.log.class_names
    given, clean = (
        sentences.class_name(int(labels[place]), names)
        for labels in (view.data.given_label, view.data.clean_label)
    )
    label = given if given == clean else f"{clean} → {given}"
    title = f"sample {sample_id}: given label {given}, {palette.CAUSE_WORDS[cause]}"
    title += f" (clean label {clean})" if given != clean else ""
    words = "route missing" if route == "missing" else route
    return {
        "id": sample_id, "caption": label, "title": f"{title}, {words}" if route else title, "route": route,
        "corner": CORNERS.get(cause, "?"), "colour": palette.CAUSE_COLOURS.get(cause, palette.CORRUPTED),
    }  # fmt: skip
