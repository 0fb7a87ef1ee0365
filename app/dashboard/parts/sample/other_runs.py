"""The same sample in the other runs under the root that have the same data."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import logs, run_folders, sentences
from app.dashboard.logs import Stamp
from app.dashboard.parts.sample.track import Track
from app.dashboard.view import selection, state
from memgate.errors import MemgateError
from memgate.runs.run import Run

RUNS = 24
"""How many other runs are looked at, the newest first: of each, some columns of its log are read and checked."""


def elsewhere(track: Track) -> None:
    """A table with a row for each; a click on one opens the sample there."""
    view = track.view
    st.markdown("**The same sample in other runs** with the same data · click one to open it")
    digest = view.run.digests.get(_data_of(view.split))
    if digest is None:
        st.caption("This run has no digest of its data, so nothing says which other runs have the same.")
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
        st.caption("There is none.")
    if skipped:
        st.caption(f"{skipped} damaged or without a log yet: left out.")
    if len(others) > RUNS:
        st.caption(f"Only the newest {RUNS} of {len(others)} other runs were looked at.")


def _data_of(split: str) -> str:
    """The split whose data a split has: a corrupted copy's is that of the original."""
    return split.removesuffix("_corrupted")


def _row(run: Run, digest: str, track: Track) -> dict[str, Any] | None:
    """One other run; None where its data is other or it has not the sample."""
    with run_folders.reading(f"{run.path}/config.json"):
        if run.digests.get(_data_of(track.view.split)) != digest:
            return None
    at = logs.stamp(run)
    found = _values(at, track.view.split, track.sample_id)
    if found is None:
        return None
    outline = run.outline
    return {"run": run.name, "noise": " ".join(outline.noise) or "none", "seed": outline.seed, **found}


@st.cache_data(max_entries=2000, show_spinner=False)
def _values(at: Stamp, split: str, sample_id: int) -> dict[str, Any] | None:
    """What its log says at the last epoch that saw the sample."""
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

    with run_folders.reading(at.path):
        seen = column("seen")
        there = np.flatnonzero(seen)
        gate = log.gates[-1] if log.gates else None
        found: dict[str, Any] = {
            "given label": sentences.class_name(int(data.given_label[position]), log.class_names),
            "g last": None, "epochs routed": None, "epochs seen": len(there), "fits its label": None,
        }  # fmt: skip
        if len(there):
            found["fits its label"] = bool(column("correct_given")[there[-1]])
            if gate:
                found["g last"] = float(column("gate", gate)[there[-1]])
                found["epochs routed"] = int((column("routed", gate) & seen).sum())
    return found


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
