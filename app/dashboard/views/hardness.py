"""Noise and hardness: which scores find the corruption, at which epoch, and what the gate makes of hard samples."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.charts import hardness as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.parts.hardness import detection
from app.dashboard.parts.hardness.panels import data_map, deciles, labels
from app.dashboard.results import scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.scores.over_epochs import EPOCH_QUANTITIES
from probes.stats.estimate import Interval

DEFAULTS = ("gate_mean", "entropy_mean", "loss_mean", "aum", "forgetfulness", "variability")
MOST_LINES = 8
NOT_BOTH = (
    "It takes both clean and corrupted samples to judge a detector, and {what}: detector scores are undefined. "
    "The data map, the labels and the deciles are still there."
)


def against(view: View) -> str | None:
    """Which corruption is to be found; None, and a sentence, where there is nothing to tell apart."""
    cause = view.data.cause[view.members]
    if not (view.data.cause != "clean").any():
        st.info(f"The split {sentences.plain(view.split)} has no corrupted samples: detector scores are undefined. "
                "The data map and the deciles are still there.")  # fmt: skip
        return None
    if (cause == "clean").all() or (cause != "clean").all():
        kind = "no corrupted one" if (cause == "clean").all() else "no clean one"
        what = f"the samples shown have {kind}" if len(cause) else "no sample passes the filter"
        st.info(NOT_BOTH.format(what=what))
        return None
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    options = ["corrupted", *(present if len(present) > 1 else ())]
    if len(options) == 1:
        return options[0]
    if st.session_state.get("against") not in options:
        st.session_state["against"] = options[0]
    return st.selectbox("To be found among the clean", options, key="against", width=220)


def interval(found: Interval, places: int = 3) -> str:
    """The ends of an interval as text; a dash where there is none."""
    if found.low is None or found.high is None:
        return "–"
    return f"{found.low:.{places}f} – {found.high:.{places}f}"


def found_by_scores(view: View) -> None:
    """ROC and precision-recall of the chosen scores, and a table of them or of all."""
    known = scores.measures(view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        positive = against(view)
        if positive is None:
            return
        chosen = st.multiselect(
            "Scores, each counted up to the cursor's epoch",
            list(known),
            [name for name in DEFAULTS if name in known],
            key="detectors",
            format_func=lambda name: known[name].title,
            max_selections=MOST_LINES,
        )
    scores.fetch(view, ("epochs_logged", *chosen))
    found = {name: detection.detector(view, name, positive) for name in chosen}
    titles = {name: known[name].score.title for name in chosen}
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**ROC curve**")
        curves = {titles[name]: one.roc for name, one in found.items()}
        st.plotly_chart(charts.roc(curves), key="roc", config=CONFIG,
                        alt="ROC curves of the chosen scores as detectors of corruption")  # fmt: skip
    with right:
        st.markdown("**Precision over recall**")
        prevalence = next((one.prevalence for one in found.values() if one.prevalence is not None), None)
        curves = {titles[name]: one.precision_recall for name, one in found.items()}
        st.plotly_chart(charts.precision_recall(curves, prevalence), key="precision_recall", config=CONFIG,
                        alt="Precision over recall of the chosen scores, dotted line: share corrupted")  # fmt: skip
    every = st.toggle("All scores in the table", key="all_scores", help="Some seconds for a large run.")
    if every:
        with st.spinner("Computing every score …"):
            scores.fetch(view, known)
            found = {name: detection.detector(view, name, positive) for name in known}
    detector_table(view, found)


def detector_table(view: View, found: dict[str, detection.Detector]) -> None:
    """AUROC with its interval and average precision, score by score."""
    known = scores.measures(view)
    rows = [
        {
            "score": known[name].score.title
            + (f", {view.gate.upper()}" if known[name].gate and view.gate else ""),
            "suspicious": known[name].score.suspicious,
            "AUROC": one.separation.value,
            "95 %": interval(one.separation),
            "average precision": one.average_precision,
            "corrupted": one.separation.n_positive,
            "clean": one.separation.n_negative,
            "missing": one.separation.n_missing,
            "what it is": known[name].score.meaning,
        }
        for name, one in found.items()
    ]
    table = pd.DataFrame(rows)
    if len(table):
        table = table.sort_values("AUROC", ascending=False, kind="stable", na_position="last")
        st.dataframe(
            table, hide_index=True, placeholder="–", key="detector_table",
            column_config=dict.fromkeys(("AUROC", "average precision"), st.column_config.NumberColumn(format="%.3f")),
        )  # fmt: skip
    share = next((one.prevalence for one in found.values() if one.prevalence is not None), None)
    chance = (
        ""
        if share is None
        else f" A score that knows nothing has AUROC 0.5 and average precision {share:.3f}."
    )
    st.caption(sentences.plain(
        "AUROC with DeLong's 95 % interval over samples; below 0.5 a score points the wrong way, and is not turned. "
        f"The word says which end is suspicious.{chance}"
    ))  # fmt: skip
    for note in scores.stored_notes(view):
        state.problem(note)


def over_epochs(view: View) -> None:
    """At which epoch what is logged tells corrupted from clean best."""
    quantities = {
        f"{one.title}, {view.gate.upper()}" if one.per_gate and view.gate else one.title: one
        for one in EPOCH_QUANTITIES
        if view.gate or not one.per_gate
    }
    preferred = [name for name, one in quantities.items() if one.name in ("loss", "gate")]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        positive = against(view)
        if positive is None:
            return
        chosen = st.multiselect("Quantities, each by itself at every epoch", list(quantities), preferred,
                                key="quantities", max_selections=MOST_LINES)  # fmt: skip
        many = len(view.data.epochs) > detection.EVERY
        every = st.toggle("Every epoch", key="every_epoch",
                          help="A few seconds for each quantity of a large run.") if many else True  # fmt: skip
    most = len(view.data.epochs) if every else detection.EVERY
    found = {name: detection.over_epochs(view, quantities[name], positive, most) for name in chosen}
    curves = {name: curve for name, curve in found.items() if curve is not None}
    assert view.epoch is not None
    st.markdown("**AUROC of one epoch's values** · star: the best epoch · grey line: the cursor")
    st.plotly_chart(charts.over_epochs(curves, view.epoch), key="over_epochs", config=CONFIG,
                    alt="AUROC of the chosen quantities against corruption over the epochs")  # fmt: skip
    rows = [
        {
            "quantity": name,
            "suspicious": "high" if curve.direction > 0 else "low",
            "at the last epoch": curve.last.value, "last 95 %": interval(curve.last),
            "mean over epochs": curve.mean.value, "mean 95 %": interval(curve.mean),
            "best epoch": curve.oracle_epoch,
            "there": curve.oracle.value, "best 95 %": interval(curve.oracle),
        }
        for name, curve in curves.items()
    ]  # fmt: skip
    if rows:
        number = st.column_config.NumberColumn(format="%.3f")
        columns: dict[str, Any] = dict.fromkeys(("at the last epoch", "mean over epochs", "there"), number)
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, placeholder="–", key="epoch_table", column_config=columns
        )
    shown = "" if every else f" {detection.EVERY} of {len(view.data.epochs)} epochs are shown."
    st.caption(sentences.plain(
        f"The best epoch is chosen by the clean labels: nobody without them can stop there.{shown}"
    ))  # fmt: skip


PARTS: dict[str, tuple[str, Callable[[View], None]]] = {
    "detectors": ("Detectors", found_by_scores),
    "epochs": ("Over the epochs", over_epochs),
    "map": ("Data map", data_map),
    "labels": ("Clean → given label", labels),
    "deciles": ("Gate by hardness", deciles),
}


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
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
