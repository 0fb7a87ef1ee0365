"""Log health: is everything of a run there and whole, how large is it, and what was it made with?"""

import time
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.charts import health as charts
from app.dashboard.charts.layout import CONFIG
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
    """A size in bytes for people."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


def run_of(view: View | None) -> Run | None:
    """The run, also one that cannot be shown; None where there is none, which the sidebar has said."""
    if view is not None:
        return view.run
    name = st.query_params.get("run")
    found = {run.name: run for run in run_folders.runs(state.root())}
    return found.get(name or "")


def status(run: Run, damaged: bool) -> None:
    """How far it is, and how it can go on."""
    try:
        found = run_folders.status(run)
        command = "" if damaged else health.go_on_command(run, found.shown)
    except MemgateError:
        return  # the table of files says it
    told = f"{found.shown}, epoch {found.epoch} of {found.epochs}"
    told += f": {found.message}" if found.message else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.updated)) if found.updated else "unknown"
    st.markdown(f"**{sentences.escaped(run.name)}** · {sentences.escaped(f'{told} (written {when})')}")
    if command:
        st.caption("It has not ended. To go on with it:")
        st.code(command, language="python" if run.recorded else "bash")


def remedies(broken: list[FileState]) -> None:
    """What is wrong with files, and what to do about each."""
    for one in broken:
        st.warning(
            sentences.escaped(f"{one.name} cannot be read: {one.problem.rstrip('.')}. {one.remedy}"),
            icon=":material/build:",
        )
        if one.command:
            st.code(one.command, language="bash")


def file_table(files: tuple[FileState, ...]) -> None:
    """Every file by itself."""
    st.markdown("**Files**")
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
    """A table with a column of sizes."""
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key=key,
        column_config={"size": st.column_config.TextColumn(alignment="right")},
    )


def room(run: Run) -> None:
    """What it takes, and what is left."""
    sizes = {name: count for name, count in health.sizes(run.path).items() if count}
    free = health.free_bytes(run.path)
    st.markdown(f"**Room** · {sentences.escaped(size_text(sum(sizes.values())))} in all")
    rows = [{"part": name, "size": size_text(count)} for name, count in sizes.items()]
    rows.append({"part": "free on this disk", "size": size_text(free)})
    _sized(rows, "room")


def epochs(view: View) -> None:
    """The planned epochs, split by split."""
    log = view.log
    st.markdown(
        sentences.escaped(f"Log mode {log.mode}, {len(log.gates)} gate{'' if len(log.gates) == 1 else 's'}, ")
        + sentences.escaped(f"{len(log.class_names)} classes, format {SCHEMA}")
    )
    with run_folders.reading(view.at.path):
        splits = [health.split_health(log, split) for split in log.splits]
    st.markdown("**Planned epochs and what is in the log**")
    st.plotly_chart(
        charts.strip(splits),
        key="strip",
        config=CONFIG,
        alt="A mark for each planned epoch of each split: whole, damaged, or not logged",
    )
    st.dataframe(pd.DataFrame([_row(split) for split in splits]), hide_index=True, key="epochs")
    st.caption(
        "Whole: committed, and its checksum agrees. Damaged epochs were changed after they were written; they are "
        "left out everywhere. Seen: how many of the samples an epoch has gone through."
    )
    if any(split.count("torn") for split in splits):
        st.warning(
            "Epochs of this log are damaged: put back a copy of log.h5, or train again what is needed of them. The "
            "other epochs are not affected. If it happens again, check the disk.",
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
        "seen, least": f"{seen.min():,.0f}" if len(seen) else "–",
        "seen, mean": f"{seen.mean():,.1f} ({seen.mean() / split.samples:.1%})" if len(seen) else "–",
        "damaged epochs": ", ".join(map(str, split.epochs[split.state == "torn"][:20])) or "none",
    }


def verification(view: View) -> None:
    """Every checksum anew, on request."""
    if not st.button("Read everything again and check it", key="verify", icon=":material/fact_check:"):
        st.caption("Checksums are computed once for each epoch and server; this computes them all now.")
        return
    bar = st.progress(0.0, "Reading …")
    begun = time.monotonic()
    with run_folders.reading(view.at.path):
        splits = health.verify(
            view.run.path / "log.h5",
            lambda read, total: bar.progress(read / total, f"{read} of {total} rows"),
        )
    bar.empty()
    torn = [f"{split.split} {epoch}" for split in splits for epoch in split.epochs[split.state == "torn"]]
    rows = sum(split.count("whole") + split.count("torn") for split in splits)
    took = f"Read {rows} rows (an epoch of a split each) in {time.monotonic() - begun:.1f} s: "
    if torn:
        told = f"{len(torn)} damaged: {', '.join(torn[:20])}."
        st.warning(sentences.escaped(took + told), icon=":material/warning:")
    else:
        st.success(sentences.escaped(f"{took}every checksum agrees."), icon=":material/check:")


def arrays(view: View) -> None:
    """What is stored of each split."""
    with run_folders.reading(view.at.path):
        found = health.stored_arrays(view.log)
    rows = [
        {
            "split": one.split,
            "quantity": one.name,
            "type": one.dtype,
            "shape": " × ".join(map(str, one.shape)),
            "size": size_text(one.bytes),
            "meaning": one.meaning,
        }
        for one in found
    ]
    _sized(rows, "arrays")


def settings(run: Run) -> None:
    """The configuration, or what a recorded run was said to be."""
    if run.recorded:
        st.caption("Recorded by another program: what it said of itself, and its settings.")
        values = {**flags(run.outline), **{f"settings.{name}": one for name, one in run.settings.items()}}
    else:
        values = flags(run.config)
    _pairs(values, "setting", "config")


def versions(run: Run) -> None:
    """Versions, machine and command."""
    _pairs(run.environment, "what", "environment")


def data(run: Run) -> None:
    """Which data, by its digests."""
    name = run.outline.data
    licence = LICENCES.get(name, "not known to memgate: these are pictures of your own")
    rows = {"data set": name, "licence": licence}
    rows |= {f"SHA-256 of {split}, images and labels on disk": one for split, one in run.digests.items()}
    _pairs(rows, "what", "data")


def corruption(run: Run) -> None:
    """What was done, in numbers."""
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
    """The whole page; what cannot be read is left out, and the table of files says why."""
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
        room(run)
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
                st.caption("It cannot be read: see the table of files.")


try:
    page()
except MemgateError as error:
    state.problem(error)
