"""Log health: completeness and checksums of a run's files, their sizes, settings and versions."""

import time
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.charts import health as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.glossary import definitions
from app.dashboard.parts.health import arrays, corruption, data, disk_use, file_table, settings, versions
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError, reading
from memgate.log.format import SCHEMA, UNSEALED
from memgate.log.reader import SampleLog
from memgate.runs import health
from memgate.runs.health import FileState, SplitHealth
from memgate.runs.run import Run


def run_of(view: View | None) -> Run | None:
    """The run, also one that cannot be shown; None where there is none, which the sidebar reports."""
    if view is not None:
        return view.run
    name = st.query_params.get("run")
    known = {run.name: run for run in run_folders.runs(state.root())}
    return known.get(name or "")


def status(run: Run, damaged: bool) -> None:
    """Show the state of the training and the command that continues it."""
    try:
        current = run_folders.status(run)
        command = "" if damaged else health.go_on_command(run, current.state)
    except MemgateError:
        return  # shown in the table of files
    text = f"{current.state}, epoch {current.epoch} of {current.epochs}"
    text += f": {current.message}" if current.message else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(current.updated)) if current.updated else "unknown"
    st.markdown(f"**{sentences.escaped(run.name)}** · {sentences.escaped(f'{text} (written {when})')}")
    if command:
        st.caption("The training has not ended. This command continues it:")
        st.code(command, language="python" if run.recorded else "bash")


def remedies(broken: list[FileState]) -> None:
    """Show a warning with remedy and command for each file that cannot be read."""
    for one in broken:
        st.warning(
            sentences.escaped(f"{one.name} cannot be read: {one.problem.rstrip('.')}. {one.remedy}"),
            icon=":material/build:",
        )
        if one.command:
            st.code(one.command, language="bash")


def epochs(view: View) -> None:
    """Chart and table of the planned epochs of each split, and their state."""
    log = view.log
    st.markdown(
        sentences.escaped(f"Log mode {log.mode}, {len(log.gates)} gate{'' if len(log.gates) == 1 else 's'}, ")
        + sentences.escaped(f"{len(log.class_names)} classes, {_format(log)}"),
        help=definitions("log mode"),
    )
    with reading(view.at.path):
        splits = [health.split_health(log, split) for split in log.splits]
    heading("Planned epochs and their state in the log")
    st.plotly_chart(
        charts.strip(splits),
        key="strip",
        config=CONFIG,
        alt="A mark for each planned epoch of each split: whole, damaged, or not logged",
    )
    st.dataframe(pd.DataFrame([_row(split) for split in splits]), hide_index=True, key="epochs")
    st.caption(
        "Whole: completely written, and the checksum matches. Damaged: changed after it was written; left out on all "
        "pages. Samples seen: the number of samples that an epoch has processed."
    )
    if any(split.count("torn") for split in splits):
        st.warning(
            "Epochs of this log are damaged: put back a copy of log.h5, or train the run again. The other epochs are "
            "not affected. If it happens again, check the disk.",
            icon=":material/warning:",
        )


def _format(log: SampleLog) -> str:
    """Name of the log's format; of an older one with what it lacks."""
    return f"format {SCHEMA}" if log.seal else f"format {UNSEALED} (no checksums of labels and sample ids)"


def _row(split: SplitHealth) -> dict[str, Any]:
    seen = split.seen[~np.isnan(split.seen)]
    return {
        "split": split.split,
        "samples": split.samples,
        "planned": len(split.epochs),
        "whole": split.count("whole"),
        "damaged": split.count("torn"),
        "not logged": split.count("missing"),
        "fewest samples seen": f"{seen.min():,.0f}" if len(seen) else "–",
        "mean samples seen": f"{seen.mean():,.1f} ({seen.mean() / split.samples:.1%})" if len(seen) else "–",
        "damaged epochs": ", ".join(map(str, split.epochs[split.state == "torn"][:20])) or "none",
    }


def verification(view: View) -> None:
    """Compute every checksum again, on request."""
    if not st.button("Verify all checksums", key="verify", icon=":material/fact_check:"):
        st.caption("Each epoch is verified once when it is first read; this verifies all of them again.")
        return
    bar = st.progress(0.0, "Reading …")
    started = time.monotonic()
    with reading(view.at.path):
        splits = health.verify(
            view.run.path / "log.h5",
            lambda read, total: bar.progress(read / total, f"{read} of {total} rows"),
        )
    bar.empty()
    torn = [f"{split.split} {epoch}" for split in splits for epoch in split.epochs[split.state == "torn"]]
    rows = sum(split.count("whole") + split.count("torn") for split in splits)
    took = f"Read {rows} rows (an epoch of a split each) in {time.monotonic() - started:.1f} s: "
    if torn:
        text = f"{len(torn)} damaged: {', '.join(torn[:20])}."
        st.warning(sentences.escaped(took + text), icon=":material/warning:")
    else:
        st.success(sentences.escaped(f"{took}every checksum matches."), icon=":material/check:")


def page() -> None:
    """The whole page; a part that cannot be read is left out, with the reason in the table of files."""
    view = state.view_or_none()
    run = run_of(view)
    if run is None:
        st.stop()
    files = health.files(run)
    broken = [one for one in files if one.problem]
    status(run, any(one.name in ("config.json", "log.h5") for one in broken))
    remedies(broken)
    if view is not None:
        epochs(view)
        verification(view)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        file_table(files)
    with right:
        disk_use(run)
    sections = {"Configuration": settings, "Versions": versions, "Data": data, "Corruption": corruption}
    names = [*(["Quantities"] if view else []), *sections]
    for tab, name in zip(st.tabs(names), names, strict=True):
        with tab:
            try:
                with reading(f"{name} of {run.name}"):
                    if name != "Quantities":
                        sections[name](run)
                    elif view is not None:
                        arrays(view)
            except MemgateError:
                st.caption("Cannot be read: see the table of files.")


try:
    page()
except MemgateError as error:
    state.problem(error)
