"""Writes a run as a file or folder for other programs. Same plan, same state of the run, same bytes."""

import hashlib
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from memgate import console
from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.runs.checks import check_run
from memgate.runs.json_files import read_json
from memgate.runs.run import Run
from noise.files.atomic import atomic_folder, atomic_write, is_stream, replaceable
from noise.files.json_form import json_text
from noise.files.npz import write_zip
from probes.export.files import Content, file_content
from probes.export.folders import Folder, folder_content
from probes.export.plan import ExportPlan, command_of, for_run, name_of, with_ending
from probes.export.samples import Chosen, choose
from probes.samples.notes import damaged_epochs

SCHEMA = "memgate-export/1"
CSV_ROWS = 2_000_000
"""Rows above which a long table of text needs ``yes``: it takes some 100 bytes a row."""


@dataclass(frozen=True)
class Meta:
    """The contents of ``<file>.meta.json`` beside an export."""

    schema: str
    run: str
    plan: dict[str, Any]
    """Every field of :class:`probes.export.plan.ExportPlan`."""
    file: str
    sha256: str
    """Of the file; of a folder, of its files' names and contents in the order of their names."""
    mode: str
    """``eval`` or ``online``: how the values of the training split were obtained."""
    epochs: list[int]
    """Epochs that the numbers are from."""
    samples: int
    rows: int
    columns: list[str]
    notes: list[str]
    """Sentences about values that are left out."""
    command: str
    """The command that writes the same."""


