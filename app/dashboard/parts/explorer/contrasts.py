"""How the selection differs from the other samples that pass the filter: the columns that differ most."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import palette, run_data, sentences
from app.dashboard.logs import Stamp
from app.dashboard.results import external, scores
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.stats.contrasts import ColumnContrast, contrast_categories, contrast_numbers, most_different
from probes.stats.estimate import Estimate, decimal, percent, significant

FIRST = ("loss_mean", "loss_last", "aum", "confidence", "variability", "correctness", "forgetfulness",
         "first_learned_epoch", "gate_mean", "gate_last", "entropy_mean", "routed_epochs", "route_flips")  # fmt: skip
"""The scores that are compared at first, beside those that probes have stored; the others take as long again."""

TOP = 8

QUICK = 3_000_000
"""Most samples times epochs for which the comparison is shown at once: it takes less than half a second."""


@st.fragment
def selection_contrasts(view: View) -> None:
    """Table of the columns that differ most; on request where that takes longer."""
    if view.selected is None or len(view.places) == 0:
        return
    quick = len(view.data.sample_id) * len(view.data.epochs) <= QUICK
    if not st.toggle(
        "**How the selection differs from the other samples**", value=quick, key=f"special_{quick}"
    ):
        return
    others = _others(view)
    if not others.any():
        st.caption(
            "Every sample that passes the filter is selected: there are no other samples to compare with."
        )
        return
    known = scores.available(view)
    stored = [one.score.column for one in scores.stored_of(view)]
    wanted = st.checkbox(f"Compare all {len(known)} scores", key="special_all", help="May take seconds.")
    columns = tuple(name for name in known if wanted or name in FIRST or name in stored)
    with st.spinner("Comparing …"):
        differences = contrasts(view, columns)
    compared = f"{len(view.places):,} selected against the other {int(others.sum()):,} samples that pass the filter. "
    top = most_different(differences, TOP)
    if not top:
        st.caption(f"{compared}No column differs significantly.")
        return
    st.caption(
        f"{compared}Distance: Kolmogorov-Smirnov for numbers, total variation for categories; 0 for equal "
        "distributions, 1 for separate ones. Ranked by the lower end of the 95 % interval."
    )
    st.dataframe(_table(view, top), hide_index=True, key="special", placeholder="–")


def contrasts(view: View, columns: tuple[str, ...]) -> tuple[ColumnContrast, ...]:
    """Differences in every column that both groups have, categories last."""
    assert view.selected is not None
    # Another selection may be saved under a cohort's name: the key of the cache is the digest of the ids.
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
    differences = []
    for name in columns:
        hardness = scores.hardness(_view, name)
        # In its own unit; an event that never happened stays infinite.
        value = np.where(np.isinf(hardness), np.inf, scores.values(_view, name))
        differences.append(contrast_numbers(name, value[here], value[others]))
    for name, values in _categories(_view).items():
        differences.append(contrast_categories(name, values[here], values[others]))
    return tuple(one for one in differences if one is not None)


def _others(view: View) -> NDArray[np.bool_]:
    """Samples that pass the filter and are not selected, bool [N]."""
    others = view.members.copy()
    others[view.places] = False
    return others


def _categories(view: View) -> dict[str, NDArray[np.str_]]:
    """Columns of categories, each [N]."""
    data, names = view.data, view.log.class_names
    columns = {"cause": np.array([palette.CAUSE_WORDS.get(one, one) for one in data.cause], str)}
    labelled = {"given label": data.given_label}
    if data.samples.truth_known:
        labelled["clean label"] = data.clean_label
    for title, labels in labelled.items():
        known, codes = np.unique(labels, return_inverse=True)
        columns[title] = np.array([sentences.class_name(int(one), names) for one in known], str)[codes]
    if view.gate:
        routed, known = view.at_cursor("routed", view.gate), view.known_at_cursor("routed", view.gate)
        columns["route"] = np.where(known, np.where(routed, "routed", "skipped"), "missing")
    try:
        kinds = np.array(run_data.operation_kinds(view.run), str)
        for title, operations in (
            ("kind of label noise", data.samples.label_op),
            ("kind of image noise", data.samples.image_op),
        ):
            columns[title] = kinds[np.minimum(operations, len(kinds) - 1)]
    except MemgateError:
        pass  # the sidebar has said that the manifest is damaged
    return columns


def _table(view: View, top: tuple[ColumnContrast, ...]) -> pd.DataFrame:
    known = scores.available(view)
    rows = []
    for one in top:
        measure = known.get(one.column)
        never = f"never {measure.score.never}" if measure and measure.score.never else "∞"
        what = measure.axis if measure else one.column
        rows.append(
            {
                "what": what if one.category is None else f"{what}: {one.category}",
                "the selected": _text(one.selected, one.category is None, never),
                "the others": _text(one.others, one.category is None, never),
                "distance [95 %]": decimal(one.distance),
                "samples with a value": one.distance.n,
            }
        )
    return pd.DataFrame(rows)


def _text(number: Estimate, median: bool, never: str) -> str:
    """A share, or a median, with its interval; a median of samples that never had the event is ``never``."""
    if not median:
        return percent(number)
    if number.value == number.low == number.high == np.inf:
        return f"median: {never}"
    return "median " + significant(number).replace("inf", never)
