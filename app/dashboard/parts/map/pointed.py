"""The picture of the sample that the mouse points at on the map."""

import streamlit as st

from app.dashboard import palette, run_data, sentences
from app.dashboard.components import thumbnails
from app.dashboard.components.chart_events import chart_events
from app.dashboard.view.state import View
from memgate.errors import MemgateError

SIDE = 200
"""Pixels to which the longer side of the picture is enlarged, by a whole factor."""


@st.fragment
def pointed(view: View) -> None:
    """Show the sample that the mouse points at; only this part of the page is drawn again."""
    sample = chart_events("map_scatter", "map_pointed", sample=lambda: None).sample
    place = view.data.position(sample) if isinstance(sample, int) else None
    if place is None:
        st.caption("Point at a sample to see its picture.")
        return
    sample_id, names = int(view.data.sample_id[place]), view.log.class_names
    given = sentences.class_name(int(view.data.given_label[place]), names)
    clean = sentences.class_name(int(view.data.clean_label[place]), names)
    labels = given if given == clean or not view.data.samples.truth_known else f"{clean} → {given}"
    try:
        pictures = run_data.pictures(view.run, view.split).of(sample_id)
        if pictures is None:
            st.caption(f"Sample {sample_id} has no picture.")
        else:
            st.html(thumbnails.enlarged(pictures[0], SIDE, f"sample {sample_id}"))
    except MemgateError as error:
        st.caption(f"Sample {sample_id}. {sentences.escaped(str(error))}")
    st.caption(sentences.escaped(f"{labels}, {palette.CAUSE_WORDS[str(view.data.cause[place])]}"))
