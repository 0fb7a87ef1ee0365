"""A group of subset runs: one configuration trained on K balanced random subsets, as a sweep. Imports no torch."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from memgate.config.checks import LARGEST_SEED
from memgate.config.names import fitted
from memgate.config.run import RunConfig
from memgate.config.subset import MOST_MODELS
from memgate.console import size_text
from memgate.data.subset_masks import check_models
from memgate.errors import MemgateError, require
from memgate.sweeps.grid import ENDING, Sweep, SweepRun, grown, read_sweep, sweep_path, value_text

FRACTION, MODEL = "subset.fraction", "subset.model"
"""The flags in which the runs of a group differ, beside their seeds."""


def plan_group(
    recipe: str, base: RunConfig, models: int, fractions: Sequence[float]
) -> tuple[Sweep, list[RunConfig]]:
    """The sweep of a group, and the configuration of each of its runs.

    Model k has the seed of the base plus k, so that its start, its order of samples and its augmentation are its own.
    The seed of the corruption, and so the manifest, is the same for all.

    Args:
        recipe: name of the recipe; the group's name where the base has none.
        base: the settings that all runs share.
        models: K, the number of models of each fraction.
        fractions: shares of the models that contain a sample.

    Returns:
        The sweep, and the configurations in the order of its runs.

    Raises:
        MemgateError: a fraction is no a/B with B up to 20, K is no multiple of B, or the log cannot hold subset runs.
    """
    require(
        base.subset.model is None,
        f"--subset.model {base.subset.model}: the models of a group are numbered from 0: leave it out.",
    )
    require(
        len(set(fractions)) == len(fractions),
        f"--fractions {' '.join(map(str, fractions))} names a fraction twice: give each once.",
    )
    require(
        models * len(fractions) <= MOST_MODELS,
        f"This group has {models * len(fractions)} models, and may have {MOST_MODELS}: take fewer.",
    )
    for fraction in fractions:
        check_models(models, fraction)
    name = base.name or recipe
    shared = replace(base, name=name, subset=replace(base.subset, fraction=fractions[0]))
    runs, configs = [], []
    for fraction in fractions:
        for model in range(models):
            subset = replace(base.subset, model=model, fraction=fraction)
            point = {FRACTION: value_text(fraction), MODEL: str(model)}
            seed = (base.seed + model) % (LARGEST_SEED + 1)
            run = SweepRun(model_name(name, fraction, model, seed), point, seed)
            runs.append(run)
            configs.append(replace(base, name=run.name, seed=seed, subset=subset))
    return Sweep(name, recipe, shared, tuple(runs)), configs


def model_name(group: str, fraction: float, model: int, seed: int) -> str:
    """The name of a model's folder, such as ``memory-f0.5-m3-s3``; it depends on this model only.

    Args:
        group: name of the group.
        fraction: share of the models that contain a sample.
        model: number of the model, from 0.
        seed: of its training.
    """
    return fitted([group], [f"f{value_text(fraction)}", f"m{model}", f"s{seed}"])


def check_group(group: Sweep, out: Path) -> None:
    """Check that a group only adds models to one of its name that was started before.

    Raises:
        MemgateError: the earlier one has another base, seed or other fractions, or its file is damaged.
    """
    path = sweep_path(out, group.name)
    if not path.is_file():
        return
    before = read_sweep(path)
    grown(before, group, path)  # raises for another base
    for what, of in (("the seed", _seed), ("the fractions", _fractions)):
        require(
            of(before) == of(group),
            f"{path} is a group with {what} {of(before)}, and not {of(group)}: choose another --name.",
        )


def group_of(run: Path) -> Path | None:
    """The file of the group that a run belongs to, by the sweeps' files beside it; None where it is in no group.

    A sweep's file that cannot be read is passed over: it may be another sweep's.

    Args:
        run: its folder.
    """
    for path in sorted(run.parent.glob(f"*{ENDING}")):
        try:
            sweep = read_sweep(path)
        except MemgateError:
            continue
        if any(one.name == run.name and MODEL in one.point for one in sweep.runs):
            return path
    return None


def check_space(out: Path, bytes_: int) -> None:
    """Raise MemgateError where the disk of a folder, which may not exist yet, has too little space for the runs."""
    place = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    require(
        bytes_ <= free,
        f"These models need {size_text(bytes_)} and {size_text(free)} are free under {out}: free some space, or log "
        "less by --log.quantities memorisation or --log.every 5.",
    )


def _seed(group: Sweep) -> str:
    """The seed of a group's first model."""
    return str(group.base.seed)


def _fractions(group: Sweep) -> str:
    """The fractions of a group's runs, separated by blanks."""
    return " ".join(dict.fromkeys(run.point[FRACTION] for run in group.runs))
