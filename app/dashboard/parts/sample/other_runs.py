"""The same sample in other runs under the root that were trained on the same data."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import logs, run_folders, sentences
from app.dashboard.components.heading import heading
from app.dashboard.logs import Stamp
from app.dashboard.parts.sample.track import Track
from app.dashboard.view import selection, state
from memgate.errors import MemgateError, reading
from memgate.log.format import has_value
from memgate.runs.run import Run

RUNS = 24
"""Number of other runs that are read, the newest first: of each, columns of its log are read and checked."""


def elsewhere(track: Track) -> None:
    """Table with a row for each other run; a click on one opens the sample there."""
    view = track.view
    heading(
        "The same sample in other runs", "trained on the same data; click a row to open it", "g", "routed"
    )
    digest = view.run.digests.get(_data_of(view.split))
    if digest is None:
        st.caption("This run has no digest of its data: other runs with the same data cannot be identified.")
        return
    rows, skipped = [], 0
    others = [name for name in run_folders.run_names(state.root()) if name != view.run.name]
    for name in others[:RUNS]:
        try:
            row = _row(run_folders.open_run(state.root(), name), digest, track)
        except MemgateError:
            skipped += 1
            continue
        if row is not None:
            rows.append(row)
    if rows:
        _table(track, rows)
    else:
        st.caption("Not in any other run.")
    if skipped:
        st.caption(f"{skipped} damaged or without a log yet: not shown.")
    if len(others) > RUNS:
        st.caption(f"Only the newest {RUNS} of {len(others)} other runs were read.")


def _data_of(split: str) -> str:
    """Name of the split with the same data: a corrupted copy has that of the original."""
    return split.removesuffix("_corrupted")


def _row(run: Run, digest: str, track: Track) -> dict[str, Any] | None:
    """Row of one other run; None where its data differs or it does not have the sample."""
    with reading(f"{run.path}/config.json"):
        if run.digests.get(_data_of(track.view.split)) != digest:
            return None
    at = logs.stamp(run)
    values = _values(at, track.view.split, track.sample_id)
    if values is None:
        return None
    outline = run.outline
    return {"run": run.name, "noise": " ".join(outline.noise) or "none", "seed": outline.seed, **values}


@st.cache_data(max_entries=2000, show_spinner=False)
def _values(at: Stamp, split: str, sample_id: int) -> dict[str, Any] | None:
    """Values of its log at the last epoch in which the sample was seen."""
    log = logs.log(at)
    if split not in log.splits:
        return None
    data = logs.split_data(at, split)
    position = data.position(sample_id)
    if position is None:
        return None
    part = slice(position, position + 1)

    def column(name: str, gate: str | None = None) -> np.ndarray:
        return log.values(split, name, gate, part)[1][:, 0]

    with reading(at.path):
        seen = column("seen")
        rows = np.flatnonzero(seen)
        gate = log.gates[-1] if log.gates else None
        values: dict[str, Any] = {
            "given label": sentences.class_name(int(data.given_label[position]), log.class_names),
            "g last": None, "epochs routed": None, "epochs seen": len(rows), "fits its label": None,
        }  # fmt: skip
        if len(rows):
            if has_value(column("pred"))[rows[-1]]:
                values["fits its label"] = bool(column("correct_given")[rows[-1]])
            if gate:
                values["g last"] = float(column("gate", gate)[rows[-1]])
                known = has_value(column("gate", gate))
                values["epochs routed"] = int((column("routed", gate) & known).sum()) if known.any() else None
    return values


def _table(track: Track, rows: list[dict[str, Any]]) -> None:
    table = pd.DataFrame(rows).astype({"epochs routed": "Int64", "seed": "Int64", "g last": float})
    event: Any = st.dataframe(
        table,
        hide_index=True,
        key=f"elsewhere_{track.view.run.name}_{track.sample_id}",
        placeholder="–",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        column_config={"g last": st.column_config.NumberColumn(format="%.3f")},
    )
    row = selection.picked_row(event)
    if row is not None:
        params = {
            "run": str(rows[row]["run"]),
            "split": track.view.split,
            "id": str(track.sample_id),
        }
        st.switch_page("views/sample.py", query_params=params)
