"""Results of probes for one sample: the newest stored result up to the epoch shown, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.ask import suggest_command, suggest_first_run
from app.dashboard.components.heading import heading
from app.dashboard.parts.sample.track import Track
from app.dashboard.results.probe_results import results
from app.dashboard.view import state
from memgate.errors import MemgateError
from memgate.log.format import UNKNOWN
from probes.csr import config as csr_config
from probes.result import ProbeResult
from probes.routing import routes


@dataclass(frozen=True, eq=False)
class Finding:
    """One stored result, and the position of the sample in it."""

    result: ProbeResult
    place: int | None
    """None where the sample was not probed."""


def findings(track: Track, probe: str) -> dict[str, Finding]:
    """Newest result of each variant of a probe up to the epoch shown; one that has the sample comes first.

    Raises:
        MemgateError: the file of results is damaged.
    """
    view, newest = track.view, {}
    for result in results(view, probe):
        if result.epoch > (view.epoch or 0):
            continue
        at = np.flatnonzero(result.sample_id == track.sample_id)
        one = Finding(result, int(at[0]) if len(at) else None)
        before = newest.get(result.variant)
        if one.place is not None or before is None or before.place is None:
            newest[result.variant] = one
    return newest


def routing_finding(track: Track) -> Finding | None:
    """Result of the routing probe for the sample; None where there is none or its file is damaged."""
    try:
        finding = findings(track, routes.PROBE).get(routes.VARIANT)
    except MemgateError:
        return None  # the section of the probes shows the error
    return finding if finding and finding.place is not None else None


def answer(finding: Finding, route: str) -> int:
    """Class predicted along a route."""
    return int(routes.row_of(finding.result, route, "prediction")[finding.place])


def _skips(blocks: Sequence[str]) -> list[tuple[str, routes.Cut]]:
    """Each block with the cut that skips it; the read-outs, which come last in the cuts, skip none."""
    return list(zip(blocks, routes.cuts_of(blocks), strict=False))


def without_blocks(track: Track) -> list[str]:
    """Prediction of the network without each block that can be skipped, in a few words, for the summary."""
    finding = routing_finding(track)
    if finding is None:
        return []
    texts, blocks = [], finding.result.config["blocks"]
    for block, cut in _skips(blocks):
        learned, skipped = (track.class_name(answer(finding, route)) for route in (cut.whole, cut.part))
        memorised = bool(finding.result.values[cut.memorised][finding.place]) and track.cause not in (
            "clean",
            UNKNOWN,
        )
        texts.append(sentences.answer_without(block, learned, skipped, memorised))
    late = finding.result.epoch != track.view.epoch
    return [*texts[:-1], f"{texts[-1]} (at epoch {finding.result.epoch})"] if texts and late else texts


def probe_findings(track: Track) -> None:
    """Show the results of the probes, and the command of each probe that has not run."""
    heading("Results of probes", "", "skip", "through", "hard", "read-out", "o1", "CSR", "grey level")
    for show in (_routing, _critical):
        try:
            show(track)
        except MemgateError as error:
            state.problem(error)


def _routing(track: Track) -> None:
    view = track.view
    finding = findings(track, routes.PROBE).get(routes.VARIANT)
    if finding is None:
        suggest_first_run(
            view, routes.PROBE, f"The routing probe has not been run on the {view.split} samples"
        )
        return
    result, at = finding.result, finding.place
    if at is None:
        reason = f"Routing probe: this sample is not among the {len(result.sample_id):,} that were probed."
        suggest_command(view, routes.PROBE, reason, " --n 0")
        return
    blocks = result.config["blocks"]
    for block, cut in _skips(blocks):
        whole, part = (bool(routes.row_of(result, route)[at]) for route in (cut.whole, cut.part))
        st.markdown(
            sentences.escaped(
                sentences.skipping(
                    block, track.cause, whole, part, bool(result.values[cut.recovered][at]), result.epoch
                )
            )
        )
    table = pd.DataFrame(
        {
            "route": list(result.config["routes"]),
            "predicts": [track.class_name(answer(finding, route)) for route in result.config["routes"]],
            "p(given)": result.values["p_given"][:, at].astype(float),
            "p(clean)": result.values["p_clean"][:, at].astype(float),
        }
    )
    if track.given == track.clean:
        table = table.drop(columns="p(clean)")
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(table, hide_index=True, key="routes", column_config={"p(given)": number, "p(clean)": number})
    st.caption(
        "learned: the network as trained; skip: the block outputs the features of its first unit; through: the whole "
        "block is used; hard: through where g > 0.5, otherwise skip; read-out: a linear classifier trained there."
    )


def _critical(track: Track) -> None:
    view = track.view
    results_of = findings(track, csr_config.PROBE)
    if not results_of:
        suggest_first_run(
            view, csr_config.PROBE, f"The critical-sample probe has not been run on the {view.split} samples"
        )
        return
    known = {variant: one for variant, one in results_of.items() if one.place is not None}
    for variant, one in known.items():
        radii, critical = one.result.config["radii"], one.result.values["critical"][:, one.place]
        radius = float(one.result.values["critical_radius"][one.place])
        st.markdown(
            sentences.escaped(
                sentences.critical_radius(variant, one.result.epoch, radius, radii, critical.tolist())
            )
        )
    if not known:
        count = max(len(one.result.sample_id) for one in results_of.values())
        reason = f"Critical-sample probe: this sample is not among the {count:,} that were probed."
        suggest_command(view, csr_config.PROBE, reason, " --n 0")
