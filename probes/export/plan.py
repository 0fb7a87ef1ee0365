"""The configuration of an export: which samples, epochs and columns, in which shape, format and schema."""

import difflib
import hashlib
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tyro.conf import arg

from memgate.errors import MemgateError, require
from memgate.runs.run import Run, command
from noise.files.atomic import is_stream
from probes.samples.filters import Filter, Split

Shape = Literal["summary", "long", "matrix", "gates", "map"]
Format = Literal["csv", "parquet", "npz", "jsonl", "h5", "tsv"]
Schema = Literal["memgate", "cleanlab", "cartography", "fiftyone", "tensorboard"]

KINDS: dict[tuple[str, str], tuple[Format, ...]] = {
    ("memgate", "summary"): ("csv", "parquet", "npz", "jsonl", "h5"),
    ("memgate", "long"): ("csv", "parquet", "npz", "jsonl", "h5"),
    ("memgate", "matrix"): ("npz", "parquet", "h5"),
    ("memgate", "gates"): ("npz", "h5"),
    ("memgate", "map"): ("csv", "parquet", "npz", "jsonl", "h5"),
    ("cleanlab", "summary"): ("csv", "parquet"),
    ("cartography", "summary"): ("jsonl",),
    ("fiftyone", "summary"): ("csv",),
    ("tensorboard", "summary"): ("tsv",),
    ("tensorboard", "matrix"): ("tsv",),
}
"""Schema and shape to their formats, the default first."""

FOLDERS = ("fiftyone", "tensorboard")
"""Schemas that are a folder of files."""

FIXED = ("cleanlab", "cartography")
"""Schemas whose columns the other tool defines."""

AT_EPOCH = ("summary", "map")
"""Shapes with one row per sample, computed up to an epoch."""


@dataclass(frozen=True)
class ExportPlan:
    """What to export; equal plans of one state of a run give equal bytes.

    Example:
        The loss and the gate value of every corrupted sample at every epoch, as Parquet:

        >>> plan = ExportPlan("long", "parquet", quantities=("loss", "gate_b3"), filter=Filter("corrupted"))
        >>> plan.everything, plan.folder
        (False, False)
        >>> flags_of(plan)
        '--split train --shape long --format parquet --cause corrupted --quantities loss gate_b3'
    """

    # The docstrings of the fields are the help texts of the command line.
    shape: Shape = "summary"
    """summary: one row per sample; long: one per sample and epoch; matrix: arrays [epochs, samples]; gates: arrays
    [epochs, samples, channels] of which channels of each gate were open, at the epochs kept by --log.gates; map: one
    row per sample with its place on each map of memgate probe embed, and its neighbours."""
    format: Format | None = None
    """File format. None: csv; npz for matrix and gates; with another tool's schema, the format of that tool."""
    split: Split = "train"
    """Split of the data."""
    schema: Schema = "memgate"
    """Whose columns: memgate's, or those of another tool; fiftyone and tensorboard are folders with images."""
    quantities: tuple[str, ...] = ()
    """Only these columns (of gates: only these gates), besides those that identify a sample. Empty: all."""
    epochs: str = "all"
    """Epochs: all, last, every:5, 10-20 or 1,5,10; a summary is computed from these."""
    epoch: int | None = None
    """Epoch at which the route is determined; a summary uses no later epoch, and map no later map. None: the last of
    the epochs."""
    filter: Filter = field(default_factory=Filter)
    gate: str | None = None
    """Gate that determines the route, and whose trajectory tensorboard shows. None: the last gate."""
    cohort: str | None = None
    """Only samples of this cohort, saved in the dashboard (cohorts/NAME.json in the run)."""
    ids: Annotated[tuple[int, ...] | None, arg(metavar="INT [INT ...]")] = None
    """Only the samples with these ids, at least one. None: any."""
    neighbours: int = 5
    """map only: nearest other samples of each sample, by the vectors that were mapped and not by the map; 0 for none,
    100 at most."""

    @property
    def folder(self) -> bool:
        """Whether the export is a folder of files."""
        return self.schema in FOLDERS

    @property
    def everything(self) -> bool:
        """Whether no sample, epoch or column is left out."""
        whole = replace(ExportPlan(), shape=self.shape, format=self.format, split=self.split)
        return replace(self, schema="memgate") == whole


