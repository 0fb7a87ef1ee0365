"""Results of the routing probe: the fit along each route, and how much of it each cut loses, by group."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.charts import critical as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.glossary import definitions
from app.dashboard.results import probe_results
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.runs.run import command
from probes.result import ProbeResult
from probes.routing.routes import OF_ALL, OF_FITTED, Contrast, Cut, cuts_of, row_of
from probes.routing.table import contrast_row, fit_rows, rows_of
from probes.stats.estimate import points, share, value_text

TERMS = (
    "learned", "skip", "through", "hard", "read-out", "read-out o1", "read-out end", "o1", "o2", "routed", "skipped",
    "fitted", "memorised", "recovered", "p(given)", "cut", "fit of all", "of the fitted", "control", "interval",
)  # fmt: skip
"""Terms of the page, in the order in which they are defined."""

Groups = Mapping[str, NDArray[np.bool_]]
"""Name of a group to its members among the probed samples, bool [n]."""


def routing(view: View, results: Sequence[ProbeResult]) -> None:
    """Show the fit along each route by group, and whether a cut hurts corrupted more than clean samples.

    Args:
        view: what is shown.
        results: of ``routing``, at least one.
    """
    epoch = st.selectbox(
        "Checkpoint of epoch", [one.epoch for one in results][::-1], key="route_epoch", width=180
    )
    result = next(one for one in results if one.epoch == epoch)
    filtered = probe_results.filtered(view, result)
    if len(filtered.sample_id) == 0:
        st.info("No probed sample passes the filter.")
        return
    groups = probe_results.routing_members(view, filtered)
    left, right = st.columns(2, gap="medium")
    with left:
        fit_chart(filtered, groups)
    with right:
        contrast_sentences(view, result)
        select_buttons(view, filtered)
    heading(
        "Fit of the given label along each route, by group", "brackets: 95 % intervals in percent", "fitted"
    )
    st.dataframe(pd.DataFrame(fit_rows(filtered, rows_of(groups))), hide_index=True, key="route_fit")
    contrasts_table(view, result)
    with st.popover("What these words mean"):
        st.markdown(definitions(*TERMS))


def fit_chart(result: ProbeResult, groups: Groups) -> None:
    """Chart of the share that fits its given label along each route, for clean and for corrupted samples."""
    names = list(result.config["routes"])
    shown = [name for name in ("clean", "corrupted") if name in groups] or ["all"]
    shares = {name: [share(row_of(result, route)[groups[name]]) for route in names] for name in shown}
    heading(
        "Fit of the given label along each route",
        f"epoch {result.epoch}, {len(result.sample_id):,} samples",
        "fitted", "learned", "skip", "through", "hard", "read-out", "o1",
    )  # fmt: skip
    st.plotly_chart(charts.routes(shares, names, "fits its given label"), key="routes", config=CONFIG,
                    alt="Share that fits its given label along each route, clean and corrupted")  # fmt: skip


def contrast_sentences(view: View, result: ProbeResult) -> None:
    """Show in sentences how much fit each cut loses, of corrupted and of clean samples."""
    contrasts = probe_results.route_contrasts(view, result)
    cuts = {cut.name: cut for cut in cuts_of(result.config["blocks"])}
    blocks = [block_of(cut) for cut in cuts.values() if skips(cut)]
    heading(
        f"Does removing {blocks[0] if len(blocks) == 1 else 'a block'} hurt corrupted samples more?",
        "", "cut", "fit of all", "of the fitted", "o1", "B3",
    )  # fmt: skip
    if not contrasts:
        st.caption("The probed samples shown are not both clean and corrupted: there is nothing to compare.")
    shown = [one for one in contrasts if one.group == "corrupted" and one.measure in (OF_ALL, OF_FITTED)]
    if shown:
        st.markdown("\n".join(f"- {sentences.escaped(sentence(one, cuts[one.cut]))}" for one in shown))


def skips(cut: Cut) -> bool:
    """Whether a cut skips a block; the other one compares the two read-outs."""
    return cut.memorised.startswith("memorised_by")


def block_of(cut: Cut) -> str:
    """Name of the block that a cut skips, such as ``B3``; ``O1`` for the read-outs."""
    return cut.memorised.rsplit("_", 1)[-1].upper()


def sentence(one: Contrast, cut: Cut) -> str:
    """A contrast as a sentence; it names a difference only where the 95 % interval excludes 0."""
    subject = f"Skipping {block_of(cut)}" if skips(cut) else "Reading at o1 instead of the end of the network"
    values = one.corrupted.value, one.clean.value
    if one.measure == OF_ALL:
        corrupted, clean = ("–" if value is None else f"{100 * value:.1f}" for value in values)
        text = f"{subject} lowers the fit of all corrupted samples by {corrupted} points, of all clean ones by {clean}"
        text += " (below 0: it rises)" if any(value is not None and value < 0 for value in values) else ""
    else:
        corrupted, clean = (value_text(share, "{:.1%}") for share in (one.corrupted, one.clean))
        text = f"{subject} loses the fit of {corrupted} of the fitted corrupted samples, of {clean} of the clean ones"
    apart = one.difference
    if apart.low is None or apart.high is None:
        return f"{text}."
    verdict = "no clear difference"
    if apart.low > 0 or apart.high < 0:
        verdict = f"corrupted samples lose {'more' if apart.low > 0 else 'less'}"
    return f"{text}: {verdict}, {points(apart)} points."


def contrasts_table(view: View, result: ProbeResult) -> None:
    """Table of all contrasts, with those of the control if the probe was given one."""
    control = probe_results.control_rows(view, result)
    if isinstance(control, str):
        if control:
            st.caption(sentences.escaped(control))
        rows = [contrast_row(one) for one in probe_results.route_contrasts(view, result)]
        note = "without a control"
    else:
        rows, note = control, "the run, its ungated control, and the difference"
    if not rows:
        return
    heading(
        "Fit lost by each cut, in points", note, "cut", "fit of all", "of the fitted", "p(given)", "control"
    )
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="contrasts")
    if isinstance(control, str):
        st.caption("Any network loses some fit when it is cut. This command compares with an ungated run:")
        st.code(
            f"{command('probe routing', view.run.path)} --splits {view.split} --control RUN", language="bash"
        )


def select_buttons(view: View, result: ProbeResult) -> None:
    """Buttons that select the samples whose fit a cut loses, and those that it turns back into their clean label."""
    corrupted = view.data.corrupted[view.data.columns(result.sample_id)]
    for cut in cuts_of(result.config["blocks"]):
        needs = f"whose fit needs {block_of(cut)}" if skips(cut) else "whose fit is lost at o1"
        recovered = f"recovered by skipping {block_of(cut)}" if skips(cut) else "recovered at o1"
        with st.container(horizontal=True):
            for name, description in ((cut.memorised, needs), (cut.recovered, recovered)):
                members = result.values[name]
                count = int((members & corrupted).sum())
                memorised = f" ({count:,} corrupted = memorised)" if name == cut.memorised else ""
                st.button(
                    f"Select {int(members.sum()):,} samples {description}{memorised}", key=f"select_{name}",
                    disabled=not members.any(), help=meaning(name, cut.whole, cut.part), on_click=state.select,
                    args=(view, result.sample_id[members], f"{description}, epoch {result.epoch}"),
                )  # fmt: skip


def meaning(name: str, whole: str, part: str) -> str:
    """Definition of the samples that a button selects, in a sentence."""
    if name.startswith("memorised"):
        return f"Their given label is fitted along the route {whole} and not along {part}."
    return (
        f"Their given label is wrong and fitted along the route {whole}; {part} predicts their clean label."
    )
