"""Imports the authors' curves as runs, which have metrics per epoch and no log of samples."""

import shutil
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from memgate import __version__
from memgate.config.json_form import to_json
from memgate.config.names import is_name
from memgate.errors import require
from memgate.papers.author_curves import SPLITS, AuthorRun, load_curves
from memgate.runs import metrics
from memgate.runs.create import make_folder
from memgate.runs.outline import Outline
from memgate.runs.run import Run


def import_curves(path: Path, pattern: str, out: Path) -> list[Run]:
    """New runs from a file of curves; where one cannot be made, none is.

    Args:
        path: file of curves, see :func:`memgate.papers.author_curves.load_curves`.
        pattern: selects names, with ``*`` and ``?``.
        out: folder of the new runs.

    Raises:
        MemgateError: no name matches, a run exists already, the file cannot be read, or the folder not written.
    """
    author_runs = load_curves(path)
    chosen = [author_run for name, author_run in author_runs.items() if fnmatchcase(name, pattern)]
    names = list(author_runs)
    require(
        len(chosen) > 0,
        f"--runs {pattern!r} matches none of the {len(names)} runs in {path}, such as {names[0]}: use * and ?.",
    )
    taken = [out / author_run.name for author_run in chosen if (out / author_run.name).exists()]
    require(
        not taken,
        f"{taken[0] if taken else ''} exists already"
        f"{f', and {len(taken) - 1} more' if len(taken) > 1 else ''}: choose another --out, or fewer by --runs.",
    )
    unsafe = [author_run.name for author_run in chosen if not is_name(author_run.name)]
    require(not unsafe, f"{path}: {', '.join(unsafe[:1])} cannot be a folder's name.")
    made: list[Run] = []
    try:
        for author_run in chosen:
            made.append(_new_run(author_run, path, out))
    except BaseException:
        # Runs that were made before a full disk or Ctrl-C would make the repeated command fail.
        for run in made:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    return made


def metrics_rows(author_run: AuthorRun) -> list[dict[str, float]]:
    """The lines of metrics.csv: the columns of a trained run that are known, and ``SPLIT_gate_loss``."""
    columns: dict[str, Sequence[float]] = {
        "epoch": author_run.epoch.tolist(),
        "lr": author_run.lr.tolist(),
        "gate_lr": author_run.gate_lr.tolist(),
    }
    for split in SPLITS:
        columns[f"{split}_loss"] = author_run.loss[split].tolist()
        columns[f"{split}_accuracy"] = author_run.accuracy[split].tolist()
        columns[f"{split}_gate_loss"] = author_run.gate_loss[split].tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _new_run(author_run: AuthorRun, path: Path, out: Path) -> Run:
    """A complete run with the metrics of one of the authors' runs."""
    settings, last = author_run.settings, int(author_run.epoch[-1])
    outline = Outline(
        data=settings.dataset,
        model=f"entropy-gate-{settings.depth}",
        gates=(),  # gate values are in the log, which these runs do not have
        noise=(),
        seed=None,
        epochs=last,
    )
    stored = {
        "curves": to_json(outline),
        "source": str(path.expanduser().absolute()),
        "settings": {**to_json(settings), "milestones": list(author_run.milestones)},
        "environment": {"memgate": __version__, "command": sys.argv, "started_unix": time.time()},
        "digests": {},
    }

    def fill(folder: Path) -> None:
        metrics.write(folder / "metrics.csv", metrics_rows(author_run))
        Run(folder).set_status("complete", last)

    return make_folder(out / author_run.name, stored, {}, None, fill)
