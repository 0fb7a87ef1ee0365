"""A sweep: the runs of a grid of settings and seeds, their names, and the file that lists them. Imports no torch."""

import csv
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memgate.config.flags import changed
from memgate.config.json_form import differing, flags, from_json, to_json
from memgate.config.names import fitted
from memgate.config.run import RunConfig
from memgate.errors import MemgateError, require
from memgate.runs.json_files import read_json, write_json
from memgate.runs.run import Run, is_run
from noise.files.lock import locked_folder
from noise.files.schema import other_format

SCHEMA = "memgate-sweep/1"

ENDING = ".sweep.json"
"""Ending of the name of a sweep's file."""

NOT_VARIED = {
    "name": "the runs are named by what is varied",
    "out": "the runs of a sweep lie together",
    "seed": "give the seeds by --seeds 0,1,2",
}
"""Flags that --over cannot vary, and the reason."""

PLACES = ("name", "out", "seed", "device", "data.root")
"""Flags that may differ between two starts of a sweep: places, and values of a single run."""


MOST_RUNS = 10_000
"""Largest number of runs of a sweep."""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep."""

    name: str
    point: dict[str, str]
    """Varied flag to its value as text, see :func:`value_text`."""
    seed: int


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep's file."""

    name: str
    recipe: str
    """Name of the recipe that the base is taken from."""
    base: RunConfig
    """The settings that all runs share."""
    runs: tuple[SweepRun, ...]
    schema: str = SCHEMA

    @property
    def varied(self) -> tuple[str, ...]:
        """The varied flags, in order; empty where only the seeds differ."""
        return tuple(self.runs[0].point)


def sweep_path(out: Path, name: str) -> Path:
    """The sweep's file, in the folder of its runs."""
    return out / f"{name}{ENDING}"


