"""Runs: every run under the root, with what came out of it; a click on a row opens it, and some are compared."""

import time
from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import logs, sentences
from app.dashboard.logs import Stamp
from app.dashboard.parts import compare as comparing
from app.dashboard.results import scores
from app.dashboard.results.headline import headline
from app.dashboard.view import selection, state
from memgate.errors import MemgateError
from memgate.runs import health
from memgate.runs.metrics import last_known
from memgate.runs.run import Run
from probes.csr.config import PAPER_RADIUS

REDRAWN_SECONDS = 1.0
FEW = 4  # gates that are named
CURVES = "curves"  # in the place of a status: imported by memgate import-curves


def known(name: str) -> tuple[dict[str, Any], str]:
    """The columns that cost nothing, and what is wrong with the run."""
    row: dict[str, Any] = {"run": name, "status": "damaged"}
    try:
        run = logs.open_run(state.root(), name)
        outline, status = run.outline, logs.status(run)
        gates = list(map(str.upper, outline.gates))
        gates = gates if len(gates) <= FEW else [f"with {len(gates)} gates"]
        row |= {
            "status": status.shown,
            "data": outline.data,
            "model": " ".join([outline.model, *gates]),
            "noise": ", ".join(outline.noise) or "none",
            "seed": outline.seed,
            "epochs": f"{status.epoch} / {status.epochs}",
            "date": time.strftime("%Y-%m-%d", time.localtime((run.path / "config.json").stat().st_mtime)),
            "size": sum(health.sizes(run.path).values()) / 1e6,
        }
        if run.only_curves:
            row |= {"status": CURVES, **_of_metrics(run)}
            return row, ""
        logs.operation_kinds(run)  # a run whose manifest is damaged is damaged
        return row, ""
    except MemgateError as error:
        row["status"] = "log damaged" if "data" in row else "damaged"
        return row, f"{name}: {error}"


def _of_metrics(run: Run) -> dict[str, Any]:
    """What imported curves say, which have no log: the test accuracy of their last epoch."""
    with logs.reading(f"{run.path}/metrics.csv"):
        return {"test acc.": last_known(run.metrics(), "test_accuracy")}


def measured(name: str) -> tuple[dict[str, Any], str]:
    """The columns that the log has to be read for, and what is wrong with it; a gap is a number that is not there."""
    try:
        run = logs.open_run(state.root(), name)
        if logs.status(run).epoch == 0:
            return {}, ""
        at = logs.stamp(run)
        with logs.reading(at.path):
            return {**_measured(run, at), **_critical(run, at)}, ""
    except MemgateError as error:
        return {"status": "log damaged"}, f"{name}: {error}"


@st.cache_data(max_entries=1000, show_spinner=False)
def _measured(_run: Run, at: Stamp) -> dict[str, Any]:
    view = state.whole(_run)
    if view.epoch is None and not view.data.torn:
        return {}  # with --log.every k the first epochs have no row in the log
    found = headline(view)
    return {
        "test acc.": found.test_accuracy.value,
        "routed clean": found.routed_clean.value,
        "routed corrupted": found.routed_corrupted.value,
        "AUROC g": found.gate.value if found.gate else None,
        "AUROC loss": found.loss.value,
        "log": view.log.mode,
    }


def _critical(run: Run, at: Stamp) -> dict[str, Any]:
    """The critical sample ratio, where the run was probed."""
    path = run.path / "probes" / "csr.h5"
    return _ratio(run, at, path.stat().st_mtime_ns) if path.is_file() else {}


@st.cache_data(max_entries=1000, show_spinner=False)
def _ratio(_run: Run, at: Stamp, mtime_ns: int) -> dict[str, Any]:
    stored = {one.score.column: one for one in scores.stored_of(state.whole(_run))}
    if "critical_radius" not in stored:
        return {}
    return {"CSR": float((stored["critical_radius"].values < PAPER_RADIUS).mean())}


PERCENT = "%.1f %%"
SHARES = ["test acc.", "routed clean", "routed corrupted", "CSR"]
NUMBERS = [*SHARES, "AUROC g", "AUROC loss", "size"]
COLUMNS = ["run", "status", "data", "model", "noise", "seed", "epochs", "test acc.", "routed clean",
           "routed corrupted", "AUROC g", "AUROC loss", "CSR", "size", "date", "log"]  # fmt: skip
