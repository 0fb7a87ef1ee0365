"""What the points of a map are coloured by: the cause, a label, the fit, the route, or any score."""

from collections.abc import Mapping

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import palette, sentences
from app.dashboard.charts.maps import Look, class_colours
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.results import scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address

COLOUR = "colour"
"""Parameter of the URL."""

GROUPS = {
    "cause": "cause of corruption",
    "given": "given label",
    "clean": "clean label",
    "fit": "fitted or not, at the epoch shown",
    "route": "route, at the epoch shown",
}
"""Name in the URL of each grouping to its title."""

Groups = Mapping[str, tuple[NDArray[np.bool_], Look]]
"""Group to its members [N] and how they are drawn."""


def colour(view: View) -> str:
    """What the points are coloured by: a key of :data:`GROUPS` or the column of a score; chosen in a list."""
    known = scores.available(view) if view.epoch is not None else {}
    options = [name for name in GROUPS if _applies(view, name)]
    titles = {name: GROUPS[name] for name in options} | {name: one.title for name, one in known.items()}
    address = Address()
    wanted = address.params.get(COLOUR)
    hidden = wanted in {*GROUPS, *scores.EVERY} and wanted not in titles
    chosen = "cause" if hidden else address.choice(COLOUR, list(titles), "colour")
    address.write()
    st.session_state["map_colour"] = chosen
    st.selectbox(
        "Colour by", list(titles), key="map_colour", format_func=lambda name: titles[name], width=360,
        help=definitions("cause", "given label", "clean label", "fitted", "memorised", *SCORE_TERMS),
        on_change=lambda: state.write_param(COLOUR, st.session_state["map_colour"]),
    )  # fmt: skip
    if hidden:
        st.caption("This run has no such colour at the epoch shown: the cause is shown instead.")
    return chosen


def _applies(view: View, name: str) -> bool:
    if name == "clean":
        return view.data.samples.truth_known
    if name == "route":
        return view.gate is not None and view.epoch is not None
    return name != "fit" or view.epoch is not None


def groups(view: View, name: str) -> Groups:
    """The groups by a key of :data:`GROUPS`; each sample is in one, and empty groups are left out."""
    made = {"cause": _causes, "given": _classes, "clean": _classes, "fit": _fits, "route": _routes}[name]
    all_groups = made(view, name)
    return {group: (members, look) for group, (members, look) in all_groups.items() if members.any()}


def _causes(view: View, _name: str) -> Groups:
    return {
        cause: (view.data.cause == cause, Look(colour, palette.CAUSE_SYMBOLS[cause]))
        for cause, colour in palette.CAUSE_COLOURS.items()
    }


def _classes(view: View, name: str) -> Groups:
    labels = view.data.given_label if name == "given" else view.data.clean_label
    names = view.log.class_names
    return {
        sentences.class_name(label, names): (labels == label, Look(colour))
        for label, colour in enumerate(class_colours(len(names)))
    }


def _fits(view: View, _name: str) -> Groups:
    fitted, known = view.at_cursor("correct_given"), view.known_at_cursor("correct_given")
    corrupted, clean = view.data.corrupted, view.data.clean
    missing = {"missing": (~known, Look(palette.MISSING, "x"))}
    if not view.data.samples.truth_known:
        return missing | {
            "fitted": (known & fitted, Look(palette.CLEAN)),
            "not fitted": (known & ~fitted, Look(palette.CORRUPTED, "x")),
        }
    return missing | {
        "clean, fitted": (known & clean & fitted, Look(palette.CLEAN)),
        "clean, not fitted": (known & clean & ~fitted, Look("#56B4E9", "diamond")),
        "corrupted, not fitted": (known & corrupted & ~fitted, Look("#E69F00", "x")),
        "corrupted, fitted (memorised)": (known & corrupted & fitted, Look(palette.CORRUPTED, "x")),
    }


def _routes(view: View, _name: str) -> Groups:
    assert view.gate is not None
    routed, known = view.at_cursor("routed", view.gate), view.known_at_cursor("routed", view.gate)
    return {
        "missing": (~known, Look(palette.MISSING, "x")),
        "skipped": (known & ~routed, Look(palette.SKIPPED, "diamond")),
        "routed": (known & routed, Look(palette.ROUTED)),
    }
