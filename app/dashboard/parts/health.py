"""Tables of the page Log health: files, sizes, arrays, settings, versions, data, corruption."""

from typing import Any

import pandas as pd
import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.heading import heading
from app.dashboard.view.state import View
from memgate.config.json_form import flags, flat, text_of
from memgate.console import size_text
from memgate.data.sources.licences import LICENCES
from memgate.errors import reading
from memgate.runs import health
from memgate.runs.health import FileState
from memgate.runs.run import Run
from probes.report.corruption import manifest_tables


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
    heading("Disk use", f"{size_text(sum(sizes.values()))} in total")
    rows = [{"part": name, "size": size_text(count)} for name, count in sizes.items()]
    rows.append({"part": "free on this disk", "size": size_text(free)})
    _sized(rows, "disk_use")


def arrays(view: View) -> None:
    """Table of the arrays that are stored for each split."""
    with reading(view.at.path):
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
