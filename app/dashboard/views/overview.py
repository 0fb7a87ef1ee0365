"""Overview: all gates over the epochs, g of all samples at the chosen one, accuracies, losses and entropies."""

import numpy as np
import streamlit as st

from app.dashboard import group_curves, logs, palette, sentences
from app.dashboard.charts import overview as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.group_curves import Share
from app.dashboard.parts.gallery.presets import MEMORISED
from app.dashboard.parts.gate_matrix import gate_matrix
from app.dashboard.parts.headline import metrics
from app.dashboard.results import over_epochs, scores
from app.dashboard.results.headline import COLUMNS
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.stats.intervals import MEAN_VALUES


def choose(view: View, boxes: list[selection.Box], mode: selection.Mode) -> None:
    """Make the samples whose g lies in the boxes the selection."""
    if view.gate is None or not boxes:
        return
    gate = logs.matrix(view.at, view.split, "gate", view.gate)
    members = selection.gate_in_boxes(boxes, view.data.epochs, gate, mode) & view.members
    st.session_state["drawn"] = (view.run.name, view.split, view.gate), boxes
    state.select_places(view, members, selection.describe(boxes, view.data.epochs, mode))


def drawn(view: View) -> list[selection.Box]:
    """The boxes that were drawn last on the heatmap of this run, split and gate; empty for none."""
    shown, boxes = st.session_state.get("drawn", ((), []))
    return boxes if shown == (view.run.name, view.split, view.gate) else []


def brushed(view: View, key: str) -> None:
    """Select by the boxes drawn; an empty event changes nothing, since Streamlit sends one with each new figure."""
    choose(view, selection.boxes_of(st.session_state[key]), st.session_state.get("mode", "any"))


def heatmap(view: View, gate: str) -> None:
    """Heatmap of g over the epochs, in which a box selects samples."""
    heading(
        f"Gate value of {gate.upper()} over the epochs",
        "drag a box to select samples",
        "g",
        "B3",
        "B3U06",
        "routed",
    )
    edges, counts = over_epochs.evolution(view)
    key = f"evolution_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        charts.evolution(view.data.epochs, edges, counts),
        key=key,
        on_select=lambda: brushed(view, key),
        selection_mode="box",
        config=CONFIG,
        alt=f"Heatmap: number of samples by epoch and value of the gate {gate}, dashed line at 0.5",
    )


def by_numbers(view: View) -> None:
    """A form that selects as a box does, for the keyboard."""
    first, last = int(view.data.epochs[0]), int(view.data.epochs[-1])
    with st.popover("Select by numbers"), st.form("by_numbers", border=False):
        low = st.number_input("g from", value=0.5, step=0.05, key="box_low")
        high = st.number_input("g to", value=1.0, step=0.05, key="box_high")
        start = st.number_input("Epoch from", first, last, first, key="box_first")
        end = st.number_input("Epoch to", first, last, last, key="box_last")
        if st.form_submit_button("Select"):
            box = selection.Box(min(start, end), max(start, end), min(low, high), max(low, high))
            choose(view, [box], st.session_state.get("mode", "any"))
            st.rerun()


def shares(view: View, gate: str) -> None:
    """Share routed through the gate's block by cause, over the epochs."""
    heading(f"Share routed through {gate.upper()}", "95 % bands", "routed", "cause")
    curves = over_epochs.routed_shares(view.at, view.split, gate)
    rate = float(view.data.corrupted.mean())
    figure = charts.shares(view.data.epochs, curves, rate)
    st.plotly_chart(
        figure, key="shares", config=CONFIG, alt=f"Share routed through {gate} over the epochs, by cause"
    )


def accuracies(view: View) -> None:
    """Accuracy on the given and on the clean labels, and on the test split, over the epochs."""
    heading(f"Accuracy on {view.split}", "on the given and on the clean labels", "given label", "clean label")
    st.plotly_chart(
        charts.accuracies(view.data.epochs, fitted(view)),
        key="accuracies",
        config=CONFIG,
        alt="Accuracies over the epochs",
    )


