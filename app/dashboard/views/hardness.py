"""Noise and hardness: detection of corrupted samples by scores and epochs, and the gate on hard samples."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.charts import hardness as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.parts.hardness import detection
from app.dashboard.parts.hardness.panels import data_map, deciles, labels
from app.dashboard.results import scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.samples.notes import TRUTH_UNKNOWN
from probes.scores.over_epochs import quantities_of
from probes.stats.estimate import interval_text

DEFAULTS = ("gate_mean", "entropy_mean", "loss_mean", "aum", "forgetfulness", "variability", "macs_mean")
MOST_LINES = 8
NOT_BOTH = (
    "Detection needs both clean and corrupted samples, and {what}. The data map, the labels and the deciles do not "
    "need them."
)


def against(view: View) -> str | None:
    """Widget for the samples to detect: ``corrupted`` or a cause; None, with a message, where there are none."""
    cause = view.data.cause[view.members]
    if not view.data.samples.truth_known:
        st.info(f"{TRUTH_UNKNOWN} The data map and the deciles do not need it.")
        return None
    if not view.data.corrupted.any():
        st.info(f"The split {sentences.escaped(view.split)} has no corrupted samples to detect. "
                "The data map and the deciles do not need them.")  # fmt: skip
        return None
    if (cause == "clean").all() or (cause != "clean").all():
        kind = "corrupted" if (cause == "clean").all() else "clean"
        what = f"none of the samples shown is {kind}" if len(cause) else "no sample passes the filter"
        st.info(NOT_BOTH.format(what=what))
        return None
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    options = ["corrupted", *(present if len(present) > 1 else ())]
    if len(options) == 1:
        return options[0]
    if st.session_state.get("against") not in options:
        st.session_state["against"] = options[0]
    return st.selectbox("Samples to detect", options, key="against", width=220)


def detection_by_score(view: View) -> None:
    """ROC and precision-recall curves of the chosen scores, and a table of them or of all scores."""
    known = scores.available(view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        positive = against(view)
        if positive is None:
            return
        chosen = st.multiselect(
            "Scores up to the epoch shown",
            list(known),
            [name for name in DEFAULTS if name in known],
            key="detection",
            format_func=lambda name: known[name].title,
            max_selections=MOST_LINES,
            help=definitions(*SCORE_TERMS, "AUROC"),
        )
    scores.fetch(view, ("epochs_logged", *chosen))
    detections = {name: detection.detection(view, name, positive) for name in chosen}
    titles = {name: known[name].score.title for name in chosen}
    left, right = st.columns(2, gap="medium")
    with left:
        heading("ROC curve", "", "AUROC")
        curves = {titles[name]: one.roc for name, one in detections.items()}
        st.plotly_chart(charts.roc(curves), key="roc", config=CONFIG,
                        alt="ROC curves of the chosen scores for corrupted against clean samples")  # fmt: skip
    with right:
        heading("Precision over recall", "dotted line: chance", "average precision")
        prevalence = next((one.prevalence for one in detections.values() if one.prevalence is not None), None)
        curves = {titles[name]: one.precision_recall for name, one in detections.items()}
        st.plotly_chart(charts.precision_recall(curves, prevalence), key="precision_recall", config=CONFIG,
                        alt="Precision over recall of the chosen scores, dotted line: share corrupted")  # fmt: skip
    every = st.toggle("All scores in the table", key="all_scores", help="Takes seconds for a large run.")
    if every:
        with st.spinner("Computing every score …"):
            scores.fetch(view, known)
            detections = {name: detection.detection(view, name, positive) for name in known}
    detection_table(view, detections)


def detection_table(view: View, detections: dict[str, detection.Detection]) -> None:
    """Table of AUROC with its interval, and average precision, by score."""
    known = scores.available(view)
    rows = [
        {
            "score": known[name].score.title
            + (f", {view.gate.upper()}" if known[name].gate and view.gate else ""),
            "suspicious": known[name].score.suspicious,
            "AUROC": one.separation.value,
            "95 %": interval_text(one.separation),
            "average precision": one.average_precision,
            "corrupted": one.separation.n_positive,
            "clean": one.separation.n_negative,
            "missing": one.separation.n_missing,
            "what it is": known[name].score.meaning,
        }
        for name, one in detections.items()
    ]
    table = pd.DataFrame(rows)
    if len(table):
        table = table.sort_values("AUROC", ascending=False, kind="stable", na_position="last")
        st.dataframe(
            table, hide_index=True, placeholder="–", key="detection_table",
            column_config=dict.fromkeys(("AUROC", "average precision"), st.column_config.NumberColumn(format="%.3f")),
        )  # fmt: skip
    share = next((one.prevalence for one in detections.values() if one.prevalence is not None), None)
    chance = "" if share is None else f" Chance is AUROC 0.5 and average precision {share:.3f}."
    st.caption(sentences.escaped(
        "AUROC with its 95 % interval over samples; below 0.5 the score ranks clean samples as harder. "
        f"Suspicious: the end of the score that is ranked as hard.{chance}"
    ))  # fmt: skip
    for note in scores.stored_notes(view):
        state.problem(note)


def over_epochs(view: View) -> None:
    """AUROC of each logged quantity for corrupted against clean samples, over the epochs."""
    quantities = {
        f"{one.title}, {view.gate.upper()}" if one.per_gate and view.gate else one.title: one
        for one in quantities_of(view.log)
    }
    preferred = [name for name, one in quantities.items() if one.name in ("loss", "gate")]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        positive = against(view)
        if positive is None:
            return
        chosen = st.multiselect("Quantities of single epochs", list(quantities), preferred,
                                key="quantities", max_selections=MOST_LINES,
                                help=definitions("g", "H", "margin", "EL2N", "MACs", "AUROC"))  # fmt: skip
        many = len(view.data.epochs) > detection.EVERY
        every = st.toggle("Every epoch", key="every_epoch",
                          help="Takes a few seconds per quantity for a large run.") if many else True  # fmt: skip
    most = len(view.data.epochs) if every else detection.EVERY
    computed = {name: detection.over_epochs(view, quantities[name], positive, most) for name in chosen}
    curves = {name: curve for name, curve in computed.items() if curve is not None}
    assert view.epoch is not None
    heading("AUROC of the values of each epoch", "star: the best epoch; grey line: the epoch shown", "AUROC")
    st.plotly_chart(charts.over_epochs(curves, view.epoch), key="over_epochs", config=CONFIG,
                    alt="AUROC of the chosen quantities against corruption over the epochs")  # fmt: skip
    rows = [
        {
            "quantity": name,
            "suspicious": "high" if curve.direction > 0 else "low",
            "at the last epoch": curve.last.value, "last 95 %": interval_text(curve.last),
            "mean over epochs": curve.mean.value, "mean 95 %": interval_text(curve.mean),
            "best epoch": curve.oracle_epoch,
            "AUROC there": curve.oracle.value, "best 95 %": interval_text(curve.oracle),
        }
        for name, curve in curves.items()
    ]  # fmt: skip
    if rows:
        number = st.column_config.NumberColumn(format="%.3f")
        columns: dict[str, Any] = dict.fromkeys(
            ("at the last epoch", "mean over epochs", "AUROC there"), number
        )
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, placeholder="–", key="epoch_table", column_config=columns
        )
    shown = "" if every else f" {detection.EVERY} of {len(view.data.epochs)} epochs are shown."
    st.caption(sentences.escaped(
        f"The best epoch is chosen with the clean labels: it cannot be known without them.{shown}"
    ))  # fmt: skip


PARTS: dict[str, tuple[str, Callable[[View], None]]] = {
    "detection": ("Detection by score", detection_by_score),
    "epochs": ("Detection by epoch", over_epochs),
    "map": ("Data map", data_map),
    "labels": ("Clean → given label", labels),
    "deciles": ("Gate by hardness", deciles),
}


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split has been logged yet.")
        return
    part = section({name: title for name, (title, _) in PARTS.items()})
    PARTS[part][1](view)
    if part in ("map", "labels"):
        hint = (
            "drag a box on the figure, or select by numbers" if part == "map" else "click a row of the table"
        )
        panel(view, f"{hint}.")


try:
    page()
except MemgateError as error:
    state.problem(error)
