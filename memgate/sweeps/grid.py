"""A sweep: the runs of a grid of settings and seeds, what they are called, and the file that lists them. No torch."""

import csv
import itertools
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

SCHEMA = "memgate-sweep/1"

NOT_VARIED = {
    "name": "the runs are named by what is varied",
    "out": "the runs of a sweep lie together",
    "seed": "give the seeds by --seeds 0,1,2",
}
"""Flags that --over cannot vary, and why."""

PLACES = ("name", "out", "seed", "device", "data.root")
"""Flags that may change between two starts of a sweep: they say where, or are each run's own."""


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep."""

    name: str
    point: dict[str, str]
    """Flag that is varied to its value, in the words of :func:`worded`."""
    seed: int


@dataclass(frozen=True)
class Sweep:
    """What a sweep's file holds."""

    name: str
    recipe: str
    """Where the base was taken from."""
    base: RunConfig
    """What all runs share."""
    runs: tuple[SweepRun, ...]
    schema: str = SCHEMA

    @property
    def varied(self) -> tuple[str, ...]:
        """The flags that are varied, in order; none where the seeds alone differ."""
        return tuple(self.runs[0].point)


def sweep_path(out: Path, name: str) -> Path:
    """The file of a sweep, beside its runs."""
    return out / f"{name}.sweep.json"


