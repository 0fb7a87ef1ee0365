"""Memorisation scores beside a score of the run: the scatter plot, and the league of all scores."""

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import palette
from app.dashboard.charts import explorer
from app.dashboard.components.heading import heading
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.parts.brush import brushed
from app.dashboard.parts.explorer.axes import score
from app.dashboard.results import proxies, scores
from app.dashboard.results.memorisation import Measured
from app.dashboard.results.proxies import Rows
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from app.dashboard.view.url import Address
from probes.stats.estimate import decimal, with_interval

SCORE = "score"
"""Parameter of the URL."""


def beside_scores(measured: Measured) -> None:
    """Scatter plot of mem over a score, the chosen one's correlation, and the table of all."""
    view = measured.view
    rows = proxies.standings(measured)
    if not rows:
        st.info("No score of the samples shown that this run was trained on can be compared with mem.")
        return
    compared = {row.score for row, _ in rows}
    known = {name: one for name, one in scores.available(view).items() if name in compared}
    address = Address()
    chosen = score(
        address, SCORE, list(known), scores.HARDNESS if scores.HARDNESS in known else rows[0][0].score
    )
    address.write()
    st.session_state["memorisation_score"] = chosen
    left, right = st.columns(2, gap="medium")
    with left:
        heading(
            "mem beside a score of this run",
            "drag to select, click a point to open the sample",
            "memorisation score (mem)",
        )
        st.selectbox(
            "Score", list(known), key="memorisation_score", format_func=lambda name: known[name].title, width=380,
            help=f"{known[chosen].score.meaning}\n\n{definitions(*SCORE_TERMS)}",
            on_change=lambda: state.write_param(SCORE, st.session_state["memorisation_score"]),
        )  # fmt: skip
        scatter(measured, chosen)
    with right:
        league(measured, rows, chosen)


def scatter(measured: Measured, chosen: str) -> None:
    """Scatter plot by cause of the samples that the run was trained on and that pass the filter."""
    view = measured.view
    one, values, mem = scores.available(view)[chosen], scores.values(view, chosen), measured.values("mem")
    shown = view.members & measured.trained
    drawn = shown & np.isfinite(values) & np.isfinite(mem)
    if not drawn.any():
        st.caption(escaped(f"No sample shown has both mem and a value of {one.score.title}."))
        return
    points = {
        cause: (view.data.sample_id[group], values[group], mem[group])
        for cause in palette.CAUSE_COLOURS
        if (group := drawn & (view.data.cause == cause)).any()
    }
    key = f"mem_scatter_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        explorer.scatter(points, one.axis, "memorisation score (mem)", height=400), key=key, config=explorer.BRUSH,
        on_select=lambda: brushed(view, key, one.score.title, "mem"), selection_mode=("points", "box", "lasso"),
        alt=f"Scatter plot of {int(drawn.sum())} samples: mem over {one.score.title}",
    )  # fmt: skip
    missing = int((shown & ~drawn).sum())
    left_out = f" {missing:,} of them have no value, or the event never happened." if missing else ""
    st.caption(
        f"Only the {int(shown.sum()):,} of {int(view.members.sum()):,} samples shown that this run was trained on: of "
        f"the others the score says how hard they are unseen.{left_out}"
    )


def league(measured: Measured, rows: Rows, chosen: str) -> None:
    """Rank correlation of every score with mem, the best first, and of the chosen one in a sentence."""
    heading(
        "Which score of this run ranks samples as mem does?",
        "Spearman, 95 % intervals",
        "within classes",
        *SCORE_TERMS,
    )
    known = scores.available(measured.view)
    for row, within in rows:
        if row.score == chosen:
            st.markdown(escaped(
                f"{known[chosen].score.title}, turned so that high is harder: rank correlation with mem "
                f"{with_interval(row.rho, '{:+.2f}')} over {row.rho.n:,} samples, within classes "
                f"{with_interval(within.rho, '{:+.2f}') if within else '-'}."
            ))  # fmt: skip
    table = [
        {
            "score": known[row.score].score.title,
            "harder": known[row.score].score.suspicious,
            "Spearman": decimal(row.rho),
            "without noise": decimal(row.corrected),
            "within classes": decimal(within.rho) if within else "-",
        }
        for row, within in rows
    ]
    st.dataframe(
        pd.DataFrame(table), hide_index=True, key="mem_league", height=min(35 * len(table) + 38, 420)
    )
    st.caption(
        "Every score is turned so that high is harder, up to the epoch shown. Without noise: divided by the root of "
        "the reliability of mem, which has the noise of few models. Of this run alone; memgate report with --against "
        "memorisation has the means over the group's models."
    )
