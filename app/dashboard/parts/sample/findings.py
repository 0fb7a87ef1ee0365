"""What probes have found out about one sample: the newest stored result up to the cursor, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.ask import ask, ask_for_first
from app.dashboard.parts.sample.track import Track
from app.dashboard.results.probe_results import results
from app.dashboard.view import state
from memgate.errors import MemgateError
from probes.csr import config as csr_config
from probes.result import ProbeResult
from probes.routing import routes


@dataclass(frozen=True, eq=False)
class Finding:
    """One stored result, and where the sample stands in it."""

    result: ProbeResult
    place: int | None
    """None where the sample was not among those probed."""


def findings(track: Track, probe: str) -> dict[str, Finding]:
    """Variant of a probe to its newest result of the split up to the cursor that has the sample, or else has not.

    Raises:
        MemgateError: the file of results is damaged.
    """
    view, found = track.view, {}
    for result in results(view, probe):
        if result.epoch > (view.epoch or 0):
            continue
        at = np.flatnonzero(result.sample_id == track.sample_id)
        one = Finding(result, int(at[0]) if len(at) else None)
        before = found.get(result.variant)
        if one.place is not None or before is None or before.place is None:
            found[result.variant] = one
    return found


def routing_finding(track: Track) -> Finding | None:
    """What the routing probe says of the sample; None where it says nothing or its file is damaged."""
    try:
        found = findings(track, routes.PROBE).get(routes.VARIANT)
    except MemgateError:
        return None  # the section of the probes says so
    return found if found and found.place is not None and "blocks" in found.result.config else None


def answer(finding: Finding, route: str) -> int:
    """The class predicted along a route."""
    return int(routes.row_of(finding.result, route, "prediction")[finding.place])


def _skips(blocks: Sequence[str]) -> list[tuple[str, routes.Cut]]:
    """Each block with the cut that skips it: read-outs, which come last, are about none."""
    return list(zip(blocks, routes.cuts_of(blocks), strict=False))


def without_blocks(track: Track) -> list[str]:
    """What the network says without each block that can be skipped, for the verdict."""
    finding = routing_finding(track)
    if finding is None:
        return []
    told, blocks = [], finding.result.config["blocks"]
    for block, cut in _skips(blocks):
        learned, skipped = (track.class_name(answer(finding, route)) for route in (cut.whole, cut.part))
        memorised = bool(finding.result.values[cut.memorised][finding.place]) and track.cause != "clean"
        told.append(sentences.without(block, learned, skipped, memorised))
    late = finding.result.epoch != track.view.epoch
    return [*told[:-1], f"{told[-1]} (at epoch {finding.result.epoch})"] if told and late else told


def probed(track: Track) -> None:
    """What the probes found, and the command of each that has not run."""
    st.markdown("**What probes of the network say**")
    for show in (_routing, _critical):
        try:
            show(track)
        except MemgateError as error:
            state.problem(error)


def _routing(track: Track) -> None:
    view = track.view
    found = findings(track, routes.PROBE).get(routes.VARIANT)
    if found is None:
        ask_for_first(
            view, routes.PROBE, f"Skipping the block has not been tried on the {view.split} samples"
        )
        return
    result, at = found.result, found.place
    if "blocks" not in result.config:
        ask(view, routes.PROBE, "The routing results were stored by an older memgate.")
        return
    if at is None:
        reason = (
            f"Skipping the block: this sample is not among the {len(result.sample_id):,} that were probed."
        )
        ask(view, routes.PROBE, reason, " --n 0")
        return
    blocks = result.config["blocks"]
    for block, cut in _skips(blocks):
        whole, part = (bool(routes.row_of(result, route)[at]) for route in (cut.whole, cut.part))
        st.markdown(
            sentences.plain(
                sentences.skipping(
                    block, track.cause, whole, part, bool(result.values[cut.recovered][at]), result.epoch
                )
            )
        )
    table = pd.DataFrame(
        {
            "route": list(result.config["routes"]),
            "predicts": [track.class_name(answer(found, route)) for route in result.config["routes"]],
            "p(given)": result.values["p_given"][:, at].astype(float),
            "p(clean)": result.values["p_clean"][:, at].astype(float),
        }
    )
    if track.given == track.clean:
        table = table.drop(columns="p(clean)")
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(table, hide_index=True, key="routes", column_config={"p(given)": number, "p(clean)": number})
    st.caption(
        "learned: g as it is; skip: the block puts out what its first unit gives; through: all of the block; hard: "
        "one of the two; read-out: a linear classifier trained at that point."
    )


def _critical(track: Track) -> None:
    view = track.view
    found = findings(track, csr_config.PROBE)
    if not found:
        ask_for_first(view, csr_config.PROBE, f"Critical samples of {view.split} have not been searched for")
        return
    known = {variant: one for variant, one in found.items() if one.place is not None}
    for variant, one in known.items():
        radii, critical = one.result.config["radii"], one.result.values["critical"][:, one.place]
        radius = float(one.result.values["critical_radius"][one.place])
        st.markdown(
            sentences.plain(sentences.critical(variant, one.result.epoch, radius, radii, critical.tolist()))
        )
    if not known:
        count = max(len(one.result.sample_id) for one in found.values())
        reason = f"Critical samples: this one is not among the {count:,} that were probed."
        ask(view, csr_config.PROBE, reason, " --n 0")
