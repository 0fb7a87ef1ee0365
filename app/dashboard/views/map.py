"""Map: every sample as a point in two dimensions, near those with similar gates, trajectories or features."""

from typing import cast

import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.ask import suggest_command
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.parts.brush import open_clicked
from app.dashboard.parts.filters.choice import checkpoint, option
from app.dashboard.parts.map.chart import chart
from app.dashboard.parts.map.colours import colour
from app.dashboard.parts.map.pointed import pointed
from app.dashboard.results import maps, probe_results, scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.embedding.config import METHODS, SOURCES, Method, Source
from probes.embedding.stored import described
from probes.samples.notes import unbound

TITLES: dict[Source, str] = {
    "gates": "gate vectors", "trajectories": "gate trajectories", "features": "penultimate features", "o1": "o1",
}  # fmt: skip


def chosen_map(view: View) -> tuple[Source, Method]:
    """Source and method of the map, in the URL; those that are stored come first."""
    stored = maps.stored(view)
    mapped = {result.config["source"] for result in stored}
    known: list[Source] = [one for one in SOURCES if one in mapped or one in maps.sources(view)]
    sources: list[Source] = sorted(known, key=lambda one: one not in mapped)
    source = option("source", "Map of", sources, [TITLES[one] for one in sources], "gate", "g", "o1")
    done = {result.config["method"] for result in stored if result.config["source"] == source}
    methods = sorted(METHODS, key=lambda one: one not in done)
    method = option("method", "By", methods, [METHODS[one] for one in methods])
    return cast(Source, source), cast(Method, method)


def page() -> None:
    """The whole page."""
    view = state.view()
    if not maps.stored(view):
        if not maps.sources(view):
            st.info("This run was trained by another program and has no gates: there is nothing to map.")
            return
        reason = f"No map of the {view.split} samples of this run is stored yet."
        if view.run.recorded:
            reason += f" memgate probe embed {view.run.name} maps the trajectories of its gates."
        suggest_command(view, probe_results.EMBED, reason, f" --splits {view.split}", show=st.info)
        return
    open_clicked(view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source, method = chosen_map(view)
        results = maps.stored(view, source, method)
        result = checkpoint(results) if results else None
        by = colour(view)
    if result is None:
        reason = (
            f"No map of the {TITLES[source]} of the {view.split} samples by {METHODS[method]} is stored yet."
        )
        more = f" --sources {source} --methods {method} --splits {view.split}"
        suggest_command(view, probe_results.EMBED, reason, more, show=st.info)
        return
    for note in scores.stored_notes(view):
        state.problem(note)
    heading(
        f"Map of {TITLES[source]} by {METHODS[method]}",
        "drag to select; click a point to open the sample",
        "PCA", "t-SNE", "UMAP",
    )  # fmt: skip
    left, right = st.columns([4, 1], gap="medium")
    with left:
        chart(view, result, by)
    with right:
        pointed(view)
    st.caption(sentences.escaped(" ".join([described(result), *unbound(result)])))
    panel(view, "drag in the map.")


try:
    page()
except MemgateError as error:
    state.problem(error)
