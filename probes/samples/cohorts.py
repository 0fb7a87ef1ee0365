"""Named sets of samples (cohorts) of a run, stored in its ``cohorts/<name>.json`` (memgate-cohort/1). No torch."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memgate.errors import MemgateError, require
from memgate.runs.run import Run
from noise.files.atomic import atomic_write
from noise.files.json_form import json_text
from noise.files.schema import is_newer, other_format

SCHEMA = "memgate-cohort/1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Cohort:
    """Selected samples of one split of one run, and how they were selected."""

    name: str
    split: str
    sample_ids: tuple[int, ...]
    """In ascending order, without duplicates."""
    how: str
    """The selection in words, such as ``g in [0.80, 1.00] at any of the epochs 10 to 20``."""


def cohort_names(run: Run) -> list[str]:
    """Names of a run's cohorts in alphabetical order."""
    return sorted(path.stem for path in (run.path / "cohorts").glob("*.json") if NAME.fullmatch(path.stem))


def save_cohort(run: Run, cohort: Cohort) -> Path:
    """Store a cohort under its name, replacing one of the same name.

    Returns:
        Its file.

    Raises:
        MemgateError: the name is invalid, the cohort is empty, or it cannot be written.
    """
    path = _path(run, cohort.name)
    require(
        len(cohort.sample_ids) > 0, f"The cohort {cohort.name} would be empty: select some samples first."
    )
    content = {"schema": SCHEMA, "run": run.name, **asdict(cohort)}
    content["sample_ids"] = sorted({int(sample_id) for sample_id in cohort.sample_ids})
    try:
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, lambda stream: stream.write((json_text(content) + "\n").encode()))
    except OSError as error:
        raise MemgateError(f"{path} cannot be written ({error.strerror or error}).") from error
    return path


def load_cohort(run: Run, name: str) -> Cohort:
    """The cohort of a run with a given name.

    Raises:
        MemgateError: the run has no cohort of that name, or its file is damaged.
    """
    path = _path(run, name)
    if not path.is_file():
        known = ", ".join(cohort_names(run)) or "none yet"
        raise MemgateError(f"{run.name} has no cohort {name!r}: it has {known}.")
    try:
        content = json.loads(path.read_text())
        if is_newer(content["schema"], SCHEMA):
            raise MemgateError(other_format(path, content["schema"], SCHEMA, ""))
        if content["schema"] != SCHEMA:
            raise ValueError(f"format {content['schema']!r}")
        ids = tuple(_ids(content["sample_ids"]))
        return Cohort(name, str(content["split"]), ids, str(content["how"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MemgateError(f"{path} is damaged ({error}): remove it, and save the cohort again.") from error


def _ids(sample_ids: Sequence[int]) -> list[int]:
    if not all(type(sample_id) is int for sample_id in sample_ids):
        raise ValueError("sample_ids are not all whole numbers")
    return sorted(set(sample_ids))


def _path(run: Run, name: str) -> Path:
    require(
        NAME.fullmatch(name) is not None,
        f"{name[:80]!r} is no name for a cohort: use up to 64 letters, digits, dots, dashes and underscores.",
    )
    return run.path / "cohorts" / f"{name}.json"