def checked(plan: ExportPlan) -> ExportPlan:
    """The plan with its default format filled in.

    Raises:
        MemgateError: there is no such schema, shape or format, or they do not go together.
    """
    schemas = get_args(Schema)
    require(
        plan.schema in schemas,
        f"There is no schema {plan.schema!r} to export in: take {', '.join(schemas)}.",
    )
    require(
        plan.shape in get_args(Shape),
        f"There is no shape {plan.shape!r} to export: take {', '.join(get_args(Shape))}.",
    )
    require(
        plan.format is None or plan.format in get_args(Format),
        f"There is no format {plan.format!r} to export to: take {', '.join(get_args(Format))}.",
    )
    formats = KINDS.get((plan.schema, plan.shape))
    if formats is None:
        shapes = [shape for schema, shape in KINDS if schema == plan.schema]
        raise MemgateError(f"The schema {plan.schema} has no shape {plan.shape}: take {' or '.join(shapes)}.")
    if plan.format is not None and plan.format not in formats:
        reason = (
            " (a matrix is not flat: --shape long is)" if plan.shape == "matrix" and len(formats) > 1 else ""
        )
        raise MemgateError(
            f"The shape {plan.shape} of the schema {plan.schema} is not written as {plan.format}{reason}: take "
            f"{' or '.join(formats)}."
        )
    require(
        plan.schema not in FIXED or not plan.quantities,
        f"The columns of {plan.schema} are fixed: leave --quantities out.",
    )
    require(
        plan.ids is None or len(plan.ids) > 0,
        "ids is empty, so no sample would be exported: name at least one, or leave ids out for all.",
    )
    require(0 <= plan.neighbours <= 100, f"--neighbours {plan.neighbours} must be from 0 to 100.")
    require(
        plan.shape == "map" or plan.neighbours == ExportPlan.neighbours,
        f"--neighbours is for --shape map only: leave it out for {plan.shape}.",
    )
    return replace(plan, format=plan.format or formats[0])


def with_ending(plan: ExportPlan, out: Path) -> ExportPlan:
    """The plan with the format that the ending of the file to write names, where the plan names none.

    Args:
        plan: what to export.
        out: the file to write.

    Raises:
        MemgateError: the plan names another format than the ending, or neither names one.
    """
    ending = out.suffix.lower().removeprefix(".")
    if plan.folder or is_stream(out):
        return plan
    if ending in get_args(Format):
        require(
            plan.format in (None, ending),
            f"--out {out} ends in .{ending} and --format is {plan.format}: leave --format out, or change the ending.",
        )
        return replace(plan, format=ending)
    require(
        plan.format is not None or not ending,
        f"--out {out} ends in .{ending}, which is none of the formats {', '.join(get_args(Format))}: change the "
        "ending, or name the format with --format.",
    )
    return plan


def for_run(plan: ExportPlan, run: Run) -> ExportPlan:
    """The plan with its default format filled in and its classes as they are recorded.

    Raises:
        MemgateError: see :func:`checked`; or the run has no such class.
    """
    if plan.filter.classes:
        plan = replace(plan, filter=plan.filter.recorded(run.sample_log().class_names))
    return checked(plan)


