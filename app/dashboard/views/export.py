"""Export: choice of samples, shape and format; size, first rows, the equivalent command, and the download."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import streamlit as st

from app.dashboard import run_data, sentences
from app.dashboard.parts import export
from app.dashboard.parts.export import ExportChoice
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.status import save_selection
from memgate.errors import MemgateError
from probes.export.export import download_name, export_bytes, is_large
from probes.export.plan import FIXED, KINDS, ExportPlan, Schema, command_of
from probes.export.preview import Outlook
from probes.samples.cohorts import cohort_names, load_cohort

SCHEMAS = {
    "memgate": "memgate", "cleanlab": "cleanlab", "cartography": "Dataset cartography", "fiftyone": "FiftyOne",
    "tensorboard": "TensorBoard projector",
}  # fmt: skip
EPOCHS = {"all": "all", "last": "the last", "every": "every k-th", "from": "from … to …"}
# Meanings of shapes and schemas. (A comment: Streamlit shows a text that stands by itself.)
SHAPES = {
    "summary": "A row per sample: its labels and cause, its scores, and stored results of probes.",
    "long": "A row per sample and epoch: the logged quantities.",
    "matrix": "Arrays of epochs × samples: the logged quantities.",
    "gates": "Arrays of epochs × samples × channels: which channels of each gate were open, at the epochs whose gate "
    "vectors were kept (--log.gates). The rows below show the last of them, 1 for open.",
    "map": "A row per sample: its labels and cause, its place on each map of memgate probe embed, and the samples "
    "with the nearest vectors (--neighbours), with their distances.",
}
MEANINGS = {
    "cleanlab": "A row per sample: is_label_issue (cleanlab's estimate: another class than the given one is "
    "predicted), label_score (p of the given label when last seen; lower is worse), given and predicted label, and "
    "is_corrupted (the truth: given and clean label differ).",
    "cartography": "td_metrics.jsonl in the format of dataset cartography: correctness counts epochs. The logits by "
    "epoch are not in the log.",
    "fiftyone": "A folder with a PNG per sample and labels.csv, a FiftyOne CSVDataset; zipped for the browser.",
    "tensorboard": "A folder for TensorBoard's projector: points, metadata and images; zipped for the browser.",
}


def choose(label: str, options: Sequence[str], key: str, words_for: dict[str, str] | None = None) -> str:
    """A select box; its first option where the option chosen before is no longer there."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    titles = words_for or {}
    return st.selectbox(label, options, key=key, format_func=lambda one: titles.get(one) or str(one))


def samples(view: View, cohorts: list[str]) -> tuple[export.SampleChoice, str | None]:
    """Widget for the samples: the choice, and the cohort's name where a cohort is chosen."""
    options = export.sample_choices(view, cohorts)
    chosen = view.selected
    counts = {
        "all": f"all of {sentences.escaped(view.split)} ({len(view.data.cause):,})",
        "filter": f"that pass the filter ({int(view.members.sum()):,})",
        "selection": f"the selection ({len(chosen.ids) if chosen else 0:,})",
        "cohort": "a cohort",
    }
    if st.session_state.get("export_samples") not in options:
        st.session_state["export_samples"] = options[0]
    picked = st.radio(
        "Samples", options, key="export_samples", format_func=lambda one: counts[one], horizontal=True
    )
    if picked != "cohort":
        return picked, None
    return picked, choose("Cohort", cohorts, "export_cohort")


def epochs(view: View) -> str:
    """Widgets for the epochs: value of the command's option --epochs."""
    known = view.data.epochs
    if len(known) == 1:
        return "all"
    left, *right = st.columns([2, 1, 1])
    with left:
        kind = choose("Epochs", list(EPOCHS), "export_epochs", EPOCHS)
    step, first, last = 1, int(known[0]), int(known[-1])
    if kind == "every":
        step = int(right[0].number_input("Every", 1, last, min(10, last), key="export_step"))
    if kind == "from":
        first = int(right[0].number_input("From", first, last, first, key="export_first"))
        last = int(right[1].number_input("To", int(known[0]), last, last, key="export_last"))
    return export.epochs_text(kind, step, first, last)


def quantities(view: View, choice: ExportChoice) -> tuple[str, ...]:
    """Widget for the columns; () for all."""
    if choice.schema in FIXED:
        return ()
    try:
        known = export.column_names(view, replace(export.plan_of(view, choice), cohort=None, ids=None))
    except MemgateError:
        return ()  # the right side of the page shows the error
    key = "export_quantities"
    st.session_state[key] = [name for name in st.session_state.get(key, []) if name in known]
    picked = st.multiselect(
        "Quantities", known, key=key, placeholder="All" if choice.schema != "tensorboard" else "Default"
    )
    return tuple(name for name in known if name in picked)


