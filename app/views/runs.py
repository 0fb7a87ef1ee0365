"""Runs: every run under the root, with what came out of it; a click on a row opens it."""

import time
from typing import Any

import pandas as pd
import streamlit as st

from app import queries, state, words
from app.headline import headline
from app.state import View
from memgate.errors import MemgateError


def measured(view: View) -> dict[str, Any]:
    """The columns that the log has to be read for; a missing number is a gap in the table."""
    found = headline(view)
    return {
        "test acc.": found.test_accuracy.value,
        "routed clean": found.routed_clean.value,
        "routed corrupted": found.routed_corrupted.value,
        "AUROC g": found.gate.value if found.gate else None,
        "AUROC loss": found.loss.value,
        "log": view.log.mode,
    }


def row_of(name: str) -> tuple[dict[str, Any], str]:
    """One row of the table, and what is wrong with the run."""
    row: dict[str, Any] = {"run": name, "status": "damaged"}
    try:
        run = queries.open_run(state.root(), name)
        outline, status = run.outline, queries.status(run)
        row |= {
            "status": status.shown,
            "data": outline.data,
            "model": " ".join([outline.model, *map(str.upper, outline.gates)]),
            "noise": ", ".join(outline.noise) or "none",
            "seed": outline.seed,
            "epochs": f"{status.epoch} / {status.epochs}",
            "date": time.strftime("%Y-%m-%d", time.localtime((run.path / "config.json").stat().st_mtime)),
        }
        if status.epoch == 0:
            return row, ""
        queries.operation_kinds(run)  # a run whose manifest is damaged is damaged
        view = state.whole(name)
        if view.epoch is None and not view.data.torn:
            return row, ""  # with --log.every k the first epochs have no row in the log
        return row | measured(view), ""
    except MemgateError as error:
        row["status"] = "log damaged" if "data" in row else "damaged"
        return row, f"{name}: {error}"


PERCENT = "%.1f %%"
COLUMNS = ["run", "status", "data", "model", "noise", "seed", "epochs", "test acc.", "routed clean",
           "routed corrupted", "AUROC g", "AUROC loss", "log", "date"]  # fmt: skip

st.subheader("Runs", anchor=False)
try:
    names = queries.run_names(state.root())
except MemgateError as error:
    state.problem(error)
    st.stop()

if not names:
    st.info(
        f"There are no runs under {words.plain(str(state.root().absolute()))} yet. This makes one, without a "
        "download, in about two minutes:"
    )
    st.code("memgate quickstart", language="bash")
    st.caption("Then reload this page. A longer one: memgate train --help")
    st.stop()

with st.spinner("Reading the runs …"):
    rows, wrong = zip(*(row_of(name) for name in names), strict=True)
table = pd.DataFrame(list(rows)).reindex(columns=COLUMNS)
table["seed"] = table["seed"].astype("Int64")
for column in ("test acc.", "routed clean", "routed corrupted", "AUROC g", "AUROC loss"):
    table[column] = table[column].astype("float64")
table[["test acc.", "routed clean", "routed corrupted"]] *= 100
event: Any = st.dataframe(
    table,
    hide_index=True,
    placeholder="–",
    key="runs_table",
    on_select="rerun",
    selection_mode=["single-row", "single-cell"],
    column_config={
        "run": st.column_config.TextColumn(pinned=True, width=105),
        "test acc.": st.column_config.NumberColumn(format=PERCENT),
        "routed clean": st.column_config.NumberColumn(
            format=PERCENT,
            help="Share of the clean training samples routed through the last gate's block at the last epoch",
        ),
        "routed corrupted": st.column_config.NumberColumn(
            format=PERCENT, help="The same of the corrupted ones"
        ),
        "AUROC g": st.column_config.NumberColumn(
            format="%.3f",
            help="How well the mean gate value tells corrupted from clean training samples; 0.5 is chance",
        ),
        "AUROC loss": st.column_config.NumberColumn(format="%.3f", help="The same of the mean loss"),
        "log": st.column_config.TextColumn(
            help="sweep: evaluation passes; online: values of the training passes"
        ),
    },
)
st.caption(
    "Click a row to open the run. Sort by a click on a column's head. A gap is a number that does not exist."
)
for sentence in filter(None, wrong):
    state.problem(sentence)

chosen = [*event.selection.rows, *(cell[0] for cell in event.selection.get("cells", []))]
if chosen:
    st.switch_page("views/overview.py", query_params={"run": names[chosen[0]]})
