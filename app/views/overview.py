"""Overview: who is routed through the block over the epochs, and a brush to choose samples by it."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import charts, curves, palette, queries, selection, state, words
from app.curves import Share
from app.state import View
from memgate.errors import MemgateError
from probes import dynamics
from probes.groups import Estimate

CHART = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"]}


def metric(label: str, found: Any, percent: bool, meaning: str) -> None:
    """One headline number with its interval."""
    form = "{:.1%}" if percent else "{:.3f}"
    value = interval = None
    if found is not None and found.value is not None:
        value = form.format(found.value)
        if found.low is not None:
            interval = f"{form.format(found.low)} – {form.format(found.high)}"
    st.metric(label, value or "–", interval, delta_color="off", delta_arrow="off", help=meaning)


def headline(view: View) -> None:
    """Six numbers of the last epoch: those that ``memgate report`` prints."""
    try:
        found = queries.run_report(view.run, view.at)
    except MemgateError as error:
        state.problem(error)
        return
    groups = {group.name: group for group in found.groups}

    def routed(name: str) -> Estimate | None:
        uses = groups[name].gates if name in groups else ()
        return next((use.routed for use in uses if use.gate == view.gate), None)

    def auroc(score: str, gate: str | None) -> Any:
        rows = (row for row in found.scores if row.against == "corrupted" and row.score == score)
        return next((row.auroc for row in rows if row.gate == gate), None)

    corrupted = groups["corrupted"].fits_given if "corrupted" in groups else None
    name = view.gate.upper() if view.gate else "gate"
    cells = [
        ("Test accuracy", found.test_accuracy, True, "Share of the test images predicted right."),
        (
            "Corrupted, fitted",
            corrupted,
            True,
            "Share of the corrupted training samples predicted as their given label: memorised.",
        ),
        (
            f"{name}: corrupted",
            routed("corrupted"),
            True,
            "Share of the corrupted training samples routed through the block (g > 0.5).",
        ),
        (
            f"{name}: clean",
            routed("clean"),
            True,
            "Share of the clean training samples routed through the block.",
        ),
        (
            "AUROC mean g",
            auroc("gate_mean", view.gate),
            False,
            "How well the mean gate value tells corrupted from clean; 0.5 is chance.",
        ),
        (
            "AUROC mean loss",
            auroc("loss_mean", None),
            False,
            "How well the mean loss tells corrupted from clean.",
        ),
    ]
    if not view.log.gates:
        cells = [cell for cell in cells if name not in cell[0] and "mean g" not in cell[0]]
    for column, cell in zip(st.columns(len(cells), gap="small"), cells, strict=True):
        with column:
            metric(*cell)
    st.caption(
        f"Training samples (and test accuracy) at epoch {found.epoch} of {found.planned}, "
        f"{found.state}, log mode {found.mode}; small: 95 % interval"
    )


def choose(view: View, boxes: list[selection.Box], mode: selection.Mode) -> None:
    """Make the brushed samples the selection."""
    if view.gate is None or not boxes:
        return
    gate = queries.matrix(view.at, view.split, "gate", view.gate)
    members = selection.inside(boxes, view.data.epochs, gate, mode)
    members &= selection.matching(view.data.cause, view.only)
    how = selection.describe(boxes, view.data.epochs, mode)
    ids = tuple(view.data.ids(members))
    st.session_state["boxes"] = boxes
    st.session_state["selection"] = selection.Selection(view.run.name, view.split, ids, how)


def brushed(view: View, key: str) -> None:
    """A box was drawn. An empty event leaves the selection: Streamlit sends one when a figure is drawn anew."""
    choose(view, selection.boxes_of(st.session_state[key]), st.session_state.get("mode", "any"))


def heatmap(view: View, gate: str) -> None:
    """The brushable evolution of g."""
    st.markdown(f"**Gate value of {gate.upper()} over the epochs** · drag a box to select samples")
    edges, counts = queries.evolution(view.at, view.split, gate, view.only)
    key = f"evolution_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        charts.evolution(view.data.epochs, edges, counts),
        key=key,
        on_select=lambda: brushed(view, key),
        selection_mode="box",
        config=CHART,
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
    routed = queries.matrix(view.at, view.split, "routed", gate)
    seen = queries.matrix(view.at, view.split, "seen")
    found = {name: curves.share(routed, seen, who) for name, who in curves.cohorts(view.data.cause).items()}
    rate = float((view.data.cause != "clean").mean())
    figure = charts.shares(view.data.epochs, found, rate)
    st.plotly_chart(
        figure, key="shares", config=CHART, alt=f"Share routed through {gate} over the epochs, by cause"
    )


def accuracies(view: View) -> None:
    """What is fitted: given labels, clean labels, and the test set."""
    st.markdown("**Accuracy over the epochs** · against the given and the clean label")
    seen, given, clean = (
        queries.matrix(view.at, view.split, name) for name in ("seen", "correct_given", "correct_clean")
    )
    cause = view.data.cause
    every = np.ones(len(cause), bool)
    relabelled = view.data.given_label != view.data.clean_label
    found: dict[str, tuple[str, str, Share]] = {}
    words_given = "given label" if relabelled.any() else "label"
    found[f"{view.split}: {words_given}"] = (palette.CLEAN, "solid", curves.share(given, seen, every))
    if relabelled.any():
        found[f"{view.split}: clean label"] = (palette.CLEAN, "dash", curves.share(clean, seen, every))
        found["label corrupted: given label (memorised)"] = (
            palette.CORRUPTED, "solid", curves.share(given, seen, relabelled))  # fmt: skip
        found["label corrupted: clean label"] = (
            palette.CORRUPTED,
            "dash",
            curves.share(clean, seen, relabelled),
        )
    image = cause == "image"
    if image.any():
        found["image corrupted: label"] = (
            palette.CAUSE_COLOURS["image"], "dot", curves.share(given, seen, image))  # fmt: skip
    if view.split != "test" and "test" in view.log.splits:
        test = queries.split_data(view.at, "test")
        if np.array_equal(test.epochs, view.data.epochs):
            seen, given = (queries.matrix(view.at, "test", name) for name in ("seen", "correct_given"))
            everyone = np.ones(len(test.sample_id), bool)
            found["test"] = (palette.ROUTED, "longdash", curves.share(given, seen, everyone))
    st.plotly_chart(
        charts.accuracies(view.data.epochs, found),
        key="accuracies",
        config=CHART,
        alt="Accuracies over the epochs",
    )


def selected(view: View) -> None:
    """The selected samples; a click on a row opens the sample."""
    chosen = view.selected
    st.markdown("**Selected samples**")
    if chosen is None:
        st.caption("None yet: drag a box on the heatmap, or select by numbers.")
        return
    data = view.data
    places = np.flatnonzero(np.isin(data.sample_id, chosen.ids))
    places = places[np.argsort(data.sample_id[places])]
    corrupted = int((data.cause[places] != "clean").sum())
    st.markdown(f"{len(places):,} samples, {corrupted:,} of them corrupted: {words.plain(chosen.how)}")
    seen = queries.matrix(view.at, view.split, "seen")[:, places]
    columns: dict[str, Any] = {
        "sample_id": data.sample_id[places],
        "cause": data.cause[places],
        "given label": [words.class_name(label, view.log.class_names) for label in data.given_label[places]],
        "clean label": [words.class_name(label, view.log.class_names) for label in data.clean_label[places]],
    }
    if view.gate:
        gate = queries.matrix(view.at, view.split, "gate", view.gate)[:, places]
        routed = queries.matrix(view.at, view.split, "routed", view.gate)[:, places]
        columns |= {"g last": dynamics.last(gate, seen), "g mean": dynamics.mean(gate, seen)}
        columns |= {"epochs routed": dynamics.routed_epochs(routed, seen)}
    columns["loss mean"] = dynamics.mean(queries.matrix(view.at, view.split, "loss")[:, places], seen)
    number = st.column_config.NumberColumn(format="%.3f")
    event: Any = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        height=280,
        placeholder="–",
        key=f"selected_{hash(chosen)}",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        column_config=dict.fromkeys(("g last", "g mean", "loss mean"), number),
    )
    st.caption("Click a row to open the sample.")
    rows = [*event.selection.rows, *(cell[0] for cell in event.selection.get("cells", []))]
    if rows:
        focus = str(data.sample_id[places[rows[0]]])
        st.switch_page("views/sample.py", query_params={**view.params, "id": focus})


def page() -> None:
    """The whole page."""
    view = state.view()
    headline(view)
    if len(view.data.epochs) == 0:
        st.info("No epoch of this split can be read yet.")
        return
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
                format_func=lambda mode: f"{mode} epoch",
                on_change=lambda: choose(view, st.session_state.get("boxes", []), st.session_state["mode"]),
            )
            by_numbers(view)
        selected(view)
    else:
        st.info("The log has no gate, so there is no routing to show.")
    accuracies(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
