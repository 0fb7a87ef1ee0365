"""Pictures with the most similar vectors on the page Sample: by features of a checkpoint, and by gate vectors."""

import streamlit as st

from app.dashboard.components.ask import suggest_command
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import tiles
from app.dashboard.parts.sample.track import Track
from app.dashboard.results import maps, probe_results
from app.dashboard.view import state
from memgate.errors import MemgateError
from probes.embedding.config import Source

NEAREST = 20

TITLES: dict[Source, tuple[str, str]] = {
    "features": ("penultimate features", "Euclidean distance"),
    "gates": ("gate vectors", "number of filters that one opens and the other does not"),
}
"""Source to its title and what the distance is."""


def similar_pictures(track: Track) -> None:
    """Tiles of the most similar samples by features and, where the network's gates open and close, by gate vectors."""
    if track.view.run.recorded:
        return
    for source, (title, distance) in TITLES.items():
        if source not in maps.sources(track.view):
            continue
        try:
            _similar(track, source, title, distance)
        except MemgateError as error:
            state.problem(error)


def _similar(track: Track, source: Source, title: str, distance: str) -> None:
    view = track.view
    epoch, later = maps.epochs(view, source)
    if epoch is None:
        heading(f"Similar pictures by {title}")
        probe = probe_results.GATES if source == "gates" else probe_results.EMBED
        more = (
            f" --splits {view.split}" if source == "gates" else f" --sources {source} --splits {view.split}"
        )
        reason = f"No {title} of the {view.split} samples are stored up to epoch {view.epoch}."
        if later is not None:
            st.caption(f"{reason} There are those of epoch {later}: set the epoch in the sidebar to it.")
            return
        suggest_command(view, probe, reason, more)
        return
    heading(f"Similar pictures by {title}", f"epoch {epoch}; {distance}")
    nearest = maps.similar(view, source, epoch, track.sample_id, NEAREST)
    if nearest is None:
        st.caption("This sample has no vector.")
        return
    ids, distances = nearest
    form = "{:.0f}" if source == "gates" else "{:.3g}"
    tiles(view, ids, f"similar_{source}", size=64, numbers=[form.format(one) for one in distances])
