"""Gallery: pictures by a question, such as clean samples that are routed; a click opens the sample."""

from typing import get_args

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.components.ask import suggest_first_run
from app.dashboard.components.thumbnails import Look
from app.dashboard.components.tiles import LEGEND, PAGE, tiles
from app.dashboard.parts import gallery
from app.dashboard.parts.gallery import Preset
from app.dashboard.results import probe_results, scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from memgate.errors import MemgateError
from probes.result import ProbeResult
from probes.routing.routes import LEARNED, row_of
from probes.scores.catalogue import SCORES
from probes.stats.estimate import percent, share

SIZES = ("64", "48", "96")
LARGEST_SEED = 10**6


def changed(param: str) -> None:
    """A widget was changed: the URL says so, on the first page."""
    if st.session_state[f"gallery_{param}"] is None:
        return  # a pressed segment that was pressed again
    params = {**dict(st.query_params), param: str(st.session_state[f"gallery_{param}"])}
    if param not in ("size", "look"):
        params["page"] = "1"
    st.query_params.from_dict(params)


def draw_again(seed: int) -> None:
    """Another random draw."""
    st.query_params.from_dict({**dict(st.query_params), "seed": str((seed + 1) % LARGEST_SEED), "page": "1"})


def looks_of(view: View) -> list[str]:
    """The pictures that there are: as given, and where images were corrupted as they were and what differs."""
    there = (
        view.data.samples.image_op.any() and not view.run.recorded
    )  # a recorded run keeps the given ones only
    return ["given", "clean", "difference"] if there else ["given"]


def offered(view: View) -> dict[str, Preset]:
    """The presets of what is shown."""
    network = not view.run.recorded
    critical = network or "critical_radius" in scores.available(view)
    return gallery.presets(
        view.gate is not None, view.data.cause, critical, view.selected is not None, network
    )


def controls(view: View, address: Address, presets: dict[str, Preset]) -> tuple[Preset, str]:
    """Which samples: the preset, and the score where it asks for one."""
    name = address.choice("preset", list(presets), "preset", gallery.NAMES)
    known = scores.available(view)
    column = presets[name].column
    st.session_state["gallery_preset"] = name
    st.selectbox(
        "Preset", list(presets), key="gallery_preset", format_func=lambda one: presets[one].title,
        on_change=changed, args=("preset",), width=230,
    )  # fmt: skip
    if name == gallery.HARDEST.name:
        column = address.choice("score", list(known), "score", SCORES)
        st.session_state["gallery_score"] = column
        st.selectbox(
            "Score", list(known), key="gallery_score", format_func=lambda one: known[one].title,
            on_change=changed, args=("score",), width=280,
        )  # fmt: skip
    return presets[name], column


def appearance(view: View, address: Address) -> tuple[int, str]:
    """How: the size of the pictures, and which of them."""
    sizes, looks = list(SIZES), looks_of(view)
    found = address.choice("size", sizes, "size"), address.choice("look", looks, "look", get_args(Look))
    for param, value, options, label in (
        ("size", found[0], sorted(sizes, key=int), "Pixels"),
        ("look", found[1], looks, "Picture"),
    ):
        if len(options) > 1:
            st.session_state[f"gallery_{param}"] = value
            st.segmented_control(
                label, options, key=f"gallery_{param}", on_change=changed, args=(param,), width="content"
            )
    return int(found[0]), found[1]


