"""Overview: who is routed through the block over the epochs, and a brush to choose samples by it."""

import numpy as np
import streamlit as st

from app.dashboard import group_curves, logs, palette, run_folders
from app.dashboard.charts import overview as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.panel import panel
from app.dashboard.group_curves import Share
from app.dashboard.parts.gallery import MEMORISED
from app.dashboard.results import over_epochs, scores
from app.dashboard.results.headline import COLUMNS, headline, shown
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError


def metrics(view: View) -> None:
    """Six numbers: those that ``memgate report`` prints of the cursor's epoch."""
    found = headline(view)
    name = view.gate.upper() if view.gate else ""
    cells = [
        ("Test accuracy", found.test_accuracy, True, "Share of the test images predicted right."),
        ("Corrupted, fitted", found.corrupted_fitted, True,
         "Share of the corrupted training samples predicted as their given label: memorised."),
        (f"{name}: corrupted", found.routed_corrupted, True,
         "Share of the corrupted training samples routed through the block (g > 0.5)."),
        (f"{name}: clean", found.routed_clean, True, "Share of the clean training samples routed through the block."),
        ("AUROC mean g", found.gate, False,
         "How well the mean gate value tells corrupted from clean; 0.5 is chance."),
        ("AUROC mean loss", found.loss, False, "How well the mean loss tells corrupted from clean."),
    ]  # fmt: skip
    if not view.gate:
        cells = [cells[0], cells[1], cells[5]]
    for column, (label, number, percent, meaning) in zip(
        st.columns(len(cells), gap="small"), cells, strict=True
    ):
        value, interval = shown(number, percent)
        column.metric(label, value, interval, delta_color="off", delta_arrow="off", help=meaning)
    st.caption(
        f"Training samples (and test accuracy) at epoch {view.epoch} of {view.run.outline.epochs}, "
        f"{run_folders.status(view.run).shown}, log mode {view.log.mode}; small: 95 % interval"
    )


def choose(view: View, boxes: list[selection.Box], mode: selection.Mode) -> None:
    """Make the brushed samples the selection."""
    if view.gate is None or not boxes:
        return
    gate = logs.matrix(view.at, view.split, "gate", view.gate)
    members = selection.gate_in_boxes(boxes, view.data.epochs, gate, mode) & view.members
    st.session_state["drawn"] = (view.run.name, view.split, view.gate), boxes
    state.select_places(view, members, selection.describe(boxes, view.data.epochs, mode))


def drawn(view: View) -> list[selection.Box]:
    """The boxes that this session has drawn last on what is shown."""
    where, boxes = st.session_state.get("drawn", ((), []))
    return boxes if where == (view.run.name, view.split, view.gate) else []


def brushed(view: View, key: str) -> None:
    """A box was drawn. An empty event leaves the selection: Streamlit sends one when a figure is drawn anew."""
    choose(view, selection.boxes_of(st.session_state[key]), st.session_state.get("mode", "any"))


def heatmap(view: View, gate: str) -> None:
    """The brushable evolution of g."""
    st.markdown(f"**Gate value of {gate.upper()} over the epochs** · drag a box to select samples")
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
    """The brush for the keyboard."""
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
    """Share routed by cause."""
    st.markdown(f"**Share routed through {gate.upper()}** · 95 % band")
    found = over_epochs.routed_shares(view.at, view.split, gate)
    rate = float(view.data.corrupted.mean())
    figure = charts.shares(view.data.epochs, found, rate)
    st.plotly_chart(
        figure, key="shares", config=CONFIG, alt=f"Share routed through {gate} over the epochs, by cause"
    )


def accuracies(view: View) -> None:
    """What is fitted: given labels, clean labels, and the test set."""
    st.markdown(f"**Accuracy on {view.split}** · against the given and the clean label")
    st.plotly_chart(
        charts.accuracies(view.data.epochs, fitted(view)),
        key="accuracies",
        config=CONFIG,
        alt="Accuracies over the epochs",
    )