LOOKS = {
    "test acc.": st.column_config.NumberColumn(format=PERCENT),
    "routed clean": st.column_config.NumberColumn(
        format=PERCENT,
        help="Share of the clean training samples routed through the last gate's block at the last epoch",
    ),
    "routed corrupted": st.column_config.NumberColumn(format=PERCENT, help="The same of the corrupted ones"),
    "AUROC g": st.column_config.NumberColumn(
        format="%.3f",
        help="How well the mean gate value tells corrupted from clean training samples; 0.5 is chance",
    ),
    "AUROC loss": st.column_config.NumberColumn(format="%.3f", help="The same of the mean loss"),
    "CSR": st.column_config.NumberColumn(
        format=PERCENT,
        help="Critical sample ratio: share of the probed training samples whose estimated distance to the decision "
        f"boundary is below {PAPER_RADIUS} grey levels, where 'memgate probe csr' has been run",
    ),
    "log": st.column_config.TextColumn(
        help="eval: evaluation passes; online: values of the training passes"
    ),
    "size": st.column_config.NumberColumn(format="%.1f MB", help="Of the run's folder"),
}  # fmt: skip


# Pixels of the column of names: with short ones all columns fit on a small screen; a sweep's differ at their ends.
NARROW, WIDE = 105, 400


def looks(names: list[str]) -> dict[str, Any]:
    """How the columns look."""
    width = min(max(NARROW, 7 * max(map(len, names))), WIDE)
    return {"run": st.column_config.TextColumn(pinned=True, width=width), **LOOKS}


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows as they are shown, with numbers as numbers, so that they sort."""
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table["seed"] = table["seed"].astype("Int64")
    table[NUMBERS] = table[NUMBERS].astype("float64")
    table[SHARES] *= 100
    return table


def read(names: list[str], slot: Any) -> tuple[pd.DataFrame, list[str]]:
    """All rows, and what is wrong with runs.

    What costs nothing is shown at once; logs that nobody has read before take up to a second each.
    """
    rows, wrong = (list(column) for column in zip(*map(known, names), strict=True))
    common: Any = {"hide_index": True, "placeholder": "–", "column_config": looks(names)}
    before: set[str] = st.session_state.setdefault("measured", set())
    drawn = 0.0
    for place, name in enumerate(names):
        if wrong[place] or rows[place]["status"] == CURVES:
            continue
        if name not in before and time.monotonic() - drawn > REDRAWN_SECONDS:
            with slot.container():
                st.dataframe(table_of(rows), **common)
                st.caption(f"Reading the logs: {place} of {len(names)} …")
            drawn = time.monotonic()
        found, sentence = measured(name)
        rows[place] |= found
        wrong[place] = sentence
        before.add(name)
    return table_of(rows), wrong


def compare(names: list[str], logged: list[str]) -> None:
    """Choose some and set them beside each other; the first has a log, since the page is of its samples."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Compare 2 to 4 runs",
            names,
            key="to_compare",
            max_selections=comparing.MOST,
            placeholder="Choose runs over the same data",
            width=640,
        )
        chosen = sorted(chosen, key=lambda name: name not in logged)
        too_few = len(chosen) < 2 or chosen[0] not in logged
        if st.button("Compare", key="compare", disabled=too_few, icon=":material/compare_arrows:"):
            query = {"run": chosen[0], "runs": selection.names_text(chosen)}
            st.switch_page("views/compare.py", query_params=query)


def clicked(shown: list[str]) -> None:
    """A row of the table was clicked, which had these runs: a training that begins meanwhile moves all rows."""
    row = selection.picked_row(st.session_state["runs_table"])
    if row is not None:
        st.session_state["opened"] = shown[row]


if "opened" in st.session_state:
    st.switch_page("views/overview.py", query_params={"run": st.session_state.pop("opened")})
st.subheader("Runs", anchor=False)
try:
    names = logs.run_names(state.root())
except MemgateError as error:
    state.problem(error)
    st.stop()

if not names:
    st.info(
        f"There are no runs under {sentences.plain(str(state.root().absolute()))} yet. This makes one, without a "
        "download, in about two minutes:"
    )
    st.code("memgate quickstart", language="bash")
    st.caption("Then reload this page. A longer one: memgate train --help")
    st.stop()

slot = st.empty()
table, wrong = read(names, slot)
slot.dataframe(
    table,
    hide_index=True,
    placeholder="–",
    key="runs_table",
    on_select=lambda: clicked(names),
    selection_mode=["single-row", "single-cell"],
    column_config=looks(names),
)
st.caption(
    "Click a row to open the run. Sort by a click on a column's head. A gap is a number that does not exist."
)
logged = [name for name, status in zip(names, table["status"], strict=True) if status != CURVES]
if len(logged) < len(names):
    st.caption(
        "curves: numbers by epoch, imported by memgate import-curves; no page shows samples of them. Compare "
        "draws a run's accuracy beside them, and so does memgate reproduce ROW --curves FILE."
    )
if logged and len(names) > 1:
    compare(names, logged)
for sentence in filter(None, wrong):
    state.problem(sentence)