def export_run(
    run: Run,
    plan: ExportPlan | None = None,
    out: Path | str | None = None,
    yes: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write (a part of) a run as a file or folder, with ``<name>.meta.json`` beside it, and return the path.

    The export is written completely or not at all. Values that are left out are named on standard error.

    Args:
        run: a run with at least one finished epoch.
        plan: what to write. None: the summary of the training split as CSV.
        out: the file to write, whose ending names the format where the plan names none; or an existing folder to put
            it into under its default name; of a schema that is a folder, the folder to write or a ``.zip`` of it. A
            stream such as ``/dev/stdout`` gets the file alone. None: ``<run>/exports/``.
        yes: write a long table of more than :data:`CSV_ROWS` rows as text.
        overwrite: replace a file or folder that is no export of memgate (one without its ``.meta.json``).

    Returns:
        Path of the file or folder.

    Raises:
        MemgateError: a split, epoch, gate, column, cohort or sample of the plan does not exist, no sample is
            selected, there are too many rows, the ending of the file contradicts the format, the file is not
            memgate's, or it cannot be written.

    Example:
        >>> plan = ExportPlan(quantities=("cause", "gate_b3_mean", "loss_mean"))
        >>> path = export_run(run, plan, out=tmp_path / "digits.parquet")
        >>> import pandas as pd
        >>> pd.read_parquet(path).columns.tolist()
        ['sample_id', 'cause', 'gate_b3_mean', 'loss_mean']
    """
    check_run(run)
    out = None if out is None else Path(out)
    plan = plan or ExportPlan()
    if out is not None and not out.is_dir():
        plan = with_ending(plan, out)
    plan = for_run(plan, run)
    path = _destination(run, plan, out, overwrite)
    chosen = choose(run, plan)
    large = is_large(plan, len(chosen), len(chosen.snapshot.epochs))
    if large and not yes:
        rows = len(chosen) * len(chosen.snapshot.epochs)
        raise MemgateError(
            f"A long table of {run.name} as {plan.format} has {rows:,} rows, about {rows / 1e7:.1f} GB: add --yes if "
            "you want that, or take --format parquet."
        )
    content = _content(run, plan, chosen, for_program=is_stream(path))
    try:
        path.parent.mkdir(exist_ok=True)  # the run's exports/; a folder of the user's own is there already
        _write(content, path, name_of(run, plan))
        if not is_stream(path):
            try:
                meta = _meta(run, plan, chosen, content, path, command_of(run, plan, out and path, large))
                text = json_text(asdict(meta), indent=2) + "\n"
                atomic_write(_meta_path(path), lambda stream: stream.write(text.encode()))
            # A table without its meta.json is nobody's export, and would not be replaced.
            except BaseException:
                _remove(path)
                raise
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): choose another place with --out."
        ) from error
    for note in content.notes:
        console.warn(note)
    return path


def export_bytes(run: Run, plan: ExportPlan, log: SampleLog | None = None) -> bytes:
    """The bytes that :func:`export_run` would write; of a folder, those of its ``.zip``.

    Raises:
        MemgateError: as :func:`export_run` does, but for the number of rows.
    """
    plan = for_run(plan, run)
    chosen = choose(run, plan, log)
    content = _content(run, plan, chosen)
    with tempfile.TemporaryDirectory(prefix="memgate-export-") as folder:
        path = Path(folder) / download_name(run, plan)
        try:
            _write(content, path, name_of(run, plan))
            return path.read_bytes()
        except OSError as error:
            raise MemgateError(
                f"The export cannot be prepared in {folder} ({error.strerror or error})."
            ) from error


def _content(run: Run, plan: ExportPlan, chosen: Chosen, for_program: bool = False) -> Content | Folder:
    """What is written, with a note on epochs of the split that are damaged and therefore left out."""
    content = (
        folder_content(run, plan, chosen)
        if plan.folder
        else file_content(run, plan, chosen, for_program=for_program)
    )
    damaged = damaged_epochs(chosen.snapshot.log, [plan.split])
    return replace(content, notes=(*content.notes, *damaged))


def download_name(run: Run, plan: ExportPlan) -> str:
    """Name of the single file that holds an export."""
    return name_of(run, plan) + (".zip" if plan.folder else "")


def is_large(plan: ExportPlan, samples: int, epochs: int) -> bool:
    """Whether an export is a table of text so long that ``yes`` is needed."""
    return plan.shape == "long" and plan.format in ("csv", "jsonl") and samples * epochs > CSV_ROWS


def _write(content: Content | Folder, path: Path, name: str) -> None:
    """Write the file or folder; ``name`` is the name of the folder inside an archive."""
    if isinstance(content, Content):
        atomic_write(path, content.write)
    elif path.suffix == ".zip":
        with tempfile.TemporaryDirectory(prefix="memgate-export-") as folder:
            content.write(Path(folder))
            atomic_write(path, lambda stream: write_zip(stream, Path(folder), name))
    else:
        atomic_folder(path, content.write)


def _meta(
    run: Run, plan: ExportPlan, chosen: Chosen, content: Content | Folder, path: Path, line: str
) -> Meta:
    return Meta(
        SCHEMA, run.name, asdict(plan), path.name, _digest(path), chosen.snapshot.log.mode,
        chosen.snapshot.epochs.tolist(), len(chosen), content.rows, list(content.columns), list(content.notes), line,
    )  # fmt: skip


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, of its files' names and digests in the order of their names."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(f"{file.relative_to(path).as_posix()}\n{_digest(file)}\n".encode())
    return digest.hexdigest()


def _remove(path: Path) -> None:
    """Remove a file or folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _meta_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.meta.json")


def _destination(run: Run, plan: ExportPlan, out: Path | None, overwrite: bool) -> Path:
    """Path of the file or folder to write.

    Raises:
        MemgateError: its parent folder does not exist, the path exists and is no export of memgate, or it is
            something that must not be replaced, such as a device.
    """
    if out is None:
        return run.path / "exports" / name_of(run, plan)
    exported = plan.folder and _is_export(out)
    path = out / name_of(run, plan) if out.is_dir() and not exported else out
    archive = not plan.folder or path.suffix == ".zip"
    if is_stream(path):
        require(archive, f"--out {out} is a stream, and the schema {plan.schema} is a folder: name a folder.")
        return path
    require(path.parent.is_dir(), f"--out {out}: the folder {path.parent} does not exist: make it first.")
    try:
        target = replaceable(path, stat.S_IFREG if archive else stat.S_IFDIR)
    except OSError as error:
        raise MemgateError(f"--out {out}: {error.strerror}: choose another place.") from error
    require(
        overwrite or not target.exists() or _is_export(path),
        f"--out {out}: {path} exists and is no export of memgate: choose another place, or add --overwrite.",
    )
    return path


def _is_export(path: Path) -> bool:
    """Whether a file or folder was written by :func:`export_run`, which leaves its ``.meta.json`` beside it."""
    try:
        return read_json(_meta_path(path)).get("schema") == SCHEMA
    except MemgateError:
        return False
