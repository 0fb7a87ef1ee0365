"""The estimates of a group, made of its models and stored beside its sweep's file. No torch."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate import __version__, console
from memgate.config.subset import block_of
from memgate.errors import MemgateError, require
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.estimate import (
    ATTACKS,
    Attack,
    FirstPass,
    first_pass,
    influences,
    parts,
    second_pass,
)
from probes.memorisation.group import LogSource, open_group
from probes.memorisation.scores import MemorisationScores
from probes.memorisation.source import Source
from probes.memorisation.stored import MemorisationResult, result_path, save_result

HALF = 0.5
"""Fraction whose estimates are stored where a group has it."""

NAMES = {"right": ("mem", "right"), "p": ("mem_p", "p")}
"""Outcome to the names of its memorisation and of its means."""


def probe_group(
    name: str, out: Path, config: MemorisationConfig, fraction: float | None = None
) -> tuple[MemorisationResult, Path]:
    """The estimates of a group of subset runs, which are then stored, and the path of their file.

    Args:
        name: name of the group, or path of its file.
        out: folder in which a name is searched.
        config: what is estimated.
        fraction: which of the group's fractions; None for 0.5, or the nearest that there is. The others count for the
            C-score only.

    Raises:
        MemgateError: there is no such group or fraction, it is an ordinary sweep, too few models are complete, a log
            is damaged or differs from the others, or the result cannot be stored.
    """
    sources, folder = open_group(name, out)
    known = [source.fraction for source in sources]
    chosen = min(known, key=lambda value: abs(value - HALF)) if fraction is None else fraction
    require(
        chosen in known,
        f"--fraction {chosen:g} is no fraction of {sources[0].name}: it has {', '.join(map('{:g}'.format, known))}.",
    )
    source = sources[known.index(chosen)]
    for each in sources:
        each.check_members()
    result = estimates(source, config, [other for other in sources if other is not source], _facts(sources))
    path = result_path(folder, source.name)
    save_result(result, path)
    return result, path


def estimates(
    source: Source,
    config: MemorisationConfig | None = None,
    others: Sequence[Source] = (),
    facts: Mapping[str, Any] | None = None,
) -> MemorisationResult:
    """Every estimate of models of random subsets.

    Args:
        source: the models.
        config: what is estimated; None for the defaults.
        others: models of the same samples with other fractions, for the C-score; epochs that they lack are NaN in it.
        facts: ``group``, ``logs`` and further items of ``config`` of the result.

    Raises:
        MemgateError: a log is damaged, or other models have other samples.
    """
    config = config or MemorisationConfig()
    samples = source.splits["train"]
    attack_epochs = source.epochs if config.attacks == "all" else source.epochs[-1:]
    first = _first(source, attack_epochs)
    total = len(source.models) // block_of(source.fraction)[1]
    attacks = []
    with console.counter(total * len(attack_epochs), "membership inference") as finished:
        for epoch in attack_epochs.tolist():
            attacks.append(second_pass(source, epoch, first, finished))
    strongest = np.nan_to_num(first.scores["right"].mem[-1], nan=-1.0)
    fractions, consistency = _consistency(source, first, others)
    given = dict(facts or {})
    return MemorisationResult(
        group=given.pop("group", ""),
        logs=given.pop("logs", ""),
        fraction=source.fraction,
        models=np.array(source.models, np.int64),
        sample_id=samples.sample_id.astype(np.int64),
        cause=samples.cause,
        epochs=source.epochs.astype(np.int64),
        values=_values(first.scores),
        groups=first.group_means,
        attack_epochs=attack_epochs.astype(np.int64),
        vulnerability=_vulnerability(attacks),
        figures={name: np.stack([of[name].figures for of in attacks]) for name in attacks[0]},
        influence=_by_id(source, config, strongest) if config.pairs else {},
        fractions=fractions,
        consistency=consistency,
        config={**asdict(config), **given},
        versions={
            "memgate": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "scipy", "h5py")},
        },
    )


def _first(source: Source, attack_epochs: NDArray[np.integer]) -> FirstPass:
    """The first pass with a progress bar."""
    total = len(parts(source)) * len(source.models) // block_of(source.fraction)[1]
    with console.counter(total, f"memorisation, {source.fraction:g} of the samples") as finished:
        return first_pass(source, attack_epochs, finished)


def _values(scores: Mapping[str, MemorisationScores]) -> dict[str, NDArray[Any]]:
    """The arrays of a result by name."""
    values: dict[str, NDArray[Any]] = {}
    for outcome, (mem, mean) in NAMES.items():
        of = scores[outcome]
        values |= {
            mem: of.mem, f"{mem}_error": of.error, f"{mem}_low": of.low, f"{mem}_high": of.high,
            f"{mem}_halves": of.halves, f"{mean}_in": of.mean_in, f"{mean}_out": of.mean_out,
        }  # fmt: skip
        if outcome == "right":
            for side, trained in (("in", True), ("out", False)):
                values[f"right_{side}_low"], values[f"right_{side}_high"] = of.share_interval(trained)
    result = {name: array.astype(np.float32) for name, array in values.items()}
    return result | {"blocks": scores["right"].count.astype(np.uint16)}


def _vulnerability(attacks: Sequence[Mapping[str, Attack]]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Attack to its arrays [A, N]."""
    return {
        name: {
            key: np.stack([getattr(of[name].vulnerability, key) for of in attacks]).astype(np.float32)
            for key in ("share", "low", "high", "gap")
        }
        for name in ATTACKS
        if name in attacks[0]
    }


def _by_id(source: Source, config: MemorisationConfig, mem: NDArray[np.float64]) -> dict[str, Any]:
    """The influence pairs by sample ids."""
    train = source.splits["train"].sample_id.astype(np.int64)
    return {
        split: pairs.at(train, source.splits[split].sample_id.astype(np.int64))
        for split, pairs in influences(source, config, mem).items()
    }


def _consistency(
    source: Source, first: FirstPass, others: Sequence[Source]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The fractions [F], rising, and the held-out consistency at each of them, [F, E, N]."""
    samples = source.splits["train"].sample_id
    shares = {source.fraction: first.scores["right"].mean_out.astype(np.float32)}
    for other in others:
        if not np.array_equal(other.splits["train"].sample_id, samples):
            raise MemgateError(
                f"The models with a fraction of {other.fraction:g} have other samples than those of "
                f"{source.fraction:g}: train a group on one data set."
            )
        means = _first(other, other.epochs[:0]).scores["right"].mean_out
        shares[other.fraction] = np.full((len(source.epochs), len(samples)), np.nan, np.float32)
        common, here, there = np.intersect1d(source.epochs, other.epochs, return_indices=True)
        shares[other.fraction][here[: len(common)]] = means[there]
    order = sorted(shares)
    return np.array(order), np.stack([shares[fraction] for fraction in order])


def _facts(sources: Sequence[LogSource]) -> dict[str, Any]:
    """What a result says of the runs that it comes from."""
    identities = [log.identity for source in sources for log in source.logs]
    return {
        "group": sources[0].name,
        "logs": hashlib.sha256("".join(identities).encode()).hexdigest(),
        "planned": {f"{source.fraction:g}": source.planned for source in sources},
        "left_out": {name: state for source in sources for name, state in source.left_out.items()},
    }
