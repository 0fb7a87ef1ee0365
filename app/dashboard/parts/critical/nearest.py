"""The critical samples nearest to a decision boundary: a list, and the neighbour of one beyond the boundary."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import run_data, sentences
from app.dashboard.components import thumbnails
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, tiles
from app.dashboard.results import probe_results
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError, reading
from memgate.runs.run import command
from probes.result import ProbeResult

ROWS = 500
"""Rows of the list; the selection and the export have all."""

TILES = 20

SIDE = 150
"""Pixels to which the side of an image is enlarged, by a whole factor."""


def nearest(view: View, result: ProbeResult, critical: NDArray[np.bool_], count: int) -> None:
    """Show the critical samples, smallest radius first, and the neighbour of one of them.

    Args:
        view: what is shown.
        result: of ``csr``, of the samples that pass the filter.
        critical: which of them [n].
        count: how many samples were probed, whether they pass the filter or not.
    """
    radius = result.values["critical_radius"]
    order = np.argsort(radius, kind="stable")
    order = order[critical[order]][:ROWS]
    if len(order) == 0:
        st.caption("No sample is critical at this radius.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        chosen = listed(view, result, order)
    with right:
        neighbour(view, result, int(result.sample_id[order[chosen]]), count)
    few = order[:TILES]
    names = view.log.class_names
    captions = [
        f"{radius[one]:.2f}: {sentences.class_name(int(result.values['prediction'][one]), names)}"
        for one in few
    ]
    tiles(view, result.sample_id[few], f"nearest_{result.epoch}_{result.variant}", size=48, captions=captions)
    st.caption(f"The nearest {len(few)}: radius in grey levels and prediction. {LEGEND}")


def listed(view: View, result: ProbeResult, order: NDArray[np.intp]) -> int:
    """Show the table; index of the row that is chosen, 0 by default."""
    heading(
        "Critical samples, nearest to the boundary first",
        "click a row to show its neighbour",
        "critical sample",
        "g",
    )
    ids, names = result.sample_id[order], view.log.class_names
    places = view.data.columns(ids)
    gate = probe_results.gate_at_checkpoint(view, result)[order]
    table = pd.DataFrame({
        "sample_id": ids,
        "radius": result.values["critical_radius"][order].astype(np.float64),
        "cause": view.data.cause[places],
        "given label": [sentences.class_name(int(label), names) for label in view.data.given_label[places]],
        "predicted": [sentences.class_name(int(label), names) for label in result.values["prediction"][order]],
        "g": gate.astype(np.float64),
    })  # fmt: skip
    number, radius = (st.column_config.NumberColumn(format=form) for form in ("%.3f", "%.3g"))
    event: Any = st.dataframe(
        table if view.gate else table.drop(columns="g"), hide_index=True, height=290, placeholder="–",
        key=f"nearest_{result.epoch}_{result.variant}_{len(order)}", on_select="rerun",
        selection_mode=["single-row", "single-cell"], column_config={"radius": radius, "g": number},
    )  # fmt: skip
    row = selection.picked_row(event) or 0
    return row if row < len(order) else 0


def neighbour(view: View, result: ProbeResult, sample_id: int, count: int) -> None:
    """Show image, neighbour and difference; or the command that finds neighbours of the ``count`` probed samples."""
    stored = {one.key: one for one in probe_results.results(view, probe_results.NEIGHBOURS)}
    neighbours = stored.get(result.key)
    st.markdown(f"**Sample {sample_id} and its neighbour beyond the boundary**")
    try:
        both = run_data.pictures(view.run, view.split).of(sample_id)
    except MemgateError as error:
        state.problem(error)
        both = None
    place = [] if neighbours is None else np.flatnonzero(neighbours.sample_id == sample_id)
    if neighbours is None or len(place) == 0:
        if both:
            st.html(thumbnails.enlarged(both[0], SIDE, f"sample {sample_id}"))
        missing_neighbour(view, result, neighbours, count)
    else:
        with reading(f"{view.run.path}/probes/{probe_results.NEIGHBOURS}.h5"):
            show_neighbour(view, sample_id, both[0] if both else None, neighbours, int(place[0]))
    if st.button("Open the sample", key="open_nearest", icon=":material/arrow_forward:"):
        state.open_sample(view, sample_id)


def show_neighbour(
    view: View, sample_id: int, picture: NDArray[np.uint8] | None, neighbours: ProbeResult, place: int
) -> None:
    """Show the image, its neighbour, their difference and both predictions."""
    steps = neighbours.values["difference"][..., place].astype(np.float64)
    distance = float(neighbours.values["distance"][place])
    whole = neighbours.config["steps"]
    shown = [(np.rint(128 + steps * 127 / whole).astype(np.uint8), "difference, amplified")]
    if picture is not None:
        beyond = np.clip(picture + steps / whole * distance, 0, 255)
        shown = [
            (picture, f"sample {sample_id}"),
            (np.rint(beyond).astype(np.uint8), "its neighbour"),
            *shown,
        ]
    with st.container(horizontal=True):
        for pixels, caption in shown:
            st.html(thumbnails.enlarged(pixels, SIDE, caption), width="content")
    own, other = (
        sentences.class_name(int(neighbours.values[name][place]), view.log.class_names)
        for name in ("prediction", "neighbour_prediction")
    )
    st.markdown(
        sentences.escaped(
            f"{own} → {other}: no pixel changed by more than {distance:.3g} grey levels of 255."
        )
    )
    same = (
        " On the screen both look the same, since pixels are rounded to whole grey levels."
        if distance < 0.5
        else ""
    )
    st.caption(sentences.escaped(
        f"The prediction is that of exactly this neighbour. In the difference, middle grey is no change; white "
        f"and black are {distance:.3g} grey levels up and down.{same}"
    ))  # fmt: skip


def missing_neighbour(view: View, result: ProbeResult, neighbours: ProbeResult | None, count: int) -> None:
    """Say why there is no neighbour, and show the command that finds it."""
    if view.run.recorded:
        return
    st.caption(
        "No neighbours are stored for this result. This command finds them:"
        if neighbours is None
        else f"Neighbours are stored for {len(neighbours.sample_id)} samples of this result, the nearest for which a "
        "search found one. This command searches for more:"
    )
    most = 100 if neighbours is None else 10 * max(10, int(neighbours.config["most"]))
    st.code(csr_command(view, result, count) + f" --neighbours {most}", language="bash")


def csr_command(view: View, result: ProbeResult, count: int) -> str:
    """Command that computes a result of ``csr`` on ``count`` samples again."""
    radii = " ".join(f"{radius:g}" for radius in result.config["radii"])
    return (
        f"{command('probe csr', view.run.path)} --splits {view.split} --checkpoints {result.epoch} "
        f"--method {result.variant} --radius {radii} --n {count}"
    )