def chosen_epochs(text: str, epochs: NDArray[np.integer]) -> NDArray[np.integer]:
    """The epochs that a text selects, [E'], rising, at least one.

    Args:
        text: ``all``, ``last``, ``every:K`` (multiples of K, and the last), ``A-B`` (both included) or ``A,B,C``.
        epochs: [E] the available epochs, rising, at least one.

    Raises:
        MemgateError: the text has another form, or selects an epoch that is not available.
    """
    listed = len(epochs) <= 12 and len(epochs) <= epochs[-1] - epochs[0]  # few, and some are left out between
    available = f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
    available = ", ".join(map(str, epochs)) if listed else available
    if text == "all":
        return epochs
    if text == "last":
        return epochs[-1:]
    if match := re.fullmatch(r"every:([1-9]\d{0,8})", text):
        return epochs[(epochs % int(match[1]) == 0) | (epochs == epochs[-1])]
    if match := re.fullmatch(r"(\d{1,9})-(\d{1,9})", text):
        between = epochs[(epochs >= int(match[1])) & (epochs <= int(match[2]))]
        require(
            len(between) > 0, f"--epochs {text}: none of them is among the available epochs, {available}."
        )
        return between
    if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text):
        wanted = np.unique([int(number) for number in text.split(",")])
        missing = np.setdiff1d(wanted, epochs)
        require(
            len(missing) == 0,
            f"--epochs {text}: {', '.join(map(str, missing[:5]))} is not among the available epochs, {available}.",
        )
        return epochs[np.isin(epochs, wanted)]
    raise MemgateError(f"--epochs {text[:80]}: take all, last, every:5, 10-20 or 1,5,10.")


def chosen_columns(quantities: Sequence[str], known: Collection[str]) -> list[str]:
    """The selected columns in the order of ``known``; an empty selection means all.

    Raises:
        MemgateError: a column is not known.
    """
    for name in quantities:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"take {', '.join(known)}."
            raise MemgateError(f"--quantities {name[:80]}: there is no such column here: {hint}")
    return [name for name in known if not quantities or name in quantities]


def flags_of(plan: ExportPlan) -> str:
    """The flags that follow ``memgate export RUN``; defaults are left out."""
    plan = checked(plan)
    parts = [f"--split {plan.split} --shape {plan.shape} --format {plan.format}"]
    single = {
        "schema": None if plan.schema == "memgate" else plan.schema,
        "epochs": None if plan.epochs == "all" else plan.epochs,
        "epoch": plan.epoch,
        "cause": None if plan.filter.cause == "all" else plan.filter.cause,
        "route": None if plan.filter.route == "all" else plan.filter.route,
        "gate": plan.gate,
        "cohort": plan.cohort,
        "neighbours": None if plan.neighbours == ExportPlan.neighbours else plan.neighbours,
    }
    parts += [f"--{name} {shlex.quote(str(value))}" for name, value in single.items() if value is not None]
    several = {"quantities": plan.quantities, "classes": plan.filter.classes, "ids": plan.ids or ()}
    parts += [
        f"--{name} {' '.join(shlex.quote(str(value)) for value in values)}"
        for name, values in several.items()
        if values
    ]
    return " ".join(parts)


def command_of(run: Run, plan: ExportPlan, out: Path | str | None = None, yes: bool = False) -> str:
    """The command line that writes the same bytes, quoted for a shell.

    Args:
        run: the exported run.
        plan: what is exported.
        out: where it is written; None for the run's ``exports/``.
        yes: whether the export is so large that ``--yes`` is needed.
    """
    place = "" if out is None else f" --out {shlex.quote(str(out))}"
    return f"{command('export', run.path)} {flags_of(plan)}{place}{' --yes' if yes else ''}"


def name_of(run: Run, plan: ExportPlan) -> str:
    """Name of the file or folder; a part of a run has a hash in its name, so that it replaces no other part."""
    plan = checked(plan)
    parts = [run.name, plan.split, *(() if plan.schema == "memgate" else (plan.schema,)), plan.shape]
    if not plan.everything:
        parts.append(hashlib.sha256(flags_of(plan).encode()).hexdigest()[:8])
    return "-".join(parts) + ("" if plan.folder else f".{plan.format}")
