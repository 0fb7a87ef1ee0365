"""One filter: how often it is open by class and by corruption, what it says about the class, and who opens it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.charts import filters as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, tiles
from app.dashboard.parts.filters.choice import LABELS, name_of, option
from app.dashboard.results import filters as results
from app.dashboard.results import scores
from app.dashboard.results.filters import Label
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from app.dashboard.view.state import View
from probes.gates.cost import GroupCost, cost_of, unit_of
from probes.gates.filters import CATEGORIES, FilterStatistics
from probes.gates.stored import GatesResult
from probes.gates.table import cost_form
from probes.result import ProbeResult
from probes.stats.estimate import Estimate, percent, points, ratio

ORDER = "order"
TILES = 24


def one_filter(view: View, result: ProbeResult, one: GatesResult, chosen: int, label: Label) -> None:
    """Everything about one filter.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
        chosen: place of the filter.
        label: whose class.
    """
    name, use = name_of(one, chosen), results.use(view, result, label)
    heading(
        f"{name}: the classes that open it",
        f"95 % intervals; classes by {LABELS[label]}",
        "filter",
        "interval",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(
            charts.by_class(use.opened[chosen], use.samples, one.class_names), key="by_class", config=CONFIG,
            alt=f"Share of the samples of each class for which {name} is open",
        )  # fmt: skip
    with right:
        st.markdown(escaped(facts(result, one, chosen, name, use, label)))
        rows = [group_row(group) for group in results.shares_open(view, result, chosen)]
        table = pd.DataFrame(rows)
        heading(
            "By corruption", "differences in percentage points", "corrupted", "within classes", "interval"
        )
        st.dataframe(table, hide_index=True, key="filter_groups")
    opens(view, result, one, chosen, name)


def facts(
    result: ProbeResult, one: GatesResult, chosen: int, name: str, use: FilterStatistics, label: Label
) -> str:
    """Frequency, category and information of a filter in sentences."""
    single = FilterStatistics(use.opened[[chosen]], use.samples)
    category = CATEGORIES[int(single.category(result.config["always"])[0])]
    rare = ", and rare" if single.rare(result.config["rare"])[0] else ""
    text = (
        f"{name} is open for {percent(ratio(int(single.opened.sum()), single.n))} of {single.n:,} samples: "
        f"{category}{rare}. "
    )
    if category != "conditional":
        return text
    return text + (
        f"Mutual information with the {LABELS[label]}: {single.information[0]:.4f} nats, of which "
        f"{single.chance[0]:.4f} would be there with shuffled labels (mean)."
    )


def group_row(group: GroupCost) -> dict[str, str]:
    """Share open of a group as a row."""
    return {
        "samples": group.name,
        "n": f"{group.n:,}",
        "share open": percent(group.mean),
        "minus clean": change(group.over_clean),
        "within classes": change(group.within_class),
    }


def change(number: Estimate | None) -> str:
    """A difference of shares in percentage points, without its interval where it has none; empty for None."""
    if number is None:
        return ""
    return points(number, "–" if number.value is None else f"{100 * number.value:+.1f}")


def opens(view: View, result: ProbeResult, one: GatesResult, chosen: int, name: str) -> None:
    """Pictures of samples that open the filter beside those of samples that do not."""
    opened = one.filter(str(one.gate_of[chosen]), int(one.number[chosen]))
    heading(
        f"Pictures that open {name}, and some that do not",
        "click a picture to open the sample",
        "MACs",
        "CSL",
    )
    unit = unit_of(one)
    first = f"most {unit if one.has_macs else unit.lower()} first"
    rank = option(ORDER, "Order", ["cost", "hardness"], [first, "hardest first (CSL)"])
    values, numbers = ordering(view, result, one, rank)
    for column, members, verb in zip(
        st.columns(2, gap="medium"), (opened, ~opened), ("open", "do not open"), strict=True
    ):
        with column:
            ids = one.result.sample_id[members]
            st.button(
                f"Select {len(ids):,} samples that {verb} it", key=f"select_{verb.replace(' ', '_')}",
                disabled=len(ids) == 0, on_click=state.select,
                args=(view, ids, f"{verb} {one.part} {name} at epoch {result.epoch}"),
            )  # fmt: skip
            order = np.flatnonzero(members)
            order = order[np.lexsort((one.result.sample_id[order], -values[order]))][:TILES]
            if len(order):
                key = f"{verb}_{one.gate_of[chosen]}_{one.number[chosen]}_{rank}"
                texts = [numbers(place) for place in order.tolist()]
                tiles(view, one.result.sample_id[order], key, size=48, numbers=texts)
    st.caption(f"Up to {TILES} each. {LEGEND}")


def ordering(
    view: View, result: ProbeResult, one: GatesResult, rank: str
) -> tuple[NDArray[np.float64], Callable[[int], str]]:
    """Values [n] by which pictures are ordered, high first, and a function from a place to its text."""
    if rank == "hardness" and (then := results.scored(view, result)) is not None:
        places = view.data.columns(one.result.sample_id)
        loss = scores.values(then, scores.HARDNESS)[places]
        hard: NDArray[np.float64] = np.where(np.isnan(loss), -np.inf, loss)
        return hard, lambda place: "–" if np.isnan(loss[place]) else f"{loss[place]:.3g}"
    cost, within = cost_of(one)
    divisor, letter = cost_form(unit_of(one), within[1])
    return cost, lambda place: f"{cost[place] / divisor:.4g}{' ' + letter if letter else ''}"