def parse_axis(text: str) -> tuple[str, tuple[str, ...]]:
    """One ``--over``: the flag, with underscores, and its values as they would be typed after it.

    ``FLAG=V1,V2``: commas part the values. A value that has a comma itself stands in double quotes, a list's items
    are parted by spaces, and nothing between two commas is an empty list: ``train.milestones=30 45,40 50``,
    ``model.gate.blocks=b3,"b2,b3"``, ``noise=,symmetric:0.4``.

    Raises:
        MemgateError: it has another form, or the flag cannot be varied.
    """
    flag, equals, values = text.partition("=")
    flag = flag.strip().removeprefix("--").replace("-", "_")
    require(
        bool(equals and flag),
        f"--over {text!r} has another form than FLAG=V1,V2, such as train.lr=0.1,0.05.",
    )
    require(flag not in NOT_VARIED, f"--over {flag} cannot be varied: {NOT_VARIED.get(flag)}.")
    try:
        found = next(csv.reader([values], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise MemgateError(f"--over {text!r} cannot be read ({error}): close the quotation mark.") from error
    return flag, tuple(value.strip() for value in found or [""])  # of nothing at all, csv makes no value


def parse_seeds(text: str) -> tuple[int, ...]:
    """``--seeds 0,1,2``.

    Raises:
        MemgateError: it is no list of different whole numbers.
    """
    words = [word.strip() for word in text.split(",")]
    require(
        all(word.isdecimal() for word in words),
        f"--seeds {text!r} is no list of seeds: whole numbers from 0 with commas between them, such as 0,1,2.",
    )
    seeds = tuple(map(int, words))
    require(len(set(seeds)) == len(seeds), f"--seeds {text} names a seed twice: give each once.")
    return seeds


def worded(value: Any) -> str:
    """A flag's JSON value in words: a list's items parted by spaces, ``none`` for none and for an empty list."""
    if isinstance(value, list):
        return " ".join(map(worded, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def plan(
    recipe: str, base: RunConfig, over: Sequence[str], seeds: Sequence[int]
) -> tuple[Sweep, list[RunConfig]]:
    """Every run of a grid, checked before anything is started.

    Args:
        recipe: where the base comes from; it names the sweep where the base has no name.
        base: what all runs share.
        over: what is varied, see :func:`parse_axis`.
        seeds: of each point of the grid.

    Returns:
        The sweep, and each run's configuration in the same order.

    Raises:
        MemgateError: a flag or a value is wrong, or the same run is meant twice.
    """
    axes = [parse_axis(text) for text in over]
    names = [flag for flag, _ in axes]
    require(
        len(set(names)) == len(names),
        f"--over {next((name for name in names if names.count(name) > 1), '')} is given twice: list all its values "
        "after one.",
    )
    sweep_name = base.name or recipe
    runs, configs = [], []
    for values in itertools.product(*(found for _, found in axes)):
        config = changed(base, dict(zip(names, values, strict=True)))
        found = flags(config)
        point = {flag: worded(found[flag]) for flag in names}
        for seed in seeds:
            run = SweepRun(run_name(sweep_name, point, seed), point, seed)
            runs.append(run)
            configs.append(replace(config, seed=seed, name=run.name))
    _check_different(runs)
    return Sweep(sweep_name, recipe, base, tuple(runs)), configs


def run_name(sweep: str, point: Mapping[str, str], seed: int) -> str:
    """The folder of a run: it follows from what the run is, and from nothing else of the sweep."""
    parts = [f"{flag}_{re.sub('[ ,]+', '.', value)}" for flag, value in point.items()]
    return fitted([sweep, *parts], [f"s{seed}"])


def _check_different(runs: Sequence[SweepRun]) -> None:
    seen: dict[str, SweepRun] = {}
    for run in runs:
        before = seen.setdefault(run.name, run)
        what = ", ".join(f"{flag} {value}" for flag, value in run.point.items())
        require(
            before is run,
            f"Two runs of this sweep would be called {run.name} ({what}): give each value once, and no two that "
            "differ only in signs that a folder's name cannot hold.",
        )


def read_sweep(path: Path) -> Sweep:
    """The sweep that a file holds.

    Raises:
        MemgateError: the file is damaged or another.
    """
    content = read_json(path)
    require(content.get("schema") == SCHEMA, f"{path} is no sweep of the format {SCHEMA}.")
    return from_json(Sweep, content, str(path))


def find_sweep(name: str, out: Path) -> tuple[Sweep, Path]:
    """A sweep and the folder of its runs.

    Args:
        name: of the sweep, or the path of its file.
        out: folder to look for the name in.

    Raises:
        MemgateError: there is none, or its file is damaged.
    """
    for path in (Path(name), sweep_path(out, name)):
        if path.is_file():
            return read_sweep(path), path.parent
    known = [path.name.removesuffix(".sweep.json") for path in sorted(out.glob("*.sweep.json"))]
    raise MemgateError(
        f"{name} is no sweep under {out}: "
        + (f"there are {', '.join(known)}." if known else "there is none yet; give its folder by --out.")
    )


def record(sweep: Sweep, out: Path) -> Sweep:
    """Write a sweep's file; runs that it lists from an earlier start stay listed, so a grid can grow.

    Returns:
        What the file holds now.

    Raises:
        MemgateError: a sweep of that name has another base or varies other flags, or the file cannot be written.
    """
    path = sweep_path(out, sweep.name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked_folder(out):
            if path.exists():
                sweep = _grown(read_sweep(path), sweep, path)
            write_json(path, to_json(sweep))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error}): choose another --out, or free some space."
        ) from error
    return sweep


def _grown(before: Sweep, sweep: Sweep, path: Path) -> Sweep:
    """A sweep with the runs that its file lists already; raises MemgateError where that is another sweep."""
    apart = _apart(before.base, sweep.base, PLACES)
    require(not apart, f"{path} is a sweep with another base ({apart}): choose another --name.")
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
    """Make sure that runs which are there already are those that are meant.

    Args:
        configs: what is meant.
        places: flags that may differ.
        remedy: what to do where another does.

    Raises:
        MemgateError: one has other settings.
    """
    for config in configs:
        path = config.out / str(config.name)
        if not is_run(path):
            continue
        apart = _apart(Run(path).requested, config, places)
        require(not apart, f"{path} is a run of other settings ({apart}): {remedy}.")


def _apart(old: RunConfig, new: RunConfig, places: Sequence[str]) -> str:
    """The first three flags, but for ``places``, that two configurations set otherwise; empty where none is."""
    found = list(differing([flags(one, places) for one in (old, new)]).items())
    return "; ".join(f"{flag} {worded(before)}, not {worded(after)}" for flag, (before, after) in found[:3])


def state_of(out: Path, name: str) -> str:
    """How far a run is: a status as shown, ``missing``, or ``damaged`` where its files do not tell."""
    path = out / name
    if not is_run(path):
        return "missing"
    try:
        return Run(path).status().shown
    except MemgateError:
        return "damaged"


def still_failed(configs: Sequence[RunConfig], failed: Mapping[str, str]) -> dict[str, str]:
    """Those of the failed runs, to their reasons, that another process has not completed in the meantime."""
    places = {str(config.name): config.out for config in configs}
    return {name: reason for name, reason in failed.items() if state_of(places[name], name) != "complete"}
