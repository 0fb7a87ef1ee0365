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
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.config.json_form import flags, flat, text_of
from memgate.data.sources.licences import LICENCES
from memgate.errors import MemgateError
from memgate.log.format import SCHEMA
from memgate.runs import health
from memgate.runs.health import FileState, SplitHealth
from memgate.runs.run import Run
from probes.report.corruption import manifest_tables


def size_text(count: int) -> str:
    """A size in bytes as text with a unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


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
        command = "" if damaged else health.go_on_command(run, current.shown)
    except MemgateError:
        return  # shown in the table of files
    text = f"{current.shown}, epoch {current.epoch} of {current.epochs}"
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


def file_table(files: tuple[FileState, ...]) -> None:
    """Table of the files with size and state."""
    heading("Files")
    rows = [
        {
            "file": one.name,
            "size": "–" if one.bytes is None else size_text(one.bytes),
            "state": "cannot be read" if one.problem else "can be read",
        }
        for one in files
    ]
    _sized(rows, "files")


def _sized(rows: list[dict[str, Any]], key: str) -> None:
    """Show a table with a column of sizes."""
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=key,
        column_config={"size": st.column_config.TextColumn(alignment="right")},
    )


def disk_use(run: Run) -> None:
    """Table of the disk use of the run's parts, and the space left."""
    sizes = {name: count for name, count in health.sizes(run.path).items() if count}
    free = health.free_bytes(run.path)
    heading("Disk use", f"{sentences.escaped(size_text(sum(sizes.values())))} in total")
    rows = [{"part": name, "size": size_text(count)} for name, count in sizes.items()]
    rows.append({"part": "free on this disk", "size": size_text(free)})
    _sized(rows, "disk_use")


def epochs(view: View) -> None:
    """Chart and table of the planned epochs of each split, and their state."""
    log = view.log
    st.markdown(
        sentences.escaped(f"Log mode {log.mode}, {len(log.gates)} gate{'' if len(log.gates) == 1 else 's'}, ")
        + sentences.escaped(f"{len(log.class_names)} classes, format {SCHEMA}"),
        help=definitions("log mode"),
    )
    with run_folders.reading(view.at.path):
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
    with run_folders.reading(view.at.path):
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


def arrays(view: View) -> None:
    """Table of the arrays that are stored for each split."""
    with run_folders.reading(view.at.path):
        stored = health.stored_arrays(view.log)
    rows = [
        {
            "split": one.split,
            "quantity": one.name,
            "type": one.dtype,
            "shape": " × ".join(map(str, one.shape)),
            "size": size_text(one.bytes),
            "meaning": one.meaning,
        }
        for one in stored
    ]
    _sized(rows, "arrays")


def settings(run: Run) -> None:
    """Table of the configuration, or of the outline and settings of a recorded run."""
    if run.recorded:
        st.caption("Recorded by another program, which gave this outline and these settings.")
        values = {**flags(run.outline), **{f"settings.{name}": one for name, one in run.settings.items()}}
    else:
        values = flags(run.config)
    _pairs(values, "setting", "config")


def versions(run: Run) -> None:
    """Table of versions, machine and command."""
    _pairs(run.environment, "what", "environment")


def data(run: Run) -> None:
    """Table of the data set, its licence and digests."""
    name = run.outline.data
    licence = LICENCES.get(name, "not known to memgate: these are images of your own")
    rows = {"data set": name, "licence": licence}
    rows |= {f"SHA-256 of {split}, images and labels on disk": one for split, one in run.digests.items()}
    _pairs(rows, "what", "data")


def corruption(run: Run) -> None:
    """Tables of the corruption of each split, in numbers."""
    for split, manifest in run.manifests.items():
        for table in manifest_tables(manifest)[:3]:
            st.caption(sentences.escaped(f"{split}. {table.title}"))
            st.dataframe(
                pd.DataFrame(table.rows, columns=list(table.headers)),
                hide_index=True,
                key=f"corruption_{split}_{table.title}",
            )


def _pairs(values: dict[str, Any], what: str, key: str) -> None:
    rows = [(name, text_of(value)) for name, value in flat(values).items()]
    st.dataframe(pd.DataFrame(rows, columns=[what, "value"]), hide_index=True, key=key)


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
                with run_folders.reading(f"{name} of {run.name}"):
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
