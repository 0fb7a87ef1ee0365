"""The routing probe: what is fitted along each route, what a cut takes, and from whom."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.charts import critical as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.results import probe_results
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.runs.run import command
from probes.result import ProbeResult
from probes.routing.routes import OF_ALL, OF_FITTED, Contrast, cuts_of, row_of
from probes.routing.table import UNITS, contrast_row, fit_rows, rows_of
from probes.stats.estimate import Estimate, share


def routing(view: View, results: Sequence[ProbeResult]) -> None:
    """Fit along each route by group, and whether a cut takes more from corrupted samples.

    Args:
        view: what is shown.
        results: of ``routing``, at least one.
    """
    epoch = st.selectbox(
        "Checkpoint of epoch", [one.epoch for one in results][::-1], key="route_epoch", width=180
    )
    result = next(one for one in results if one.epoch == epoch)
    if "blocks" not in result.config:
        st.info("An older memgate stored this result: this command asks again.")
        st.code(
            f"{command('probe routing', view.run.path)} --splits {view.split} --checkpoints {epoch}",
            language="bash",
        )
        return
    here = probe_results.filtered(view, result)
    if len(here.sample_id) == 0:
        st.info("None of the probed samples passes the filter.")
        return
    inside = probe_results.routing_members(view, here)
    left, right = st.columns(2, gap="medium")
    with left:
        fit_chart(view, here, inside)
    with right:
        in_words(view, result)
        memorised(view, here)
    st.markdown("**Fit of the given label along each route, by group** · 95 % intervals in percent")
    st.dataframe(pd.DataFrame(fit_rows(here, rows_of(inside))), hide_index=True, key="route_fit")
    contrasts_table(view, result)
    with st.popover("What these words mean"):
        st.markdown(sentences.escaped(UNITS.replace("\\\n", "")))


def fit_chart(view: View, result: ProbeResult, inside: Mapping[str, NDArray[np.bool_]]) -> None:
    """Share that fits its given label along each route, clean and corrupted apart."""
    names = list(result.config["routes"])
    shown = [name for name in ("clean", "corrupted") if name in inside] or ["all"]
    found = {name: [share(row_of(result, route)[inside[name]]) for route in names] for name in shown}
    st.markdown(
        f"**Fit of the given label along each route** · epoch {result.epoch}, {len(result.sample_id):,} samples"
    )
    st.plotly_chart(charts.routes(found, names, "fits its given label"), key="routes", config=CONFIG,
                    alt="Share that fits its given label along each route, clean and corrupted")  # fmt: skip


def in_words(view: View, result: ProbeResult) -> None:
    """What each cut takes from corrupted and from clean samples, in sentences."""
    found = probe_results.route_contrasts(view, result)
    st.markdown("**Does a cut take more from corrupted samples than from clean ones?**")
    if not found:
        st.caption(
            "The probed samples shown are not both clean and corrupted, so there is nothing to contrast."
        )
    wanted = [one for one in found if one.group == "corrupted" and one.measure in (OF_ALL, OF_FITTED)]
    if wanted:
        st.markdown("\n".join(f"- {sentences.escaped(sentence(one))}" for one in wanted))


def sentence(one: Contrast) -> str:
    """A contrast as a sentence, with what its interval allows to say."""
    if one.measure == OF_ALL:
        told = f"{one.cut}, of all: it costs {loss(one.corrupted)} points of fit among the corrupted samples and "
        told += f"{loss(one.clean)} among the clean ones (below 0 is a gain)"
    else:
        told = f"{one.cut}, of the fitted: {points(one.corrupted)} of the corrupted samples and {points(one.clean)} "
        told += "of the clean ones lose it"
    apart = one.difference
    if apart.value is None or apart.low is None or apart.high is None:
        return f"{told}."
    sure = "more" if apart.low > 0 else "less" if apart.high < 0 else "not surely more or less"
    return (
        f"{told}: {sure} from the corrupted, {100 * apart.value:+.1f} points "
        f"[{100 * apart.low:.1f}, {100 * apart.high:.1f}]."
    )


def loss(found: Estimate) -> str:
    """A loss in percentage points as text; a dash where there is none."""
    return "–" if found.value is None else f"{100 * found.value:.1f}"


def points(found: Estimate) -> str:
    """A share as text; a dash where there is none."""
    return "–" if found.value is None else f"{found.value:.1%}"


def contrasts_table(view: View, result: ProbeResult) -> None:
    """All contrasts, beside the control's where the probe was given one."""
    beside = probe_results.control_rows(view, result)
    if isinstance(beside, str):
        if beside:
            st.caption(sentences.escaped(beside))
        rows = [contrast_row(one) for one in probe_results.route_contrasts(view, result)]
        title = "**What each cut takes, in points** · without a control"
    else:
        rows, title = (
            beside,
            "**What each cut takes, in points** · the run, its ungated control, and the difference",
        )
    if not rows:
        return
    st.markdown(title)
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="contrasts")
    if isinstance(beside, str):
        st.caption("Any head loses something when a network is cut: set it beside an ungated run's.")
        st.code(
            f"{command('probe routing', view.run.path)} --splits {view.split} --control RUN", language="bash"
        )


def memorised(view: View, result: ProbeResult) -> None:
    """Buttons that select who loses the fit by a cut, and who gets the clean label back."""
    corrupted = view.data.corrupted[view.data.columns(result.sample_id)]
    for cut in cuts_of(result.config["blocks"]):
        block = cut.memorised.rsplit("_", 1)[-1]
        skips = cut.memorised.startswith("memorised_by")
        held = f"memorised by {block.upper()}" if skips else "memorised beyond o1"
        back = f"recovered by {cut.part}" if skips else "recovered at o1"
        with st.container(horizontal=True):
            for name, words_of in ((cut.memorised, held), (cut.recovered, back)):
                who = result.values[name]
                clean = int((who & ~corrupted).sum())
                among = f" ({clean:,} of them clean)" if clean else ""
                st.button(
                    f"Select the {int(who.sum()):,} {words_of}{among}", key=f"select_{name}", disabled=not who.any(),
                    help=meaning(name, cut.whole, cut.part), on_click=state.select,
                    args=(view, result.sample_id[who], f"{words_of}, epoch {result.epoch}"),
                )  # fmt: skip


def meaning(name: str, whole: str, part: str) -> str:
    """What is selected, in a sentence."""
    if name.startswith("memorised"):
        return f"They fit their given label along the route {whole} and not along {part}."
    return f"Their wrong given label is fitted along the route {whole}, and their clean one along {part}."
