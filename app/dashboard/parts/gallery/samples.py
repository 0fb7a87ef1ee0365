"""Samples of a preset in their order, and what is shown about them."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.components.ask import suggest_first_run
from app.dashboard.parts.gallery import presets as gallery
from app.dashboard.parts.gallery.presets import Preset
from app.dashboard.results import probe_results, scores
from app.dashboard.view.state import View
from probes.result import ProbeResult
from probes.routing.routes import LEARNED, row_of
from probes.scores.catalogue import SCORES
from probes.stats.estimate import percent, share


def offered(view: View) -> dict[str, Preset]:
    """Presets that apply to the view, by name."""
    network = not view.run.recorded
    critical = network or "critical_radius" in scores.available(view)
    return gallery.presets(
        view.gate is not None, view.data.cause, critical, view.selected is not None, network
    )


def order(
    view: View, preset: Preset, column: str, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ids in the order of the gallery, and the value of every sample [N] that is shown under its tile."""
    data = view.data
    nothing = np.full(len(data.sample_id), np.nan)
    if preset is gallery.SELECTION and view.selected is not None:
        return data.ids(view.places[view.members[view.places]]), nothing
    if preset is gallery.RANDOM:
        return gallery.drawn(data.ids(view.members), view.run.name, view.split, seed), nothing
    if preset is gallery.HARDEST:
        score = scores.available(view)[column].score
        values = scores.hardness(view, column)
        shown = np.where(np.isinf(values), values, values * score.direction)
        return gallery.ordered(data.sample_id, view.members, values, True), shown
    if preset is gallery.MEMORISED:
        memorised = probe_results.memorised(view)
        values = nothing if memorised is None else memorised[1]
    else:
        values = scores.values(view, column)
    routed = known = np.zeros(len(data), bool)
    if view.gate:
        routed, known = view.at_cursor("routed", view.gate), view.known_at_cursor("routed", view.gate)
    members = view.members & preset.members(data.cause, routed, known, values)
    return gallery.ordered(data.sample_id, members, values, preset.largest), values


def unprobed(view: View, preset: Preset) -> bool:
    """Whether the probe that a preset needs has no result yet; the command for it is then shown."""
    if preset is gallery.CRITICAL and "critical_radius" not in scores.available(view):
        probe, missing = probe_results.CSR, f"No critical radius of the {view.split} samples is stored"
    elif preset is gallery.MEMORISED and probe_results.memorised(view) is None:
        probe, missing = (
            probe_results.ROUTING,
            f"The routing probe has not been run on the {view.split} samples",
        )
    else:
        return False
    suggest_first_run(view, probe, missing, show=st.info)
    return True


def source(view: View, preset: Preset, seed: int) -> str:
    """Seed of a random draw, or the probed samples of the preset ``memorised``; empty for other presets."""
    if preset is gallery.MEMORISED and (memorised := probe_results.memorised(view)) is not None:
        return beside_clean(view, memorised[0])
    return f" Seed {seed}." if preset is gallery.RANDOM else ""


def beside_clean(view: View, result: ProbeResult) -> str:
    """Samples probed, and the share of corrupted and of clean samples whose fit needs the block."""
    probed = f" Probed: {len(result.sample_id):,} samples, at epoch {result.epoch}."
    places = view.data.columns(result.sample_id)
    fitted, held = row_of(result, LEARNED), result.values[f"memorised_by_{view.gate}"]
    lost = [
        percent(share(held[fitted & group]))
        for group in (view.data.corrupted[places], view.data.clean[places])
    ]
    return (
        f"{probed} Skipping the block loses the fit of {lost[0]} of the fitted corrupted samples and of {lost[1]} of "
        "the fitted clean samples (brackets: Wilson's 95 % intervals)."
    )


def captions(
    view: View, preset: Preset, column: str, ids: NDArray[np.int64], values: NDArray[np.float64]
) -> list[str] | None:
    """Number under each tile; None where no score orders the samples."""
    if not column:
        return None
    places = view.data.places(ids)
    at = dict(zip(view.data.sample_id[places].tolist(), places.tolist(), strict=True))
    timed = column in SCORES and bool(SCORES[column].never)
    return [gallery.number(preset.form, float(values[at[one]]), timed) for one in ids.tolist()]
