"""Runs: a table of all runs under the root with their results; a click on a row opens a run."""

import time
from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import logs, run_data, run_folders, sentences
from app.dashboard.logs import Stamp
from app.dashboard.parts.compare.runs import MOST_RUNS
from app.dashboard.results import scores
from app.dashboard.results.headline import headline
from app.dashboard.view import selection, state
from memgate.errors import MemgateError, reading
from memgate.runs import health
from memgate.runs.metrics import last_known
from memgate.runs.run import Run
from probes.csr.config import PAPER_RADIUS

REDRAWN_SECONDS = 1.0
FEW = 4  # most gates that are named one by one
CURVES = "curves"  # status of a run imported by memgate import-curves


def known(name: str) -> tuple[dict[str, Any], str]:
    """Columns that need no log: column to value, and a sentence for an error (empty for none)."""
    row: dict[str, Any] = {"run": name, "status": "damaged"}
    try:
        run = run_folders.open_run(state.root(), name)
        outline, status = run.outline, run_folders.status(run)
        gates = list(map(str.upper, outline.gates))
        gates = gates if len(gates) <= FEW else [f"with {len(gates)} gates"]
        row |= {
            "status": status.state,
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
        run_data.operation_kinds(run)  # a run whose manifest is damaged is damaged
        return row, ""
    except MemgateError as error:
        row["status"] = "log damaged" if "data" in row else "damaged"
        return row, f"{name}: {error}"


def _of_metrics(run: Run) -> dict[str, Any]:
    """Test accuracy of the last epoch of imported curves, which have no log."""
    with reading(f"{run.path}/metrics.csv"):
        return {"test acc.": last_known(run.metrics(), "test_accuracy")}


def measured(name: str) -> tuple[dict[str, Any], str]:
    """Columns computed from the log: column to value, and a sentence for an error (empty for none)."""
    try:
        run = run_folders.open_run(state.root(), name)
        if run_folders.status(run).epoch == 0:
            return {}, ""
        at = logs.stamp(run)
        with reading(at.path):
            return {**_measured(run, at), **_critical(run, at)}, ""
    except MemgateError as error:
        return {"status": "log damaged"}, f"{name}: {error}"


@st.cache_data(max_entries=1000, show_spinner=False)
def _measured(_run: Run, at: Stamp) -> dict[str, Any]:
    view = state.last_epoch_view(_run)
    if view.epoch is None and not view.data.torn:
        return {}  # with --log.every k the first epochs have no row in the log
    numbers = headline(view)
    return {
        "test acc.": numbers.test_accuracy.value,
        "routed clean": numbers.routed_clean.value,
        "routed corrupted": numbers.routed_corrupted.value,
        "AUROC g": numbers.gate.value if numbers.gate else None,
        "AUROC loss": numbers.loss.value,
        "log": view.log.mode,
    }


def _critical(run: Run, at: Stamp) -> dict[str, Any]:
    """Critical sample ratio, if the run was probed."""
    path = run.path / "probes" / "csr.h5"
    return _ratio(run, at, path.stat().st_mtime_ns) if path.is_file() else {}


@st.cache_data(max_entries=1000, show_spinner=False)
def _ratio(_run: Run, at: Stamp, mtime_ns: int) -> dict[str, Any]:
    stored = {one.score.column: one for one in scores.stored_of(state.last_epoch_view(_run))}
    if "critical_radius" not in stored:
        return {}
    return {"CSR": float((stored["critical_radius"].values < PAPER_RADIUS).mean())}


PERCENT = "%.1f %%"
SHARES = ["test acc.", "routed clean", "routed corrupted", "CSR"]
NUMBERS = [*SHARES, "AUROC g", "AUROC loss", "size"]
COLUMNS = ["run", "status", "data", "model", "noise", "seed", "epochs", "test acc.", "routed clean",
           "routed corrupted", "AUROC g", "AUROC loss", "CSR", "size", "date", "log"]  # fmt: skip
LOOKS = {
    "test acc.": st.column_config.NumberColumn(format=PERCENT, help="Accuracy on the test split at the last epoch"),
    "routed clean": st.column_config.NumberColumn(
        format=PERCENT,
        help="Share of the clean training samples routed through the last gate's block (g > 0.5) at the last epoch",
    ),
    "routed corrupted": st.column_config.NumberColumn(format=PERCENT, help="Share of the corrupted training samples "
                                                         "routed through the last gate's block at the last epoch"),
    "AUROC g": st.column_config.NumberColumn(
        format="%.3f",
        help="How well the mean gate value g separates corrupted from clean training samples: 0.5 is chance, 1 is "
        "perfect",
    ),
    "AUROC loss": st.column_config.NumberColumn(
        format="%.3f",
        help="How well the mean loss separates corrupted from clean training samples: 0.5 is chance, 1 is perfect",
    ),
    "CSR": st.column_config.NumberColumn(
        format=PERCENT,
        help="Critical sample ratio: share of the probed training samples whose estimated distance to the decision "
        f"boundary is below {PAPER_RADIUS} grey levels (1/255), for runs on which 'memgate probe csr' has been run",
    ),
    "log": st.column_config.TextColumn(
        help="eval: logged in evaluation passes after each epoch; online: logged during the training passes"
    ),
    "size": st.column_config.NumberColumn(format="%.1f MB", help="Disk use of the run's folder"),
}  # fmt: skip


# Pixels of the column of names: with short ones all columns fit on a small screen; a sweep's differ at their ends.
NARROW, WIDE = 105, 400


def looks(names: list[str]) -> dict[str, Any]:
    """Formats and help texts of the columns."""
    width = min(max(NARROW, 7 * max(map(len, names))), WIDE)
    return {"run": st.column_config.TextColumn(pinned=True, width=width), **LOOKS}


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; numbers stay numbers, so that they sort."""
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table["seed"] = table["seed"].astype("Int64")
    table[NUMBERS] = table[NUMBERS].astype("float64")
    table[SHARES] *= 100
    return table


def read(names: list[str], slot: Any) -> tuple[pd.DataFrame, list[str]]:
    """All rows as a table, and a sentence for each run (empty where nothing is wrong).

    Columns that need no log are shown at once; a log that is read for the first time takes up to a second.
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
        values, sentence = measured(name)
        rows[place] |= values
        wrong[place] = sentence
        before.add(name)
    return table_of(rows), wrong


def comparison_form(names: list[str], logged: list[str]) -> None:
    """Choose 2 to 4 runs to compare; the first must have a log, since the page Compare shows its samples."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Compare 2 to 4 runs",
            names,
            key="to_compare",
            max_selections=MOST_RUNS,
            placeholder="Choose runs trained on the same data",
            width=640,
        )
        chosen = sorted(chosen, key=lambda name: name not in logged)
        too_few = len(chosen) < 2 or chosen[0] not in logged
        if st.button("Compare", key="compare", disabled=too_few, icon=":material/compare_arrows:"):
            query = {"run": chosen[0], "runs": selection.names_text(chosen)}
            st.switch_page("views/compare.py", query_params=query)


def clicked(shown: list[str]) -> None:
    """Open the run whose row was clicked.

    Args:
        shown: names in the rows as sent: a training that begins meanwhile moves all rows.
    """
    row = selection.picked_row(st.session_state["runs_table"])
    if row is not None:
        st.session_state["opened"] = shown[row]


if "opened" in st.session_state:
    st.switch_page("views/overview.py", query_params={"run": st.session_state.pop("opened")})
st.subheader("Runs", anchor=False)
try:
    names = run_folders.run_names(state.root())
except MemgateError as error:
    state.problem(error)
    st.stop()

if not names:
    st.info(
        f"There are no runs under {sentences.escaped(str(state.root().absolute()))} yet. This command trains one, "
        "without a download, in about two minutes:"
    )
    st.code("memgate quickstart", language="bash")
    st.caption("Then reload this page. For other trainings see memgate train --help.")
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
st.caption("Click a row to open the run; click a column's header to sort. A dash means: not available.")
logged = [name for name, status in zip(names, table["status"], strict=True) if status != CURVES]
if len(logged) < len(names):
    st.caption(
        "curves: accuracies by epoch, imported by memgate import-curves, without samples. The page Compare draws a "
        "run's accuracy beside them, and so does memgate reproduce ROW --curves FILE."
    )
if logged and len(names) > 1:
    comparison_form(names, logged)
for sentence in filter(None, wrong):
    state.problem(sentence)
