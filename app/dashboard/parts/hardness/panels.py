"""Parts of the page Noise and hardness that also say something of a run without noise: data map, labels, deciles."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, sentences
from app.dashboard.charts import hardness as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.results import scores
from app.dashboard.view import selection, state
from app.dashboard.view.selection import Box
from app.dashboard.view.state import View
from probes.stats.confusions import LabelPair, label_pairs
from probes.stats.deciles import decile_of, gate_by_decile

FEW_CLASSES = 20
"""Up to so many classes, all pairs of labels can be read in one figure."""

MOST_PAIRS = 15
"""Rows of the table of pairs where there are more classes."""


def brush_key(name: str) -> str:
    """Key of a figure that can be brushed: clearing the selection makes it another figure, without its box."""
    return f"{name}_{st.session_state.get('brush', 0)}"


# The data map


def choose_on_map(view: View, boxes: list[Box]) -> None:
    """Make the samples inside the boxes of the data map the selection."""
    if not boxes:
        return
    x, y = scores.values(view, "variability"), scores.values(view, "confidence")
    how = ", or ".join(
        f"variability in [{box.left:.3f}, {box.right:.3f}], confidence in [{box.low:.2f}, {box.high:.2f}]"
        for box in boxes
    )
    state.select_places(
        view, selection.points_in_boxes(boxes, x, y) & view.members, f"{how}, up to epoch {view.epoch}"
    )


def data_map(view: View) -> None:
    """Confidence over variability (Swayamdipta et al. 2020), to be brushed."""
    colours: dict[str, NDArray] = {}
    if view.gate:
        colours["mean g"] = scores.values(view, "gate_mean")
    if view.data.corrupted.any():
        colours["share corrupted"] = view.data.corrupted.astype(np.float64)
    shown = st.radio("Colour", [*colours, "samples"], key="map_colour", horizontal=True)
    st.markdown("**Data map** · drag a box to select samples")
    who = view.members
    x, y = (scores.values(view, name)[who] for name in ("variability", "confidence"))
    grid = group_curves.cells(x, y, colours.get(shown, np.zeros(len(who)))[who], (0.5, 1.0))
    key = brush_key(f"map_{shown}")
    st.plotly_chart(
        charts.data_map(grid, shown),
        key=key,
        on_select=lambda: choose_on_map(view, selection.boxes_of(st.session_state[key])),
        selection_mode="box",
        config=CONFIG,
        alt=f"Heatmap of variability and confidence of the given label; colour: {shown}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        by_numbers(view)
        st.caption(
            "Top left is learned early and for good, bottom left never, the right is ambiguous: learned and forgotten."
        )


def by_numbers(view: View) -> None:
    """The brush for the keyboard."""
    with st.popover("Select by numbers"), st.form("map_numbers", border=False):
        ends = [
            st.number_input(label, 0.0, top, value, step=0.05, key=key)
            for label, top, value, key in (
                ("Variability from", 0.5, 0.0, "map_left"),
                ("Variability to", 0.5, 0.5, "map_right"),
                ("Confidence from", 1.0, 0.0, "map_low"),
                ("Confidence to", 1.0, 0.5, "map_high"),
            )
        ]
        if st.form_submit_button("Select"):
            x, y = sorted(ends[:2]), sorted(ends[2:])
            choose_on_map(view, [Box(x[0], x[1], y[0], y[1])])
            state.rerun()


# Clean and given labels


def choose_pairs(view: View, pairs: list[tuple[int, int]]) -> None:
    """Make the samples of some pairs of labels the selection."""
    who = np.zeros(len(view.data.cause), bool)
    for clean, given in pairs:
        who |= (view.data.clean_label == clean) & (view.data.given_label == given)
    if not pairs:
        return
    names = view.log.class_names
    told = [
        f"{sentences.class_name(one, names)} given as {sentences.class_name(other, names)}"
        for one, other in pairs[:3]
    ]
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    state.select_places(view, who & view.members, f"{', '.join(told)}{more}")


def pairs_in(boxes: list[Box], pairs: tuple[LabelPair, ...]) -> list[tuple[int, int]]:
    """The pairs of labels whose cells a box touches: given across, clean upwards."""
    return [
        (pair.clean, pair.given)
        for pair in pairs
        if any(
            box.left < pair.given + 0.5 and box.right > pair.given - 0.5
            and box.low < pair.clean + 0.5 and box.high > pair.clean - 0.5
            for box in boxes
        )
    ]  # fmt: skip


def labels(view: View) -> None:
    """Which clean labels became which given ones, and what became of those samples."""
    who, data = view.members, view.data
    flag = view.at_cursor("routed", view.gate) if view.gate else view.at_cursor("correct_given")
    shown = f"routed through {view.gate.upper()}" if view.gate else "fitted"
    pairs = label_pairs(data.clean_label[who], data.given_label[who], flag[who], view.at_cursor("seen")[who])
    changed = tuple(pair for pair in pairs if pair.clean != pair.given)
    if not changed:
        st.info("No label of the samples shown was changed: each has its clean label.")
    if len(view.log.class_names) <= FEW_CLASSES:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            matrix(view, pairs, shown)
        with right:
            pair_table(view, changed or pairs, shown)
    else:
        pair_table(view, (changed or pairs)[:MOST_PAIRS], shown)


def matrix(view: View, pairs: tuple[LabelPair, ...], shown: str) -> None:
    """All pairs as a figure."""
    names = view.log.class_names
    count, share = np.zeros((2, len(names), len(names)))
    share[:] = np.nan
    texts = [[""] * len(names) for _ in names]
    for pair in pairs:
        count[pair.clean, pair.given] = pair.n
        share[pair.clean, pair.given] = np.nan if pair.hits.value is None else pair.hits.value
        of = sentences.html_escaped(f"{names[pair.clean]} given as {names[pair.given]}")
        texts[pair.clean][pair.given] = f"{of}: {pair.n:,} samples, {percent(pair)} {shown}"
    st.markdown(
        f"**Clean → given label** · number of samples, share {sentences.escaped(shown)} · drag a box to select"
    )
    key = brush_key("matrix")
    st.plotly_chart(
        charts.label_matrix(
            count.astype(int), share, texts, [sentences.html_escaped(name[:12]) for name in names], shown
        ),
        key=key,
        on_select=lambda: choose_pairs(view, pairs_in(selection.boxes_of(st.session_state[key]), pairs)),
        selection_mode="box",
        config=CONFIG,
        alt=f"Matrix of clean and given labels: number of samples and share {shown}",
    )


def percent(pair: LabelPair) -> str:
    """The share of a pair with its interval, as text."""
    found = pair.hits
    if found.value is None or found.low is None or found.high is None:
        return "–"
    return f"{found.value:.0%} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def pair_table(view: View, pairs: tuple[LabelPair, ...], shown: str) -> None:
    """Pairs as a table, the most frequent first; a click on a row selects its samples."""
    names = view.log.class_names
    rows = [
        {
            "clean label": sentences.class_name(pair.clean, names),
            "given label": sentences.class_name(pair.given, names),
            "samples": pair.n,
            shown: percent(pair),
        }
        for pair in pairs
    ]
    st.markdown("**Most frequent pairs** · a click on a row selects its samples")

    def picked() -> None:
        event: Any = st.session_state["pairs"]["selection"]
        places = {*event["rows"], *(cell[0] for cell in event.get("cells", []))}
        choose_pairs(view, [(pairs[place].clean, pairs[place].given) for place in sorted(places)])

    st.dataframe(
        pd.DataFrame(rows), hide_index=True, height=400, key="pairs", on_select=picked,
        selection_mode=["multi-row", "single-cell"],
    )  # fmt: skip
    st.caption("In brackets Wilson's 95 % interval, in percent, at the cursor's epoch.")


# The gate by hardness


def deciles(view: View) -> None:
    """Share routed and mean g in each tenth of the samples, clean and corrupted apart."""
    if view.gate is None:
        st.info("The log has no gate: there is no routing to set beside the hardness.")
        return
    known = scores.available(view)
    column = st.selectbox(
        "Hardness, counted up to the cursor's epoch", list(known), key="decile_of",
        index=list(known).index(scores.HARDNESS), format_func=lambda name: known[name].title, width=420,
    )  # fmt: skip
    who = view.members
    hardness = scores.hardness(view, column)[who]
    cause = view.data.cause[who]
    decile = decile_of(hardness)
    routed, gate = (view.at_cursor(name, view.gate)[who] for name in ("routed", "gate"))
    found = {
        name: gate_by_decile(decile, group, routed, gate)
        for name, group in (("clean", cause == "clean"), ("corrupted", cause != "clean"))
        if group.any()
    }
    name = view.gate.upper()
    for place, (title, attribute, is_share) in zip(
        st.columns(2, gap="medium"),
        ((f"Share routed through {name}", "routed", True), (f"Mean gate value g of {name}", "gate", False)),
        strict=True,
    ):
        place.markdown(f"**{title}** · epoch {view.epoch}, 95 % intervals")
        numbers = {group: [getattr(one, attribute) for one in row] for group, row in found.items()}
        figure = charts.by_decile(numbers, "share routed" if is_share else "mean g", is_share)
        place.plotly_chart(figure, key=f"decile_{attribute}", config=CONFIG,
                           alt=f"{title} by tenth of the hardness, clean and corrupted apart")  # fmt: skip
    missing = int((decile == 0).sum())
    left_out = f" {missing:,} samples lack the score and are in none." if missing else ""
    st.caption(sentences.escaped(
        "The tenths are those of all samples shown, clean and corrupted together; samples with equal scores share a "
        f"tenth, so tenths may differ in size.{left_out}"
    ))  # fmt: skip
