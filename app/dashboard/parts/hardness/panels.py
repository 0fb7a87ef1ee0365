"""Parts of the page Noise and hardness that do not need corrupted samples: data map, labels, deciles."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, sentences
from app.dashboard.charts import hardness as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.results import scores
from app.dashboard.view import selection, state
from app.dashboard.view.selection import Box
from app.dashboard.view.state import View
from probes.samples.notes import TRUTH_UNKNOWN
from probes.stats.confusions import LabelPair, label_pairs
from probes.stats.deciles import decile_of, gate_by_decile
from probes.stats.estimate import percent

FEW_CLASSES = 20
"""Most classes for which all pairs of labels are shown in one figure."""

MOST_PAIRS = 15
"""Rows of the table of pairs where there are more classes."""


def brush_key(name: str) -> str:
    """Key of a figure with a box to select: clearing the selection changes it, which removes the box."""
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
    """Heatmap of confidence over variability (Swayamdipta et al. 2020), in which a box selects samples."""
    colours: dict[str, NDArray] = {}
    if view.gate:
        colours["mean g"] = scores.values(view, "gate_mean")
    if view.data.corrupted.any():
        colours["share corrupted"] = view.data.corrupted.astype(np.float64)
    shown = st.radio("Colour", [*colours, "samples"], key="map_colour", horizontal=True)
    heading("Data map", "drag a box to select samples", "confidence", "variability", "p(given)")
    members = view.members
    x, y = (scores.values(view, name)[members] for name in ("variability", "confidence"))
    grid = group_curves.cells(x, y, colours.get(shown, np.zeros(len(members)))[members], (0.5, 1.0))
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
            "Top left: learned early for good; bottom left: never learned; right: ambiguous, learned and forgotten."
        )


def by_numbers(view: View) -> None:
    """A form that selects as a box does, for the keyboard."""
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
    """Make the samples of pairs (clean label, given label) the selection."""
    members = np.zeros(len(view.data), bool)
    for clean, given in pairs:
        members |= (view.data.clean_label == clean) & (view.data.given_label == given)
    if not pairs:
        return
    names = view.log.class_names
    texts = [
        f"{sentences.class_name(one, names)} given as {sentences.class_name(other, names)}"
        for one, other in pairs[:3]
    ]
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    state.select_places(view, members & view.members, f"{', '.join(texts)}{more}")


def pairs_in(boxes: list[Box], pairs: tuple[LabelPair, ...]) -> list[tuple[int, int]]:
    """Pairs (clean label, given label) whose cells a box touches: x axis given label, y axis clean label."""
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
    """Figure or table of the pairs of clean and given label: number of samples, share routed (or fitted)."""
    members, data = view.members, view.data
    name = "routed" if view.gate else "correct_given"
    flag, known = view.at_cursor(name, view.gate), view.known_at_cursor(name, view.gate)
    shown = f"routed through {view.gate.upper()}" if view.gate else "fitted"
    pairs = label_pairs(data.clean_label[members], data.given_label[members], flag[members], known[members])
    changed = tuple(pair for pair in pairs if pair.clean != pair.given)
    if not data.samples.truth_known:
        st.info(TRUTH_UNKNOWN)
        return
    if not changed:
        st.info("No label of the samples shown is corrupted: each has its clean label.")
    if len(view.log.class_names) <= FEW_CLASSES:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            matrix(view, pairs, shown)
        with right:
            pair_table(view, changed or pairs, shown)
    else:
        pair_table(view, (changed or pairs)[:MOST_PAIRS], shown)


def matrix(view: View, pairs: tuple[LabelPair, ...], shown: str) -> None:
    """Figure of all pairs, in which a box selects samples."""
    names = view.log.class_names
    count, share = np.zeros((2, len(names), len(names)))
    share[:] = np.nan
    texts = [[""] * len(names) for _ in names]
    for pair in pairs:
        count[pair.clean, pair.given] = pair.n
        share[pair.clean, pair.given] = np.nan if pair.hits.value is None else pair.hits.value
        of = f"{names[pair.clean]} given as {names[pair.given]}"
        texts[pair.clean][pair.given] = f"{of}: {pair.n:,} samples, {percent(pair.hits)} {shown}"
    heading(
        "Clean → given label",
        f"number of samples, share {shown}; drag a box to select",
        "clean label", "given label",
    )  # fmt: skip
    key = brush_key("matrix")
    st.plotly_chart(
        charts.label_matrix(count.astype(int), share, texts, [name[:12] for name in names], shown),
        key=key,
        on_select=lambda: choose_pairs(view, pairs_in(selection.boxes_of(st.session_state[key]), pairs)),
        selection_mode="box",
        config=CONFIG,
        alt=f"Matrix of clean and given labels: number of samples and share {shown}",
    )


def pair_table(view: View, pairs: tuple[LabelPair, ...], shown: str) -> None:
    """Table of the pairs, the most frequent first; a click on a row selects its samples."""
    names = view.log.class_names
    rows = [
        {
            "clean label": sentences.class_name(pair.clean, names),
            "given label": sentences.class_name(pair.given, names),
            "samples": pair.n,
            shown: percent(pair.hits),
        }
        for pair in pairs
    ]
    heading("Most frequent pairs", "click a row to select its samples", "clean label", "given label")

    def picked() -> None:
        event: Any = st.session_state["pairs"]["selection"]
        places = {*event["rows"], *(cell[0] for cell in event.get("cells", []))}
        choose_pairs(view, [(pairs[place].clean, pairs[place].given) for place in sorted(places)])

    st.dataframe(
        pd.DataFrame(rows), hide_index=True, height=400, key="pairs", on_select=picked,
        selection_mode=["multi-row", "single-cell"],
    )  # fmt: skip
    st.caption("Brackets: Wilson's 95 % interval in percent, at the epoch shown.")


# The gate by hardness


def deciles(view: View) -> None:
    """Share routed and mean g in each tenth of the samples by hardness, for clean and for corrupted samples."""
    if view.gate is None:
        st.info("The network of this run has no gate: there is no routing to show.")
        return
    known = scores.available(view)
    column = st.selectbox(
        "Hardness up to the epoch shown", list(known), key="decile_of", help=definitions(*SCORE_TERMS),
        index=list(known).index(scores.HARDNESS), format_func=lambda name: known[name].title, width=420,
    )  # fmt: skip
    members = view.members
    hardness = scores.hardness(view, column)[members]
    decile = decile_of(hardness)
    routed, gate = (view.at_cursor(name, view.gate)[members] for name in ("routed", "gate"))
    by_group = {
        name: gate_by_decile(decile, group, routed, gate)
        for name, group in group_curves.states(view.data.cause[members]).items()
    }
    name = view.gate.upper()
    for place, (title, attribute, is_share) in zip(
        st.columns(2, gap="medium"),
        ((f"Share routed through {name}", "routed", True), (f"Mean gate value g of {name}", "gate", False)),
        strict=True,
    ):
        with place:
            heading(title, f"epoch {view.epoch}, 95 % intervals", "g", "routed")
        numbers = {group: [getattr(one, attribute) for one in row] for group, row in by_group.items()}
        figure = charts.by_decile(numbers, "share routed" if is_share else "mean g", is_share)
        place.plotly_chart(figure, key=f"decile_{attribute}", config=CONFIG,
                           alt=f"{title} by tenth of the hardness, for clean and corrupted samples")  # fmt: skip
    missing = int((decile == 0).sum())
    left_out = f" {missing:,} samples have no value of the score and are in no tenth." if missing else ""
    st.caption(sentences.escaped(
        "Tenths of all samples shown, clean and corrupted together; samples with equal scores share a tenth, so "
        f"tenths may differ in size.{left_out}"
    ))  # fmt: skip