def ask(view: View) -> ExportChoice:
    """Widgets for all choices; only valid combinations are offered."""
    cohorts = [name for name in cohort_names(view.run) if _of_split(view, name)]
    chosen, cohort = samples(view, cohorts)
    left, middle, right = st.columns([3, 4, 2])
    with left:
        schema = choose("Schema", list(get_args(Schema)), "export_schema", SCHEMAS)
    with middle:
        shape = choose("Shape", export.shapes_of(schema, view), "export_shape")
    with right:
        form = choose("Format", KINDS[schema, shape], "export_format")
    st.caption(MEANINGS.get(schema, SHAPES[shape]))
    choice = ExportChoice(chosen, cohort, schema, shape, form, epochs(view), ())
    plan = export.plan_of(view, choice)
    if plan.epoch is not None:
        effects = [f"routes are those of epoch {plan.epoch}"] if plan.filter.route != "all" else []
        effects += [f"the summary ends at epoch {plan.epoch}"] if shape == "summary" else []
        effects += [f"maps are those up to epoch {plan.epoch}"] if shape == "map" else []
        st.caption(f"Epoch set in the sidebar: {', and '.join(effects)}.")
    return replace(choice, quantities=quantities(view, choice))


def _of_split(view: View, name: str) -> bool:
    """Whether a cohort is of the split that is shown; False for a damaged one, which the sidebar reports."""
    try:
        return load_cohort(view.run, name).split == view.split
    except MemgateError:
        return False


def size(preview: Outlook) -> None:
    """Show number of samples, number of rows and size of the export."""
    cells: list[tuple[str, str]] = [
        ("Samples", f"{preview.samples:,}"),
        ("Rows", f"{preview.rows:,}"),
        ("Size", _bytes(preview.bytes)),
    ]
    for column, (label, value) in zip(st.columns(3), cells, strict=True):
        column.metric(label, value)


def _bytes(count: int) -> str:
    """An estimated size as text."""
    for unit, size_of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size_of:
            return f"≈ {count / size_of:.{0 if count >= 10 * size_of else 1}f} {unit}"
    return f"≈ {count} bytes"


def first_rows(preview: Outlook) -> None:
    """Show the first rows, and the number of columns."""
    st.dataframe(preview.first, hide_index=True, key="export_first_rows", placeholder="–", height=214)
    st.caption(f"The first {len(preview.first)} rows, {len(preview.columns)} columns.")


def download(view: View, plan: ExportPlan, preview: Outlook) -> None:
    """Show the equivalent command and the download button."""
    large = is_large(plan, preview.samples, max(1, preview.rows // max(1, preview.samples)))
    name = download_name(view.run, plan)
    st.markdown("**Equivalent command**")
    st.code(
        command_of(view.run, plan, name if plan.folder else None, large), language="bash", wrap_lines=True
    )
    if preview.bytes > export.LARGEST:
        st.info(
            f"About {_bytes(preview.bytes)[2:]}: too large for a download. The command above writes it "
            f"to {sentences.escaped(str(view.run.path / 'exports'))}, or to the path given by --out."
        )
        return
    run, log = view.run, view.log
    st.download_button(
        f"Download {sentences.escaped(name)}",
        lambda: export_bytes(run, plan, log),
        file_name=name,
        mime="application/octet-stream",
        on_click="ignore",
        type="primary",
        icon=":material/download:",
        key="export_download",
    )
    folder = "the working directory" if plan.folder else f"{run.path / 'exports'}"
    st.caption(
        f"The command writes the same bytes to {sentences.escaped(folder)}, with a .meta.json that describes them."
    )


def save_first(view: View) -> None:
    """Ask for a name for a large selection, so that a command can refer to it."""
    assert view.selected is not None
    st.info(
        f"{len(view.selected.ids):,} samples are too many for a command line: save the selection as a cohort "
        "first."
    )
    with st.form("export_save", border=False):
        name = st.text_input("Name of the cohort", key="export_name", max_chars=64)
        if st.form_submit_button("Save as a cohort", type="primary", key="export_save_it") and name:
            save_selection(view, view.selected, name)


def page() -> None:
    """The whole page."""
    view = state.view()
    if len(view.data.epochs) == 0:
        st.info("No epoch of this split has been logged yet: there is nothing to export.")
        return
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.subheader("Export", anchor=False)
        choice = ask(view)
    with right:
        try:
            show(view, choice)
        except MemgateError as error:
            state.problem(error)


def show(view: View, choice: ExportChoice) -> None:
    """Show the preview and the download of the chosen export, or ask to save the selection first."""
    if export.must_be_saved(choice, view.selected):
        save_first(view)
        return
    plan = export.plan_of(view, choice)
    preview = export.preview(view, plan, _side(view, plan) if plan.folder else 0)
    size(preview)
    download(view, plan, preview)
    first_rows(preview)


def _side(view: View, plan: ExportPlan) -> int:
    """Side of the run's images in pixels; 0 where the folder does not need them.

    Raises:
        MemgateError: the images are not available, and the folder consists of them.
    """
    try:
        return int(max(run_data.pictures(view.run, view.split).given.shape[1:3]))
    except MemgateError:
        if plan.schema == "fiftyone":
            raise
        return 0


try:
    page()
except MemgateError as error:
    state.problem(error)
