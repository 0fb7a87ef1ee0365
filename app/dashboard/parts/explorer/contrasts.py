"""What is special about the selection: which columns tell it from the other samples that pass the filter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs, palette, sentences
from app.dashboard.logs import Stamp
from app.dashboard.results import external, scores
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.stats.contrasts import ColumnContrast, contrast_categories, contrast_numbers, most_different
from probes.stats.estimate import Estimate

FIRST = ("loss_mean", "loss_last", "aum", "confidence", "variability", "correctness", "forgetfulness",
         "first_learned_epoch", "gate_mean", "gate_last", "entropy_mean", "routed_epochs", "route_flips")  # fmt: skip
"""The scores that are compared at first, beside those that probes have stored; the others take as long again."""

TOP = 8

QUICK = 3_000_000
"""Samples times epochs up to which the comparison takes no half second, and needs no asking."""


@st.fragment
def special(view: View) -> None:
    """The columns that differ most, in words: on request where that takes a while."""
    if view.selected is None or len(view.places) == 0:
        return
    quick = len(view.data.sample_id) * len(view.data.epochs) <= QUICK
    if not st.toggle("**What is special about the selection**", value=quick, key=f"special_{quick}"):
        return
    others = _others(view)
    if not others.any():
        st.caption("Every sample that passes the filter is selected: there is nothing to compare it with.")
        return
    known = scores.measures(view)
    stored = [one.score.column for one in scores.stored_of(view)]
    wanted = st.checkbox(f"Compare all {len(known)} scores", key="special_all", help="May take seconds.")
    columns = tuple(name for name in known if wanted or name in FIRST or name in stored)
    with st.spinner("Comparing …"):
        found = contrasts(view, columns)
    told = f"{len(view.places):,} selected against the other {int(others.sum()):,} samples that pass the filter. "
    top = most_different(found, TOP)
    if not top:
        st.caption(f"{told}No column differs by more than chance could make it.")
        return
    st.caption(
        f"{told}The distance is that of Kolmogorov and Smirnov for numbers and the total variation for "
        "categories: 0 for equal distributions, 1 for separate ones. Ranked by the lower end of the 95 % interval."
    )
    st.dataframe(_table(view, top), hide_index=True, key="special", placeholder="–")


def contrasts(view: View, columns: tuple[str, ...]) -> tuple[ColumnContrast, ...]:
    """Every column that the selection and the others have, the categories last."""
    assert view.selected is not None
    # A cohort's name may come to mean others.
    chosen = replace(view.selected, cohort=None).key
    files = scores.stored_state(view), external.file_state()
    return _contrasts(
        view, view.at, view.split, view.gate, view.epoch, str(view.only), chosen, columns, files
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _contrasts(
    _view: View,
    at: Stamp,
    split: str,
    gate: str | None,
    epoch: int | None,
    only: str,
    chosen: str,
    columns: tuple[str, ...],
    files: tuple[tuple[tuple[str, int], ...], tuple[int, ...]],
) -> tuple[ColumnContrast, ...]:
    here, others = _view.places, _others(_view)
    scores.fetch(_view, ("epochs_logged", *columns))
    found = []
    for name in columns:
        hardness = scores.hardness(_view, name)
        # Back in its own unit; what never happened stays infinite.
        value = np.where(np.isinf(hardness), np.inf, scores.values(_view, name))
        found.append(contrast_numbers(name, value[here], value[others]))
    for name, values in _categories(_view).items():
        found.append(contrast_categories(name, values[here], values[others]))
    return tuple(one for one in found if one is not None)


def _others(view: View) -> NDArray[np.bool_]:
    """Who passes the filter and is not selected, [N]."""
    others = view.members.copy()
    others[view.places] = False
    return others


def _categories(view: View) -> dict[str, NDArray[np.str_]]:
    """Columns of categories, each [N]."""
    data, names = view.data, view.log.class_names
    found = {"cause": np.array([palette.CAUSE_WORDS.get(one, one) for one in data.cause], str)}
    for title, labels in (("given label", data.given_label), ("clean label", data.clean_label)):
        known, codes = np.unique(labels, return_inverse=True)
        found[title] = np.array([sentences.class_name(int(one), names) for one in known], str)[codes]
    if view.gate:
        routed, seen = view.at_cursor("routed", view.gate), view.at_cursor("seen")
        found["route"] = np.where(seen, np.where(routed, "routed", "skipped"), "not seen")
    try:
        kinds = np.array(logs.operation_kinds(view.run), str)
        for title, operations in (
            ("kind of label noise", data.label_op),
            ("kind of image noise", data.image_op),
        ):
            found[title] = kinds[np.minimum(operations, len(kinds) - 1)]
    except MemgateError:
        pass  # the sidebar has said that the manifest is damaged
    return found


def _table(view: View, top: tuple[ColumnContrast, ...]) -> pd.DataFrame:
    known = scores.measures(view)
    rows = []
    for one in top:
        measure = known.get(one.column)
        never = f"never {measure.score.never}" if measure and measure.score.never else "∞"
        what = measure.axis if measure else one.column
        rows.append(
            {
                "what": what if one.category is None else f"{what}: {one.category}",
                "the selected": _told(one.selected, one.category is None, never),
                "the others": _told(one.others, one.category is None, never),
                "distance [95 %]": _interval(one.distance, "{:.2f}"),
                "samples with a value": one.distance.n,
            }
        )
    return pd.DataFrame(rows)


def _told(found: Estimate, median: bool, never: str) -> str:
    if not median:
        return _interval(found, "{:.1%}")
    return "median " + _interval(found, "{:.3g}").replace("inf", never)


def _interval(found: Estimate, form: str) -> str:
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return form.format(found.value)
    return f"{form.format(found.value)} [{form.format(found.low)}, {form.format(found.high)}]"
