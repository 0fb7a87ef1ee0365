"""Gallery: images of samples by a preset, such as clean samples that are routed; a click opens the sample."""

from typing import get_args

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.components.thumbnails import Look
from app.dashboard.components.tiles import LEGEND, PAGE, tiles
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.parts.gallery import presets as gallery
from app.dashboard.parts.gallery.presets import Preset
from app.dashboard.parts.gallery.samples import captions, offered, order, source, unprobed
from app.dashboard.results import scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from memgate.errors import MemgateError

SIZES = ("64", "48", "96")
LARGEST_SEED = 10**6


def changed(param: str) -> None:
    """Write a changed widget to the URL, and go back to the first page."""
    if st.session_state[f"gallery_{param}"] is None:
        return  # the segment that was already pressed
    params = {**dict(st.query_params), param: str(st.session_state[f"gallery_{param}"])}
    if param not in ("size", "look"):
        params["page"] = "1"
    st.query_params.from_dict(params)


def draw_again(seed: int) -> None:
    """Draw other samples at random."""
    st.query_params.from_dict({**dict(st.query_params), "seed": str((seed + 1) % LARGEST_SEED), "page": "1"})


def looks_of(view: View) -> list[str]:
    """Versions of the images that are available: given; where images were corrupted also clean and difference."""
    # A recorded run keeps only the given images.
    there = view.data.samples.image_op.any() and not view.run.recorded
    return ["given", "clean", "difference"] if there else ["given"]


def controls(view: View, address: Address, presets: dict[str, Preset]) -> tuple[Preset, str]:
    """Widgets for the samples: the preset, and the column of the score that orders them."""
    name = address.choice("preset", list(presets), "preset", gallery.NAMES)
    known = scores.available(view)
    column = presets[name].column
    st.session_state["gallery_preset"] = name
    st.selectbox(
        "Preset", list(presets), key="gallery_preset", format_func=lambda one: presets[one].title,
        on_change=changed, args=("preset",), width=230,
        help=definitions("routed", "skipped", "fitted", "memorised", "g"),
    )  # fmt: skip
    if name == gallery.HARDEST.name:
        column = address.choice("score", list(known), "score", scores.EVERY)
        st.session_state["gallery_score"] = column
        st.selectbox(
            "Score", list(known), key="gallery_score", format_func=lambda one: known[one].title,
            on_change=changed, args=("score",), width=280, help=definitions(*SCORE_TERMS),
        )  # fmt: skip
    return presets[name], column


def appearance(view: View, address: Address) -> tuple[int, str]:
    """Widgets for the images: side in pixels, and version."""
    sizes, looks = list(SIZES), looks_of(view)
    chosen = address.choice("size", sizes, "size"), address.choice("look", looks, "look", get_args(Look))
    for param, value, options, label in (
        ("size", chosen[0], sorted(sizes, key=int), "Size (pixels)"),
        ("look", chosen[1], looks, "Image"),
    ):
        if len(options) > 1:
            st.session_state[f"gallery_{param}"] = value
            st.segmented_control(
                label, options, key=f"gallery_{param}", on_change=changed, args=(param,), width="content"
            )
    return int(chosen[0]), chosen[1]


def keep_first(view: View, preset: Preset, title: str, ids: NDArray[np.int64]) -> None:
    """A form that selects the first samples of the gallery."""
    with st.popover("Select these samples", icon=":material/select_all:", width="content"):
        count = st.number_input(
            "The first", 1, len(ids), min(PAGE, len(ids)), key=f"gallery_first_{preset.name}", width=160
        )
        st.caption(
            f"of {len(ids):,}. Previous and Next on the page Sample then step through the selection by id."
        )
        if st.button("Select", key="gallery_select", type="primary"):
            passing = "" if count == len(ids) else f"the first {count:,} of "
            state.select(view, ids[:count], f"gallery: {passing}{len(ids):,} by {title!r}")
            state.rerun()


def first_page_of_another(address: Address, key: tuple) -> None:
    """Go back to the first page where the sidebar has changed the samples and the page's number has stayed."""
    before, page = st.session_state.get("gallery_order", (key, ""))
    if before == key and page:
        address.params.setdefault("page", page)  # back from a sample
    if before != key and page == address.params.get("page"):
        address.params["page"] = "1"


def pager(page: int, count: int) -> None:
    """Pagination; a new widget where the page was changed elsewhere, since its value cannot be set."""
    token = st.session_state.get("gallery_pager", 0)
    if st.session_state.get(f"gallery_page_{token}", page) != page:
        token += 1
    st.session_state["gallery_pager"] = token
    key = f"gallery_page_{token}"
    st.pagination(count, default=page, key=key, on_change=lambda: turn(st.session_state[key]))


def turn(page: int) -> None:
    """Write the number of the page to the URL."""
    st.query_params["page"] = str(page)


# A fragment: turning the page draws the gallery anew and leaves the sidebar alone.
@st.fragment
def shelf(view: View) -> None:
    """The gallery, or an error: a fragment that is drawn anew has no page around it to show it."""
    try:
        fill(view)
    except MemgateError as error:
        state.problem(error)


def fill(view: View) -> None:
    """Controls and tiles."""
    address = Address()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        preset, column = controls(view, address, offered(view))
        size, look = appearance(view, address)
    if unprobed(view, preset):
        address.write("page", "seed", "score")
        return
    seed = address.number("seed", 0, LARGEST_SEED - 1, "seed") if preset is gallery.RANDOM else 0
    ids, values = order(view, preset, column, seed)
    chosen = view.selected.key if view.selected and preset is gallery.SELECTION else ""
    key = (
        view.run.name,
        view.split,
        view.gate,
        view.epoch,
        str(view.only),
        chosen,
        preset.name,
        column,
        seed,
    )
    first_page_of_another(address, key)
    count = gallery.pages(len(ids), PAGE)
    page = address.number("page", 1, count, "page")
    st.session_state["gallery_order"] = key, str(page)
    address.write(
        *(() if preset is gallery.RANDOM else ("seed",)), *(() if preset is gallery.HARDEST else ("score",))
    )
    among = f"of {int(view.members.sum()):,} that pass the filter"
    st.caption(f"{preset.meaning} **{len(ids):,}** {among}.{source(view, preset, seed)}")
    if len(ids) == 0:
        st.info("No sample matches this preset: choose another preset, epoch or filter.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if count > 1:
            pager(page, count)
        if preset is gallery.RANDOM:
            st.button(
                "Draw again",
                icon=":material/casino:",
                key="gallery_draw",
                on_click=draw_again,
                args=(seed,),
            )
        title = preset.title if preset is not gallery.HARDEST else scores.available(view)[column].title
        keep_first(view, preset, title, ids)
    part = ids[(page - 1) * PAGE : page * PAGE]
    tiles(view, part, "gallery_tiles", size, look, numbers=captions(view, preset, column, part, values))  # pyright: ignore[reportArgumentType]
    st.caption(f"{LEGEND} Caption: clean → given label where they differ. Arrow keys move, Enter opens.")


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split has been logged yet.")
        return
    for note in scores.stored_notes(view):
        st.caption(sentences.escaped(note))
    shelf(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
