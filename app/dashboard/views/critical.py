"""Critical samples: who lies near a decision boundary, and what the gated block holds, by intervention."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.dashboard import sentences
from app.dashboard.charts import critical as charts
from app.dashboard.charts.critical import Line
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.parts.critical.nearest import nearest
from app.dashboard.parts.critical.routes import routing
from app.dashboard.results import probe_results
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from memgate.runs.run import command
from probes.csr.config import PAPER_RADIUS
from probes.csr.table import UNITS, CriticalGroup
from probes.result import ProbeResult
from probes.samples.probe_groups import of_gate


def not_probed(view: View, what: str, verb: str, more: str = "") -> None:
    """Say that a probe has not run, and how it is run."""
    if view.run.recorded:
        st.info(f"{what} has no results: another program trained this run, so memgate has no network of it to ask. "
                "Probe the network there: probes.csr.critical.critical_samples(model, images).")  # fmt: skip
        return
    st.info(
        f"{what} has not run on the {sentences.plain(view.split)} samples of this run yet. This command does it; "
        "reload the page after it:"
    )
    st.code(f"{command(verb, view.run.path)} --splits {view.split}{more}", language="bash")
    st.caption("Add --every 10 for every tenth epoch of which a checkpoint is kept (memgate train --train."
               "checkpoint-every), to see how it grows.")  # fmt: skip


def chosen(results: Sequence[ProbeResult]) -> tuple[ProbeResult, list[ProbeResult], float]:
    """The result and the radius that the widgets say, and the results of all checkpoints by the same method."""
    variants = list(dict.fromkeys(result.variant for result in results))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        variant = (
            st.selectbox("Method", variants, key="csr_method", width=180)
            if len(variants) > 1
            else variants[0]
        )
        same = [result for result in results if result.variant == variant]
        epochs = [result.epoch for result in same][::-1]
        epoch = st.selectbox("Checkpoint of epoch", epochs, key="csr_epoch", width=180)
        one = next(result for result in same if result.epoch == epoch)
        radii = [float(radius) for radius in one.config["radii"]]
        usual = radii.index(PAPER_RADIUS) if PAPER_RADIUS in radii else len(radii) - 1
        radius = st.selectbox("Radius in grey levels", radii, usual, key="csr_radius", width=180,
                              format_func=lambda radius: f"{radius:g}")  # fmt: skip
    return one, same, radius


def told(result: ProbeResult) -> str:
    """The parameters of a probe, in words."""
    config = result.config
    how = {
        "first-order": f"first-order distance, {config['others']} other classes looked at",
        "lass": f"LASS search of {config['steps']} steps (Arpit et al. 2017)",
        "fgsm": "one signed-gradient step",
        "pgd": f"PGD search of {config['steps']} steps, {config['restarts']} start(s)",
    }.get(result.variant, result.variant)
    return (
        f"{how}; {len(result.sample_id):,} samples of {result.split}, checkpoint {result.checkpoint} of epoch "
        f"{result.epoch}, in {config['precision']}; {config['gradient_evaluations']:,} gradients. {UNITS}"
    )


def lines_of(found: Sequence[tuple[float, CriticalGroup, int]], view: View) -> dict[str, Line]:
    """Group to its line, from (x, group, which of its ratios); routes are those of the sidebar's gate."""
    own = of_gate(view.log, view.gate) if view.gate else ""
    names = {"clean": "clean", "corrupted": "corrupted", f"routed{own}": "routed", f"skipped{own}": "skipped"}
    if not any(group.name in names for _, group, _ in found):
        names = {"all": "all"}
    lines: dict[str, Line] = {}
    for name, style in names.items():
        points = [(x, group.ratios[row]) for x, group, row in found if group.name == name]
        if points:
            lines[style] = Line(*zip(*points, strict=True))
    return lines


def critical(view: View) -> None:
    """Critical sample ratios, radii, and the samples nearest to the boundary."""
    results = probe_results.results(view, probe_results.CSR)
    if not results:
        not_probed(view, "The critical-sample probe", "probe csr")
        return
    result, same, radius = chosen(results)
    here = probe_results.shown(view, result)
    if len(here.sample_id) == 0:
        st.info("None of the probed samples passes the filter.")
        return
    row = list(result.config["radii"]).index(radius)
    who = here.values["critical"][row]
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**CSR({radius:g}) over the checkpoints** · 95 % bands")
        along = [(one.epoch, group, list(one.config["radii"]).index(radius))
                 for one in same if radius in one.config["radii"]
                 for group in probe_results.groups(view, one)]  # fmt: skip
        st.plotly_chart(charts.ratios(lines_of(along, view), "epoch", result.epoch), key="csr_epochs",
                        config=CONFIG, alt="Critical sample ratio by epoch and group")  # fmt: skip
    with right:
        st.markdown(f"**CSR(r) at epoch {result.epoch}** · 95 % bands")
        curve = [(r, group, place) for group in probe_results.groups(view, result)
                 for place, r in enumerate(result.config["radii"]) if r > 0]  # fmt: skip
        st.plotly_chart(charts.ratios(lines_of(curve, view), "radius", radius), key="csr_radii", config=CONFIG,
                        alt="Critical sample ratio over the radius by group")  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Select the {int(who.sum()):,} critical samples", key="select_critical", disabled=not who.any(),
            on_click=state.select,
            args=(view, here.sample_id[who], f"critical at {radius:g} grey levels, epoch {result.epoch}"),
        )  # fmt: skip
        with st.popover("How it was computed"):
            st.markdown(sentences.plain(told(result)))
    nearest(view, here, who, len(result.sample_id))
    radii(view, here, radius)
    panel(view, "the button selects the critical samples.")


def radii(view: View, result: ProbeResult, radius: float) -> None:
    """The radius by itself, and beside g."""
    places = view.data.columns(result.sample_id)
    corrupted = view.data.cause[places] != "clean"
    values = result.values["critical_radius"]
    split = {"clean": values[~corrupted], "corrupted": values[corrupted]}
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Critical radius** · share of the group")
        figure = charts.radii({name: part for name, part in split.items() if len(part)}, radius)
        st.plotly_chart(
            figure, key="radii", config=CONFIG, alt="Histogram of the critical radius, clean and corrupted"
        )
        never = int(np.isinf(values).sum())
        if never:
            st.caption(f"{never:,} samples have none: no direction was found that changes their prediction.")
    with right:
        gate = probe_results.gate_then(view, result)
        if np.isnan(gate).all():
            st.caption("The log has no gate value at this checkpoint to set beside the radius.")
            return
        st.markdown("**Critical radius beside g**")
        st.plotly_chart(charts.radius_and_gate(values, gate, corrupted, result.sample_id), key="radius_gate",
                        config=CONFIG, alt="Critical radius and gate value of each probed sample")  # fmt: skip


def page() -> None:
    """The whole page."""
    view = state.view()
    part = section({"critical": "Critical samples", "routing": "Routing probe"})
    if part == "critical":
        critical(view)
        return
    results = probe_results.results(view, probe_results.ROUTING)
    if results:
        routing(view, results)
        panel(view, "the buttons select what a cut shows to be memorised.")
    elif reason := probe_results.unskippable(view):
        st.info(sentences.plain(reason))
    else:
        not_probed(view, "The routing probe", "probe routing")


try:
    page()
except MemgateError as error:
    state.problem(error)
