"""What an export holds: which samples, epochs and quantities, as which table, and the command that says the same."""

import difflib
import hashlib
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from memgate.runs.run import Run, command
from probes.samples.filters import Filter

Shape = Literal["summary", "long", "matrix"]
Format = Literal["csv", "parquet", "npz", "jsonl", "h5", "tsv"]
Schema = Literal["memgate", "cleanlab", "cartography", "fiftyone", "tensorboard"]

KINDS: dict[tuple[str, str], tuple[Format, ...]] = {
    ("memgate", "summary"): ("csv", "parquet", "npz", "jsonl", "h5"),
    ("memgate", "long"): ("csv", "parquet", "npz", "jsonl", "h5"),
    ("memgate", "matrix"): ("npz", "parquet", "h5"),
    ("cleanlab", "summary"): ("csv", "parquet"),
    ("cartography", "summary"): ("jsonl",),
    ("fiftyone", "summary"): ("csv",),
    ("tensorboard", "summary"): ("tsv",),
    ("tensorboard", "matrix"): ("tsv",),
}
"""Schema and shape to the formats that there are of them, the usual one first."""

FOLDERS = ("fiftyone", "tensorboard")
"""Schemas that are a folder of files."""

FIXED = ("cleanlab", "cartography")
"""Schemas whose columns another tool has decided."""


@dataclass(frozen=True)
class ExportPlan:
    """What is asked for; equal plans of one state of a run give equal bytes."""

    shape: Shape = "summary"
    """``summary`` (a row per sample), ``long`` (a row per sample and epoch) or ``matrix`` (arrays [E, N])."""
    format: Format | None = None
    """None: the first of :data:`KINDS`."""
    split: str = "train"
    schema: Schema = "memgate"
    quantities: tuple[str, ...] = ()
    """Names of columns; () for all."""
    epochs: str = "all"
    """``all``, ``last``, ``every:K``, ``A-B`` or ``A,B,C``: those that a long table or a matrix has, and those that
    a summary is computed from."""
    epoch: int | None = None
    """Where a sample's route is judged; a summary has no later epoch. None: the last one of :attr:`epochs`."""
    filter: Filter = field(default_factory=Filter)
    gate: str | None = None
    """Whose route the filter means. None: the last gate's."""
    cohort: str | None = None
    """Only samples of this cohort of the run."""
    ids: tuple[int, ...] = ()
    """Only these samples; () for any."""

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
    """The plan with its format.

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
        why = (
            " (a matrix is not flat: --shape long is)" if plan.shape == "matrix" and len(formats) > 1 else ""
        )
        raise MemgateError(
            f"The shape {plan.shape} of the schema {plan.schema} is not written as {plan.format}{why}: take "
            f"{' or '.join(formats)}."
        )
    require(
        plan.schema not in FIXED or not plan.quantities,
        f"The columns of {plan.schema} are fixed: leave --quantities out.",
    )
    return replace(plan, format=plan.format or formats[0])


def chosen_epochs(text: str, epochs: NDArray[np.integer]) -> NDArray[np.integer]:
    """The epochs that a plan means.

    Args:
        text: ``all``, ``last``, ``every:K`` (the epochs that K divides, and the last), ``A-B`` (both included) or
            ``A,B,C``.
        epochs: [E] those that can be meant, rising, at least one.

    Returns:
        [E'] of them, rising, at least one.

    Raises:
        MemgateError: it says something else, or means epochs that there are not.
    """
    known = f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
    if text == "all":
        return epochs
    if text == "last":
        return epochs[-1:]
    if found := re.fullmatch(r"every:([1-9]\d{0,8})", text):
        return epochs[(epochs % int(found[1]) == 0) | (epochs == epochs[-1])]
    if found := re.fullmatch(r"(\d{1,9})-(\d{1,9})", text):
        inside = epochs[(epochs >= int(found[1])) & (epochs <= int(found[2]))]
        require(len(inside) > 0, f"--epochs {text}: none of them is among those that can be meant, {known}.")
        return inside
    if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text):
        wanted = np.unique([int(one) for one in text.split(",")])
        missing = np.setdiff1d(wanted, epochs)
        require(
            len(missing) == 0,
            f"--epochs {text}: {', '.join(map(str, missing[:5]))} is not among the epochs that can be meant, {known}.",
        )
        return epochs[np.isin(epochs, wanted)]
    raise MemgateError(f"--epochs {text[:80]}: take all, last, every:5, 10-20 or 1,5,10.")


def chosen_columns(quantities: Sequence[str], known: Collection[str]) -> list[str]:
    """The known columns that are wanted, in the order in which they are known; () means all.

    Raises:
        MemgateError: one is not known.
    """
    for name in quantities:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"take {', '.join(known)}."
            raise MemgateError(f"--quantities {name[:80]}: there is no such column here: {hint}")
    return [name for name in known if not quantities or name in quantities]


def class_numbers(names: Sequence[str], class_names: Sequence[str]) -> tuple[int, ...]:
    """Classes, each by its number or its name, as numbers.

    Raises:
        MemgateError: there is no such class.
    """
    found = []
    for name in names:
        number = int(name) if name.isascii() and name.isdecimal() else -1
        if name in class_names:
            number = list(class_names).index(name)
        require(
            0 <= number < len(class_names),
            f"--classes {name[:80]}: the classes are 0 to {len(class_names) - 1}, {', '.join(class_names[:20])}"
            + (", ..." if len(class_names) > 20 else "."),
        )
        found.append(number)
    return tuple(found)


def flags_of(plan: ExportPlan) -> str:
    """What stands behind ``memgate export RUN``; what is left as it is by default is left out."""
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
    }
    parts += [f"--{name} {shlex.quote(str(value))}" for name, value in single.items() if value is not None]
    several = {"quantities": plan.quantities, "classes": plan.filter.classes, "ids": plan.ids}
    parts += [
        f"--{name} {' '.join(shlex.quote(str(one)) for one in values)}"
        for name, values in several.items()
        if values
    ]
    return " ".join(parts)


def command_of(run: Run, plan: ExportPlan, out: Path | str | None = None, yes: bool = False) -> str:
    """The command line that writes the same bytes, as it can be typed in a shell.

    Args:
        run: whose export.
        plan: what is in it.
        out: where it goes; None for the run's ``exports/``.
        yes: whether it is as large as must be asked for twice.
    """
    place = "" if out is None else f" --out {shlex.quote(str(out))}"
    return f"{command('export', run.path)} {flags_of(plan)}{place}{' --yes' if yes else ''}"


def name_of(run: Run, plan: ExportPlan) -> str:
    """Name of the file or folder; a part of a run has a number of its own, so that it replaces no other part."""
    plan = checked(plan)
    parts = [run.name, plan.split, *(() if plan.schema == "memgate" else (plan.schema,)), plan.shape]
    if not plan.everything:
        parts.append(hashlib.sha256(flags_of(plan).encode()).hexdigest()[:8])
    return "-".join(parts) + ("" if plan.folder else f".{plan.format}")
