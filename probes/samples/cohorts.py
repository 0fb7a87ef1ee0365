"""Named sets of samples of a run, kept in its ``cohorts/<name>.json`` (format memgate-cohort/1). No torch."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memgate.errors import MemgateError, require
from memgate.runs.run import Run
from noise.files.atomic import atomic_write

SCHEMA = "memgate-cohort/1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Cohort:
    """Chosen samples of one split of one run, and how they were chosen."""

    name: str
    split: str
    sample_ids: tuple[int, ...]
    """Rising, each once."""
    how: str
    """In words, such as ``g in [0.80, 1.00] at any of the epochs 10 to 20``."""


def cohort_names(run: Run) -> list[str]:
    """Names of a run's cohorts, in the alphabet's order."""
    return sorted(path.stem for path in (run.path / "cohorts").glob("*.json") if NAME.fullmatch(path.stem))


def save_cohort(run: Run, cohort: Cohort) -> Path:
    """Keep a cohort under its name, in the place of one of the same name.

    Raises:
        MemgateError: the name is none, nobody is in it, or it cannot be written.
    """
    path = _path(run, cohort.name)
    require(
        len(cohort.sample_ids) > 0, f"The cohort {cohort.name} would be empty: select some samples first."
    )
    content = {"schema": SCHEMA, "run": run.name, **asdict(cohort)}
    content["sample_ids"] = sorted({int(one) for one in cohort.sample_ids})
    try:
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, lambda stream: stream.write((json.dumps(content) + "\n").encode()))
    except OSError as error:
        raise MemgateError(f"{path} cannot be written ({error.strerror or error}).") from error
    return path


def load_cohort(run: Run, name: str) -> Cohort:
    """A run's cohort by its name.

    Raises:
        MemgateError: there is none of that name, or its file is damaged.
    """
    path = _path(run, name)
    if not path.is_file():
        known = ", ".join(cohort_names(run)) or "none yet"
        raise MemgateError(f"{run.name} has no cohort {name!r}: it has {known}.")
    try:
        found = json.loads(path.read_text())
        if found["schema"] != SCHEMA:
            raise ValueError(f"format {found['schema']!r}")
        ids = tuple(_ids(found["sample_ids"]))
        return Cohort(name, str(found["split"]), ids, str(found["how"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MemgateError(f"{path} is damaged ({error}): remove it, and save the cohort again.") from error


def _ids(found: Sequence[int]) -> list[int]:
    if not all(type(one) is int for one in found):
        raise ValueError("ids that are no whole numbers")
    return sorted(set(found))


def _path(run: Run, name: str) -> Path:
    require(
        NAME.fullmatch(name) is not None,
        f"{name[:80]!r} is no name for a cohort: take up to 64 letters, digits, dots, dashes and underscores.",
    )
    return run.path / "cohorts" / f"{name}.json"
