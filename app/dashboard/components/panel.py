"""The selected samples, the same on every page: images and a table; a click opens a sample."""

from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.tiles import LEGEND, PAGE, tiles
from app.dashboard.glossary import TERMS
from app.dashboard.results import scores
from app.dashboard.view import selection
from app.dashboard.view.state import View, open_sample

ROWS = 2000
"""Rows of the table; for more there is the export."""


def panel(view: View, hint: str) -> None:
    """Show the selection.

    Args:
        view: run, split and selection.
        hint: how to select something on this page.
    """
    st.markdown("**Selected samples**")
    if view.selected is None:
        st.caption(f"No samples selected: {hint}")
        return
    places = view.places
    corrupted = int(view.data.corrupted[places].sum())
    known = view.data.samples.truth_known
    of_them = f"{corrupted:,} of them corrupted" if known else "unknown how many of them are corrupted"
    st.markdown(f"{len(places):,} samples, {of_them}: {sentences.escaped(view.selected.how)}")
    if len(places) == 0:
        return
    tiles(view, view.data.sample_id[places[: PAGE // 2]], f"panel_{view.selected.key}", size=48)
    st.caption(("" if len(places) <= PAGE // 2 else f"The first {PAGE // 2} are shown. ") + LEGEND)
    table(view)


def table(view: View) -> None:
    """Show the selected samples as a table; a click on a row opens the sample."""
    assert view.selected is not None
    data, places = view.data, view.places[:ROWS]
    columns: dict[str, Any] = {
        "sample_id": data.sample_id[places],
        "cause": data.cause[places],
        "given label": [
            sentences.class_name(label, view.log.class_names) for label in data.given_label[places]
        ],
        "clean label": [
            sentences.class_name(label, view.log.class_names) if data.samples.truth_known else None
            for label in data.clean_label[places]
        ],
    }
    scores.fetch(view, ("gate_last", "gate_mean", "routed_epochs", "loss_mean"))
    if view.gate:
        columns |= {
            name: scores.values(view, column)[places]
            for name, column in (
                ("g last", "gate_last"),
                ("g mean", "gate_mean"),
                ("epochs routed", "routed_epochs"),
            )
        }
    columns["loss mean"] = scores.values(view, "loss_mean")[places]
    number = st.column_config.NumberColumn(format="%.3f")
    event: Any = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        height=240,
        placeholder="–",
        key=f"selected_{view.selected.key}",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        column_config={
            **dict.fromkeys(("g last", "g mean", "loss mean"), number),
            "cause": st.column_config.TextColumn(help=TERMS["cause"]),
        },
    )
    more = (
        f"The first {ROWS:,} of {len(view.places):,} are shown; the page Export has all. "
        if len(view.places) > ROWS
        else ""
    )
    st.caption(f"{more}Click a row to open the sample.")
    row = selection.picked_row(event)
    if row is not None:
        open_sample(view, int(data.sample_id[places[row]]))