def parse_axis(text: str) -> tuple[str, tuple[str, ...]]:
    """The flag (with underscores) and the values of one ``--over``, as they would be typed on the command line.

    Args:
        text: ``FLAG=V1,V2``, values separated by commas. A value that contains a comma is written in double quotes,
            the items of a list are separated by spaces, and an empty value is an empty list:
            ``train.milestones=30 45,40 50``, ``model.gate.blocks=b3,"b2,b3"``, ``noise=,symmetric:0.4``.

    Raises:
        MemgateError: the text has another form, or the flag cannot be varied.
    """
    flag, equals, values = text.partition("=")
    flag = flag.strip().removeprefix("--").replace("-", "_")
    require(
        bool(equals and flag),
        f"--over {text!r} has another form than FLAG=V1,V2, such as train.lr=0.1,0.05.",
    )
    require(flag not in NOT_VARIED, f"--over {flag} cannot be varied: {NOT_VARIED.get(flag)}.")
    try:
        fields = next(csv.reader([values], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise MemgateError(f"--over {text!r} cannot be read ({error}): close the quotation mark.") from error
    return flag, tuple(value.strip() for value in fields or [""])  # csv reads an empty line as no field


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of ``--seeds 0,1,2``.

    Raises:
        MemgateError: the text is not a list of distinct whole numbers.
    """
    words = [word.strip() for word in text.split(",")]
    require(
        all(word.isascii() and word.isdecimal() and len(word) <= 19 for word in words),
        f"--seeds {text!r} is not a list of seeds: give whole numbers from 0, separated by commas, such as 0,1,2.",
    )
    seeds = tuple(map(int, words))
    require(len(set(seeds)) == len(seeds), f"--seeds {text} names a seed twice: give each once.")
    return seeds


def value_text(value: Any) -> str:
    """A flag's JSON value as text: list items separated by spaces, ``none`` for None and for an empty list."""
    if isinstance(value, list):
        return " ".join(map(value_text, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def plan(
    recipe: str, base: RunConfig, over: Sequence[str], seeds: Sequence[int]
) -> tuple[Sweep, list[RunConfig]]:
    """The sweep over a grid, and the configuration of each of its runs.

    Args:
        recipe: name of the recipe; the sweep's name where the base has none.
        base: the settings that all runs share.
        over: the varied flags with their values, see :func:`parse_axis`.
        seeds: seeds for each point of the grid.

    Returns:
        The sweep, and the configurations in the order of its runs.

    Raises:
        MemgateError: a flag or a value is wrong, or two runs would have the same name.
    """
    axes = [parse_axis(text) for text in over]
    names = [flag for flag, _ in axes]
    require(
        len(set(names)) == len(names),
        f"--over {next((name for name in names if names.count(name) > 1), '')} is given twice: list all its values "
        "after one.",
    )
    sweep_name = base.name or recipe
    size = math.prod(len(choices) for _, choices in axes) * len(seeds)
    require(size <= MOST_RUNS, f"This sweep has {size} runs, and may have {MOST_RUNS}: vary less at once.")
    runs, configs = [], []
    for values in itertools.product(*(choices for _, choices in axes)):
        config = changed(base, dict(zip(names, values, strict=True)))
        settings = flags(config)
        point = {flag: value_text(settings[flag]) for flag in names}
        for seed in seeds:
            run = SweepRun(run_name(sweep_name, point, seed), point, seed)
            runs.append(run)
            configs.append(replace(config, seed=seed, name=run.name))
    _check_different(runs)
    return Sweep(sweep_name, recipe, base, tuple(runs)), configs


def run_name(sweep: str, point: Mapping[str, str], seed: int) -> str:
    """The name of a run's folder; it depends on this run only, so that a sweep can grow."""
    parts = [f"{flag}_{re.sub('[ ,]+', '.', value)}" for flag, value in point.items()]
    return fitted([sweep, *parts], [f"s{seed}"])


def _check_different(runs: Sequence[SweepRun]) -> None:
    """Raise MemgateError where two runs have the same name."""
    seen: dict[str, SweepRun] = {}
    for run in runs:
        first = seen.setdefault(run.name, run)
        point = ", ".join(f"{flag} {value}" for flag, value in run.point.items())
        require(
            first is run,
            f"Two runs of this sweep would be called {run.name} ({point}): give each value once, and no two that "
            "differ only in signs that a folder's name cannot hold.",
        )


def read_sweep(path: Path) -> Sweep:
    """The sweep of a file.

    Raises:
        MemgateError: the file is damaged or is not a sweep's file.
    """
    content = read_json(path)
    schema = content.get("schema")
    require(schema == SCHEMA, other_format(path, schema, SCHEMA, "it is not a sweep's file."))
    return from_json(Sweep, content, str(path))


def find_sweep(name: str, out: Path) -> tuple[Sweep, Path]:
    """A sweep and the folder of its runs.

    Args:
        name: name of the sweep, or path of its file.
        out: folder in which a name is searched.

    Raises:
        MemgateError: there is no such sweep, or its file is damaged.
    """
    for path in (Path(name), sweep_path(out, name)):
        if path.is_file():
            return read_sweep(path), path.parent
    known = [path.name.removesuffix(ENDING) for path in sorted(out.glob(f"*{ENDING}"))]
    raise MemgateError(
        f"There is no sweep {name} under {out}: "
        + (f"there are {', '.join(known)}." if known else "there is none yet; give its folder by --out.")
    )


def record(sweep: Sweep, out: Path) -> Sweep:
    """The sweep as it is written to its file: its own runs and those of an earlier start, so that a grid can grow.

    Raises:
        MemgateError: a sweep of that name has a different base or varies different flags, or the file cannot be
            written.
    """
    path = sweep_path(out, sweep.name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked_folder(out):
            if path.exists():
                sweep = grown(read_sweep(path), sweep, path)
            write_json(path, to_json(sweep))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error}): choose another --out, or free some space."
        ) from error
    return sweep


def grown(before: Sweep, sweep: Sweep, path: Path) -> Sweep:
    """The sweep with the runs of its file (``before``) added; raises MemgateError where base or flags differ."""
    difference = _difference(before.base, sweep.base, PLACES)
    require(not difference, f"{path} is a sweep with another base ({difference}): choose another --name.")
    require(
        before.varied == sweep.varied,
        f"{path} is a sweep over {', '.join(before.varied) or 'seeds'}, and not over "
        f"{', '.join(sweep.varied) or 'seeds'}: choose another --name.",
    )
    known = {run.name for run in before.runs}
    return replace(sweep, runs=(*before.runs, *(run for run in sweep.runs if run.name not in known)))


def check_existing(
    configs: Sequence[RunConfig], places: Sequence[str] = PLACES, remedy: str = "choose another --name"
) -> None:
    """Raise MemgateError where a run exists already with different settings.

    Args:
        configs: configurations of the runs.
        places: flags that may differ.
        remedy: end of the error message: what the user can do.

    Raises:
        MemgateError: a run has different settings.
    """
    for config in configs:
        path = config.out / str(config.name)
        if not is_run(path):
            continue
        difference = _difference(Run(path).requested, config, places)
        require(not difference, f"{path} is a run of other settings ({difference}): {remedy}.")


def _difference(old: RunConfig, new: RunConfig, places: Sequence[str]) -> str:
    """The first three flags in which two configurations differ, without ``places``; empty where they are equal."""
    differences = list(differing([flags(config, places) for config in (old, new)]).items())
    return "; ".join(
        f"{flag} {value_text(before)}, not {value_text(after)}" for flag, (before, after) in differences[:3]
    )


def state_of(out: Path, name: str) -> str:
    """State of a run: that of its status, ``missing``, or ``damaged`` where its files cannot be read."""
    path = out / name
    if not is_run(path):
        return "missing"
    try:
        return Run(path).status().state
    except MemgateError:
        return "damaged"


def still_failed(configs: Sequence[RunConfig], failed: Mapping[str, str]) -> dict[str, str]:
    """Name of each failed run to its reason, without runs that another process has completed in the meantime."""
    folders = {str(config.name): config.out for config in configs}
    return {name: reason for name, reason in failed.items() if state_of(folders[name], name) != "complete"}
