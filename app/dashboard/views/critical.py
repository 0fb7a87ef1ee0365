"""Critical samples: samples near a decision boundary, and what the gated block memorises, by skipping it."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.dashboard import group_curves, sentences
from app.dashboard.charts import critical as charts
from app.dashboard.charts.critical import Line
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.glossary import definitions
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
from probes.samples.notes import unbound
from probes.samples.probe_groups import of_gate


def not_probed(view: View, what: str, verb: str, more: str = "") -> None:
    """Say that a probe has not run, and show the command that runs it."""
    if view.run.recorded:
        st.info(f"{what} has no results: another program trained this run, so memgate has no checkpoint to probe. "
                "Probe the network in that program: probes.critical_samples(model, images).")  # fmt: skip
        return
    st.info(
        f"{what} has not run on the {sentences.escaped(view.split)} samples of this run yet. Run this "
        "command, then reload the page:"
    )
    st.code(f"{command(verb, view.run.path)} --splits {view.split}{more}", language="bash")
    st.caption("Add --every 10 for every tenth epoch of which a checkpoint is kept (memgate train --train."
               "checkpoint-every), to see how it grows.")  # fmt: skip


def chosen(results: Sequence[ProbeResult]) -> tuple[ProbeResult, list[ProbeResult], float]:
    """Chosen result, results of all checkpoints by the same method, and chosen radius in grey levels."""
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
                              help=definitions("grey level"),
                              format_func=lambda radius: f"{radius:g}")  # fmt: skip
    return one, same, radius


def parameters(result: ProbeResult) -> str:
    """Parameters of a probe as a sentence."""
    config = result.config
    how = {
        "first-order": f"first-order distance, {config['others']} other classes looked at",
        "lass": f"LASS search of {config['steps']} steps (Arpit et al. 2017)",
        "fgsm": "one signed-gradient step",
        "pgd": f"PGD search of {config['steps']} steps, {config['restarts']} start(s)",
    }.get(result.variant, result.variant)
    facts = (
        f"{how}; {len(result.sample_id):,} samples of {result.split}, checkpoint {result.checkpoint} of epoch "
        f"{result.epoch}, in {config['precision']}; {config['gradient_evaluations']:,} gradients. {UNITS}"
    )
    return " ".join([facts, *unbound(result)])


def lines_of(points_of: Sequence[tuple[float, CriticalGroup, int]], view: View) -> dict[str, Line]:
    """Line of each group, from (x, group, index of the ratio); routes are those of the sidebar's gate."""
    own = of_gate(view.log, view.gate) if view.gate else ""
    names = {"clean": "clean", "corrupted": "corrupted", f"routed{own}": "routed", f"skipped{own}": "skipped"}
    if not any(group.name in names for _, group, _ in points_of):
        names = {"all": "all"}
    lines: dict[str, Line] = {}
    for name, style in names.items():
        points = [(x, group.ratios[row]) for x, group, row in points_of if group.name == name]
        if points:
            lines[style] = Line(*zip(*points, strict=True))
    return lines


def critical(view: View) -> None:
    """The part on critical samples: ratios, the samples nearest to the boundary, radii."""
    results = probe_results.results(view, probe_results.CSR)
    if not results:
        not_probed(view, "The critical-sample probe", "probe csr")
        return
    result, same, radius = chosen(results)
    filtered = probe_results.filtered(view, result)
    if len(filtered.sample_id) == 0:
        st.info("No probed sample passes the filter.")
        return
    row = list(result.config["radii"]).index(radius)
    members = filtered.values["critical"][row]
    left, right = st.columns(2, gap="medium")
    with left:
        heading(f"CSR({radius:g}) over the checkpoints", "95 % bands", "CSR", "critical sample", "grey level")
        along = [(one.epoch, group, list(one.config["radii"]).index(radius))
                 for one in same if radius in one.config["radii"]
                 for group in probe_results.groups(view, one)]  # fmt: skip
        st.plotly_chart(charts.ratios(lines_of(along, view), "epoch", result.epoch), key="csr_epochs",
                        config=CONFIG, alt="Critical sample ratio by epoch and group")  # fmt: skip
    with right:
        heading(f"CSR(r) at epoch {result.epoch}", "95 % bands", "CSR")
        curve = [(r, group, place) for group in probe_results.groups(view, result)
                 for place, r in enumerate(result.config["radii"]) if r > 0]  # fmt: skip
        st.plotly_chart(charts.ratios(lines_of(curve, view), "radius", radius), key="csr_radii", config=CONFIG,
                        alt="Critical sample ratio over the radius by group")  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Select {int(members.sum()):,} critical samples", key="select_critical", disabled=not members.any(),
            on_click=state.select,
            args=(view, filtered.sample_id[members], f"critical at {radius:g} grey levels, epoch {result.epoch}"),
        )  # fmt: skip
        with st.popover("Method and parameters"):
            st.markdown(sentences.escaped(parameters(result)))
    nearest(view, filtered, members, len(result.sample_id))
    radii(view, filtered, radius)
    panel(view, "the button selects the critical samples.")


def radii(view: View, result: ProbeResult, radius: float) -> None:
    """Histogram of the critical radius, and scatter plot of it over g."""
    places = view.data.columns(result.sample_id)
    groups = group_curves.states(view.data.cause[places])
    values = result.values["critical_radius"]
    left, right = st.columns(2, gap="medium")
    with left:
        heading("Critical radius", "share of the group", "critical radius")
        figure = charts.radii({name: values[members] for name, members in groups.items()}, radius)
        st.plotly_chart(
            figure, key="radii", config=CONFIG, alt="Histogram of the critical radius, clean and corrupted"
        )
        never = int(np.isinf(values).sum())
        if never:
            st.caption(
                f"{never:,} samples have no critical radius: no direction was found that changes their prediction."
            )
    with right:
        gate = probe_results.gate_at_checkpoint(view, result)
        if np.isnan(gate).all():
            st.caption("The log has no gate values of this checkpoint.")
            return
        heading("Critical radius over g", "", "critical radius", "g")
        st.plotly_chart(charts.radius_and_gate(values, gate, groups, result.sample_id), key="radius_gate",
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
        panel(view, "the buttons select samples by what a cut changes.")
    elif reason := probe_results.unskippable(view):
        st.info(sentences.escaped(reason))
    else:
        not_probed(view, "The routing probe", "probe routing")


try:
    page()
except MemgateError as error:
    state.problem(error)
