"""How much is memorised: the distribution by cause, the means over the epochs, and the most memorised pictures."""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts import explorer
from app.dashboard.charts import memorisation as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, tiles
from app.dashboard.results.memorisation import Measured
from app.dashboard.sentences import escaped
from app.dashboard.view import selection, state
from probes.memorisation.config import MEMORISED
from probes.memorisation.table import group_row, reliability_of
from probes.stats.estimate import decimal

TILES, SIZE = 40, 92
"""Pictures, and the longer side of one in pixels of the screen: an interval fits below it."""

LEAST = 10
"""Samples of a cause whose mean is drawn over the epochs."""

TERM = "memorisation score (mem)"
"""Term of the glossary, and title of the axis."""


def memorised(measured: Measured) -> None:
    """Everything about the memorisation scores themselves."""
    mem = measured.values("mem")
    left, right = st.columns(2, gap="medium")
    with left:
        heading(
            f"mem at epoch {measured.epoch}",
            "samples that pass the filter; drag to select",
            TERM,
            "cause",
        )
        distribution(measured, mem, TERM, "mem")
    with right:
        heading(
            "Mean mem over the epochs",
            "all samples; 95 % bands over models",
            TERM,
            "cause",
        )
        over_epochs(measured)
    table(measured)
    most(measured, mem)


def distribution(measured: Measured, values: NDArray[np.float64], title: str, name: str) -> None:
    """Histogram of values [N] by cause among the samples that pass the filter, in which a span can be selected.

    Args:
        measured: what is shown.
        values: of each training sample; NaN is left out.
        title: of the axis.
        name: short name, for keys and for how samples were selected.
    """
    view = measured.view
    shown = view.members & np.isfinite(values)
    if not shown.any():
        st.caption("No sample that passes the filter has a value.")
        return
    edges = bins(values[shown], measured.blocks)
    counts = {
        cause: (
            palette.CAUSE_COLOURS[cause],
            palette.CAUSE_DASHES[cause],
            np.histogram(values[group], edges)[0],
        )
        for cause in palette.CAUSE_COLOURS
        if (group := shown & (view.data.cause == cause)).any()
    }
    key = f"{name}_histogram_{st.session_state.get('brush', 0)}"

    def chosen() -> None:
        spans = [(box.left, box.right) for box in selection.boxes_of(st.session_state[key])]
        if spans:
            members = np.any([(values >= low) & (values <= high) for low, high in spans], axis=0)
            how = " or ".join(f"{name} in [{low:.3g}, {high:.3g}]" for low, high in spans)
            state.select_places(view, members & view.members, how)

    st.plotly_chart(
        explorer.histogram(edges, counts, title, height=300), key=key, on_select=chosen, selection_mode="box",
        config={**CONFIG, "displayModeBar": False}, alt=f"Histogram of {title} by cause",
    )  # fmt: skip


def bins(values: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    """Edges of bins over values [n] that are means over some blocks: a bin for each possible one, if these are few."""
    low, high = float(values.min()), float(values.max())
    if (high - low) * blocks >= explorer.BINS:
        return explorer.bins(values)
    return np.arange(low - 0.5 / blocks, high + 1 / blocks, 1 / blocks)


def over_epochs(measured: Measured) -> None:
    """Curves of the mean by cause."""
    curves = measured.curves()
    few = [f"{group} ({band.n})" for group, band in curves.items() if band.n < LEAST]
    bands = {f"{group} ({band.n:,})": (group, band) for group, band in curves.items() if band.n >= LEAST}
    figure = charts.over_epochs(measured.result.epochs, bands, "mean mem", measured.epoch)
    st.plotly_chart(
        figure, key="mem_curves", config=CONFIG, alt="Mean memorisation score over the epochs, by cause"
    )
    if few:
        st.caption(escaped(f"Not drawn, with fewer than {LEAST} samples: {', '.join(few)}."))


def table(measured: Measured) -> None:
    """Means by group of samples, and the number of samples above the usual level."""
    result, row = measured.result, measured.row
    rows = [group_row(result, group, mask, row) for group, mask in result.members.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="mem_groups")
    view, level = measured.view, f"{MEMORISED:g}"
    surely = view.members & (measured.values("mem_low") > MEMORISED)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Select the {int(surely.sum()):,} samples whose whole interval is above {level}", key="select_memorised",
            disabled=not surely.any(), on_click=state.select_places,
            args=(view, surely, f"mem above {level} with the whole 95 % interval"),
        )  # fmt: skip
        st.caption(
            escaped(
                f"All samples. Brackets: 95 % intervals over blocks of models. Reliability of mem "
                f"{decimal(reliability_of(result, row=row))}: no score correlates with mem by more than its root."
            ),
            width="stretch",
        )


def most(measured: Measured, mem: NDArray[np.float64]) -> None:
    """Tiles of the samples with the largest mem among those that pass the filter."""
    view = measured.view
    heading(
        "Most memorised pictures",
        "with 95 % intervals; click a picture to open the sample",
        TERM,
    )
    places = np.flatnonzero(view.members & ~np.isnan(mem))
    p = measured.values("mem_p")
    # Many samples have the same mem, since models are few; mem by p tells these apart.
    places = places[np.lexsort((view.data.sample_id[places], -p[places], -mem[places]))][:TILES]
    low, high = measured.values("mem_low"), measured.values("mem_high")
    numbers = [f"{mem[at]:.2f} [{low[at]:.2f}, {high[at]:.2f}]" for at in places.tolist()]
    tiles(view, view.data.sample_id[places], "most_memorised", size=SIZE, numbers=numbers)
    st.caption(LEGEND)