def order(
    view: View, preset: Preset, column: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ids in their order, and the value of every sample [N] that the tiles show."""
    data = view.data
    nothing = np.full(len(data.sample_id), np.nan)
    if preset is gallery.SELECTION and view.selected is not None:
        return data.ids(view.places[view.members[view.places]]), nothing
    if preset is gallery.RANDOM:
        return gallery.drawn(data.ids(view.members), view.run.name, view.split, seed), nothing
    if preset is gallery.HARDEST:
        score = scores.available(view)[column].score
        values = scores.hardness(view, column)
        shown = np.where(np.isinf(values), values, values * score.direction)
        return gallery.ordered(data.sample_id, view.members, values, True), shown
    if preset is gallery.MEMORISED:
        found = probe_results.memorised(view)
        values = nothing if found is None else found[1]
    else:
        values = scores.values(view, column)
    seen = view.at_cursor("seen")
    routed = view.at_cursor("routed", view.gate) if view.gate else np.zeros_like(seen)
    members = view.members & preset.members(data.cause, routed, seen, values)
    return gallery.ordered(data.sample_id, members, values, preset.largest), values


def keep_first(view: View, preset: Preset, title: str, ids: NDArray[np.int64]) -> None:
    """Make the first of them the selection."""
    with st.popover("Make these the selection", icon=":material/select_all:", width="content"):
        count = st.number_input(
            "The first", 1, len(ids), min(PAGE, len(ids)), key=f"gallery_first_{preset.name}", width=160
        )
        st.caption(
            f"of {len(ids):,}; previous and next on the page Sample then step through them, by their id."
        )
        if st.button("Select", key="gallery_select", type="primary"):
            passing = "" if count == len(ids) else f"the first {count:,} of "
            state.select(view, ids[:count], f"gallery: {passing}{len(ids):,} by {title!r}")
            state.rerun()


def unprobed(view: View, preset: Preset) -> bool:
    """Whether the probe that a preset asks for has no result yet; what to do about it is then said."""
    if preset is gallery.CRITICAL and "critical_radius" not in scores.available(view):
        probe, told = probe_results.CSR, f"No critical radius of {view.split} is stored"
    elif preset is gallery.MEMORISED and probe_results.memorised(view) is None:
        probe, told = (
            probe_results.ROUTING,
            f"Skipping the block has not been tried on the {view.split} samples",
        )
    else:
        return False
    suggest_first_run(view, probe, told, say=st.info)
    return True


def first_page_of_another(address: Address, key: tuple) -> None:
    """Where the sidebar has changed what there is and the page's number has stayed, begin at the first again."""
    before, page = st.session_state.get("gallery_order", (key, ""))
    if before == key and page:
        address.params.setdefault("page", page)  # back from a sample
    if before != key and page == address.params.get("page"):
        address.params["page"] = "1"


def pager(page: int, count: int) -> None:
    """The pages; a new widget where the page was changed otherwise, for its value cannot be set."""
    token = st.session_state.get("gallery_pager", 0)
    if st.session_state.get(f"gallery_page_{token}", page) != page:
        token += 1
    st.session_state["gallery_pager"] = token
    key = f"gallery_page_{token}"
    st.pagination(count, default=page, key=key, on_change=lambda: turn(st.session_state[key]))


def turn(page: int) -> None:
    """Another page."""
    st.query_params["page"] = str(page)


# A fragment: turning the page draws the gallery anew and leaves the sidebar alone.
@st.fragment
def shelf(view: View) -> None:
    """The whole gallery, or why there is none: a fragment that is drawn anew has no page around it."""
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
        st.info("No sample is of this kind here: choose another preset, epoch or filter.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if count > 1:
            pager(page, count)
        if preset is gallery.RANDOM:
            st.button(
                "Another draw",
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


def source(view: View, preset: Preset, seed: int) -> str:
    """What else decides who is shown."""
    if preset is gallery.MEMORISED and (found := probe_results.memorised(view)) is not None:
        return beside_clean(view, found[0])
    return f" Seed {seed}." if preset is gallery.RANDOM else ""


def beside_clean(view: View, result: ProbeResult) -> str:
    """Who was probed, and from how many skipping the block takes the fit at all: any cut takes something."""
    told = f" Probed: {len(result.sample_id):,} samples, at epoch {result.epoch}."
    corrupted = view.data.corrupted[view.data.columns(result.sample_id)]
    fitted, held = row_of(result, LEARNED), result.values[f"memorised_by_{view.gate}"]
    lost = [percent(share(held[fitted & who])) for who in (corrupted, ~corrupted)]
    return (
        f"{told} Of what is fitted, skipping the block takes {lost[0]} of the corrupted samples and {lost[1]} of the "
        "clean ones (in brackets Wilson's 95 % interval)."
    )


def captions(
    view: View, preset: Preset, column: str, ids: NDArray[np.int64], values: NDArray[np.float64]
) -> list[str] | None:
    """The number under each tile; None for an order that no number decides."""
    if not column:
        return None
    places = view.data.places(ids)
    at = dict(zip(view.data.sample_id[places].tolist(), places.tolist(), strict=True))
    return [gallery.number(preset.form or "{:.4g}", float(values[at[one]])) for one in ids.tolist()]


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
        return
    for note in scores.stored_notes(view):
        st.caption(sentences.escaped(note))
    shelf(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