def fitted(view: View) -> dict[str, tuple[str, str, Share]]:
    """Accuracies that apply to the samples of the split: name to colour, dash and values."""

    def of(label: str, group: str, split: str = view.split) -> Share:
        return over_epochs.accuracy(view.at, split, label, group)

    relabelled = (view.data.given_label != view.data.clean_label).any()
    accuracies = {
        "given label" if relabelled else view.split: (
            palette.CLEAN,
            "solid",
            of("given", "all"),
        )
    }
    if relabelled:
        accuracies |= {
            "clean label": (palette.CLEAN, "dash", of("clean", "all")),
            "label corrupted: given (memorised)": (
                palette.CORRUPTED,
                "solid",
                of("given", "wrong label"),
            ),
            "label corrupted: clean": (palette.CORRUPTED, "dash", of("clean", "wrong label")),
        }
    if (view.data.cause == "image").any():
        accuracies["image corrupted"] = (palette.CAUSE_COLOURS["image"], "dot", of("given", "image"))
    if view.split != "test" and "test" in view.log.splits:
        epochs = logs.split_data(view.at, "test").epochs
        if np.array_equal(epochs, view.data.epochs):
            accuracies["test"] = (palette.ROUTED, "longdash", of("given", "all", "test"))
    return accuracies


def losses(view: View) -> None:
    """Mean loss of clean and corrupted samples by route, over the epochs."""
    by = f"by the route through {view.gate.upper()} at epoch {view.epoch}, " if view.gate else ""
    heading("Mean loss", f"{by}95 % bands from {MEAN_VALUES} samples on", "nats", "routed", "skipped")
    bands = over_epochs.loss_by_route(view.at, view.split, view.gate, view.epoch or 0)
    st.plotly_chart(
        charts.means(view.data.epochs, bands),
        key="losses",
        config=CONFIG,
        alt="Mean loss of clean and corrupted, routed and skipped samples over the epochs",
    )


def macs(view: View) -> None:
    """Mean MACs of clean and corrupted samples over the epochs."""
    heading("Mean MACs of a sample", f"95 % bands from {MEAN_VALUES} samples on", "MACs")
    st.plotly_chart(
        charts.means(view.data.epochs, over_epochs.macs(view.at, view.split), "macs"),
        key="macs",
        config=CONFIG,
        alt="Mean multiply-accumulates of clean and corrupted samples over the epochs",
    )


def entropies(view: View, gate: str) -> None:
    """Heatmap of the gate's entropy H over the epochs."""
    heading(f"Entropy H of {gate.upper()}'s gate", "", "H", "nats")
    edges, counts = over_epochs.evolution(view, "entropy")
    if not counts.any():
        message = "This gate's g is not made from a distribution, so it has no entropy."
        st.caption(message if view.members.any() else "No sample passes the filter.")
        return
    st.plotly_chart(
        charts.evolution(view.data.epochs, edges, counts, 300, "entropy"),
        key="entropies",
        config=CONFIG,
        alt=f"Heatmap: number of samples by epoch and entropy of the gate {gate}",
    )


def first_skips(view: View, gate: str) -> None:
    """Share of the clean and of the corrupted samples that were skipped at least once, over the epochs."""
    heading(f"First epoch that skips {gate.upper()}", "share of samples skipped at least once", "skipped")
    first = scores.values(view, "first_skip_epoch")
    epochs = view.data.epochs[: view.row + 1]
    observed = ~np.isnan(scores.values(view, "route_flips"))
    counts = {
        name: group_curves.first_epoch_counts(first, epochs, members & observed)
        for name, members in group_curves.states(view.data.cause).items()
    }
    st.plotly_chart(
        charts.first_skips(epochs, counts),
        key="first_skips",
        config=CONFIG,
        alt="Share of clean and corrupted samples skipped at least once, over the epochs",
    )


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split has been logged yet.")
        return
    scores.fetch(view, (*COLUMNS, "first_skip_epoch", "route_flips"))
    metrics(view)
    if view.gate:
        if len(view.log.gates) > 1:
            gate_matrix(view, view.gate)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            heatmap(view, view.gate)
        with right:
            shares(view, view.gate)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.radio(
                "A sample is selected if its g is inside the box at",
                ["any", "every"],
                key="mode",
                horizontal=True,
                label_visibility="collapsed",
                format_func=lambda mode: f"g inside the box at {mode} epoch",
                on_change=lambda: choose(view, drawn(view), st.session_state["mode"]),
            )
            by_numbers(view)
            if view.data.corrupted.any() and not view.run.recorded:
                query = {**view.params, "preset": MEMORISED.name, "page": "1"}
                label = f"Samples memorised by {sentences.escaped(view.gate.upper())}"
                st.page_link("views/gallery.py", label=label, icon=":material/grid_view:", query_params=query)
        panel(view, "drag a box on the heatmap, or select by numbers.")
    else:
        st.info("The network of this run has no gate: there is no routing to show.")
    left, right = st.columns(2, gap="medium")
    with left:
        accuracies(view)
        if view.log.has_macs:
            macs(view)
        if view.gate:
            entropies(view, view.gate)
    with right:
        losses(view)
        if view.gate:
            first_skips(view, view.gate)


try:
    page()
except MemgateError as error:
    state.problem(error)
