"""The authors' curves as runs that can be listed: metrics by epoch, and no log, because no sample was logged."""

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
from memgate.papers.author_curves import SPLITS, Curve, load_curves
from memgate.runs import metrics
from memgate.runs.create import make_folder
from memgate.runs.outline import Outline
from memgate.runs.run import Run


def import_curves(path: Path, pattern: str, out: Path) -> list[Run]:
    """Make a run of each curve in a file: all of those asked for, or none and an error.

    Args:
        path: see :func:`memgate.papers.author_curves.load_curves`.
        pattern: of their names, with ``*`` and ``?``.
        out: folder of the runs.

    Raises:
        MemgateError: no name matches, a run of a name is there already, or the file or the folder will not do.
    """
    curves = load_curves(path)
    chosen = [curve for name, curve in curves.items() if fnmatchcase(name, pattern)]
    names = list(curves)
    require(
        len(chosen) > 0,
        f"--runs {pattern!r} matches none of the {len(names)} runs in {path}, such as {names[0]}: use * and ?.",
    )
    taken = [out / curve.name for curve in chosen if (out / curve.name).exists()]
    require(
        not taken,
        f"{taken[0] if taken else ''} exists already"
        f"{f', and {len(taken) - 1} more' if len(taken) > 1 else ''}: choose another --out, or fewer by --runs.",
    )
    unsafe = [curve.name for curve in chosen if not is_name(curve.name)]
    require(not unsafe, f"{path}: {', '.join(unsafe[:1])} cannot be a folder's name.")
    made: list[Run] = []
    try:
        for curve in chosen:
            made.append(_made(curve, path, out))
    except (
        BaseException
    ):  # a full disk, Ctrl-C: with a part of them there, the command could not be typed again
        for run in made:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    return made


def metrics_rows(curve: Curve) -> list[dict[str, float]]:
    """The lines of metrics.csv: what is known, under the names of a trained run's; ``SPLIT_gate_loss`` in addition."""
    columns: dict[str, Sequence[float]] = {
        "epoch": curve.epoch.tolist(),
        "lr": curve.lr.tolist(),
        "gate_lr": curve.gate_lr.tolist(),
    }
    for split in SPLITS:
        columns[f"{split}_loss"] = curve.loss[split].tolist()
        columns[f"{split}_accuracy"] = curve.accuracy[split].tolist()
        columns[f"{split}_gate_loss"] = curve.gate_loss[split].tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _made(curve: Curve, path: Path, out: Path) -> Run:
    setting, last = curve.setting, int(curve.epoch[-1])
    outline = Outline(
        data=setting.dataset,
        model=f"entropy-gate-{setting.depth}",
        gates=(),  # there is no log that could hold their values
        noise=(),
        seed=None,
        epochs=last,
    )
    stored = {
        "curves": to_json(outline),
        "source": str(path.expanduser().absolute()),
        "settings": {**to_json(setting), "milestones": list(curve.milestones)},
        "environment": {"memgate": __version__, "command": sys.argv, "started_unix": time.time()},
        "digests": {},
    }

    def fill(folder: Path) -> None:
        metrics.write(folder / "metrics.csv", metrics_rows(curve))
        Run(folder).set_status("complete", last)

    return make_folder(out / curve.name, stored, {}, None, fill)