def fitted(view: View) -> dict[str, tuple[str, str, Share]]:
    """Name to colour, dash and values of the accuracies that mean something for these samples."""

    def of(label: str, who: str, split: str = view.split) -> Share:
        return over_epochs.accuracy(view.at, split, label, who)

    relabelled = (view.data.given_label != view.data.clean_label).any()
    found = {
        "given label" if relabelled else view.split: (
            palette.CLEAN,
            "solid",
            of("given", "all"),
        )
    }
    if relabelled:
        found |= {
            "clean label": (palette.CLEAN, "dash", of("clean", "all")),
            "label corrupted: given (memorised)": (
                palette.CORRUPTED,
                "solid",
                of("given", "wrong label"),
            ),
            "label corrupted: clean": (palette.CORRUPTED, "dash", of("clean", "wrong label")),
        }
    if (view.data.cause == "image").any():
        found["image corrupted"] = (palette.CAUSE_COLOURS["image"], "dot", of("given", "image"))
    if view.split != "test" and "test" in view.log.splits:
        epochs = logs.split_data(view.at, "test").epochs
        if np.array_equal(epochs, view.data.epochs):
            found["test"] = (palette.ROUTED, "longdash", of("given", "all", "test"))
    return found


def losses(view: View) -> None:
    """The loss of clean and corrupted samples, of each route."""
    by = f", by the route through {view.gate.upper()} at epoch {view.epoch}" if view.gate else ""
    st.markdown(f"**Mean loss**{by} · 95 % band")
    found = over_epochs.loss_by_route(view.at, view.split, view.gate, view.epoch or 0)
    st.plotly_chart(
        charts.losses(view.data.epochs, found),
        key="losses",
        config=CONFIG,
        alt="Mean loss of clean and corrupted, routed and skipped samples over the epochs",
    )


def entropies(view: View, gate: str) -> None:
    """The evolution of the gate's entropy."""
    st.markdown(f"**Entropy of {gate.upper()}'s classifier**")
    edges, counts = over_epochs.evolution(view, "entropy")
    if not counts.any():
        told = "It has no classifier of its own, so it has no entropy."
        st.caption(told if view.members.any() else "No sample passes the filter.")
        return
    st.plotly_chart(
        charts.evolution(view.data.epochs, edges, counts, 300, "entropy"),
        key="entropies",
        config=CONFIG,
        alt=f"Heatmap: number of samples by epoch and entropy of the gate {gate}",
    )


def first_skips(view: View, gate: str) -> None:
    """When samples were first sent past the block."""
    st.markdown(f"**First epoch skipped by {gate.upper()}** · share skipped at least once")
    first = scores.values(view, "first_skip_epoch")
    states = {"clean": ~view.data.corrupted, "corrupted": view.data.corrupted}
    epochs = view.data.epochs[: view.row + 1]
    found = {
        name: group_curves.first_epoch_counts(first, epochs, who & (scores.values(view, "epochs_logged") > 0))
        for name, who in states.items()
        if who.any()
    }
    st.plotly_chart(
        charts.first_skips(epochs, found),
        key="first_skips",
        config=CONFIG,
        alt="Share of clean and corrupted samples skipped at least once, over the epochs",
    )


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
        return
    scores.fetch(view, (*COLUMNS, "first_skip_epoch"))
    metrics(view)
    if view.gate:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            heatmap(view, view.gate)
        with right:
            shares(view, view.gate)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.radio(
                "A sample is selected when it is inside the box at",
                ["any", "every"],
                key="mode",
                horizontal=True,
                label_visibility="collapsed",
                format_func=lambda mode: f"inside the box at {mode} epoch",
                on_change=lambda: choose(view, drawn(view), st.session_state["mode"]),
            )
            by_numbers(view)
            if view.data.corrupted.any() and not view.run.recorded:
                held = {**view.params, "preset": MEMORISED.name, "page": "1"}
                label = f"Memorised by {view.gate.upper()}"
                st.page_link("views/gallery.py", label=label, icon=":material/grid_view:", query_params=held)
        panel(view, "drag a box on the heatmap, or select by numbers.")
    else:
        st.info("The log has no gate, so there is no routing to show.")
    left, right = st.columns(2, gap="medium")
    with left:
        accuracies(view)
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
