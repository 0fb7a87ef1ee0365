"""The league of proxies: how well each score of a run ranks the samples as a costly measurement does.

The measurement, such as the memorisation score, is of many models; the scores are of one. A correlation with it is
limited by its noise (:mod:`probes.stats.attenuation`), which is the same for every score.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.scores.separation import ScoreValues
from probes.stats.attenuation import (
    Figure,
    difference,
    disattenuated,
    mean_figure,
    rank_correlation,
    reliability,
    with_ends,
    with_symmetric_ends,
)
from probes.stats.estimate import Estimate

Floats = NDArray[np.float64]
Key = tuple[str, str | None]
"""Score and gate."""

WITHIN = "within classes"
"""Name of the mean over classes, weighted by their samples: what is left if classes differ."""


@dataclass(frozen=True, eq=False)
class Target:
    """What the scores are compared with, for N samples; high is memorised or vulnerable."""

    name: str
    """Short name, such as ``mem``."""
    what: str
    """Name in titles and sentences."""
    values: Floats
    """[N]; NaN is missing."""
    halves: Floats | None = None
    """[2, N] the same by each half of the models; None where they are not known: then nothing is corrected."""


@dataclass(frozen=True)
class Standing:
    """One score beside one target in one group of samples."""

    score: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    target: str
    """A :attr:`Target.name`."""
    group: str
    rho: Estimate
    """Spearman's rank correlation in [-1, 1] of the score, turned so that high is harder, with the target."""
    corrected: Estimate
    """The same without the noise of the target (:func:`probes.stats.attenuation.disattenuated`), cut at 1."""
    behind: Estimate
    """``rho`` of the score with the largest ``rho`` in the group minus this one's, of the same samples; 0 for the
    best, which is chosen by the same numbers."""


@dataclass(frozen=True)
class Ceiling:
    """How reliable a target is in one group of samples."""

    target: str
    group: str
    reliability: Estimate
    """Spearman-Brown's, in ranks; its square root is the largest ``rho`` to expect. No value without halves."""


@dataclass(frozen=True)
class EpochStanding:
    """Rank correlation with one target of one score, as it is up to each epoch, over all samples."""

    score: str
    gate: str | None
    target: str
    epochs: tuple[int, ...]
    rho: tuple[float | None, ...]
    """At each of ``epochs``; None where it is undefined."""
    last: Estimate
    """At the last epoch."""
    best_epoch: int | None
    """Epoch of the largest ``rho``, which can only be chosen with the target."""
    best: Estimate
    """``rho`` there; the interval is that of a fixed epoch."""


def league(
    runs: Sequence[Sequence[ScoreValues]],
    targets: Sequence[Target],
    groups: Mapping[str, NDArray[np.bool_]],
    classes: ArrayLike,
) -> tuple[tuple[Standing, ...], tuple[Ceiling, ...]]:
    """Every score beside every target in every group, and the targets' reliabilities.

    Args:
        runs: scores of each of R runs of one setting, of the same N samples; NaN for a sample that counts not in a
            run, such as one that it was not trained on. Correlations are means over the runs, and intervals are about
            other samples, and with two runs or more about another mean over R runs too.
        targets: what they are compared with.
        groups: name to its samples, bool [N]; :data:`WITHIN` is added.
        classes: [N] label of each sample.

    Returns:
        Standings by target and group, with falling ``rho`` in each; scores that no sample has are left out.
    """
    standings, ceilings = [], []
    everyone = {name: (mask, None) for name, mask in groups.items()}
    size = len(np.asarray(classes))
    for target in targets:
        for group, (mask, strata) in {**everyone, WITHIN: (np.ones(size, bool), classes)}.items():
            ceiling = _ceiling(target, mask, strata)
            ceilings.append(Ceiling(target.name, group, with_ends(ceiling)))
            standings += _standings(runs, target, group, mask, strata, ceiling)
    return tuple(standings), tuple(ceilings)


def league_over_epochs(
    tables: Iterable[tuple[int, Sequence[Sequence[ScoreValues]]]], targets: Sequence[Target]
) -> tuple[EpochStanding, ...]:
    """Rank correlation of every score with every target at each of E epochs, over all samples.

    Args:
        tables: epoch, rising, and the scores up to it of each run, see :func:`league`; one is in memory at a time.
        targets: what they are compared with.
    """
    curves: dict[tuple[str, Key], list[tuple[int, Estimate]]] = {}
    for epoch, runs in tables:
        for target in targets:
            for key, (figure, between) in _figures(
                runs, target, np.ones(len(target.values), bool), None
            ).items():
                curves.setdefault((target.name, key), []).append((epoch, with_ends(figure, between)))
    return tuple(_curve(name, key, points) for (name, key), points in curves.items())


def _curve(target: str, key: Key, points: Sequence[tuple[int, Estimate]]) -> EpochStanding:
    values = np.array([np.nan if rho.value is None else rho.value for _, rho in points])
    best = None if np.isnan(values).all() else int(np.nanargmax(values))
    return EpochStanding(
        *key,
        target,
        tuple(epoch for epoch, _ in points),
        tuple(rho.value for _, rho in points),
        points[-1][1],
        None if best is None else points[best][0],
        Estimate(None, None, None, 0) if best is None else points[best][1],
    )


def _ceiling(target: Target, mask: NDArray[np.bool_], strata: ArrayLike | None) -> Figure:
    if target.halves is None:
        return Figure(np.nan, np.zeros(len(mask)), 0)
    first, second = np.where(mask, target.halves, np.nan)
    return reliability(first, second, strata)


def _figures(
    runs: Sequence[Sequence[ScoreValues]],
    target: Target,
    mask: NDArray[np.bool_],
    strata: ArrayLike | None,
) -> dict[Key, tuple[Figure, float]]:
    """Score to its mean correlation over runs, and the variance of that mean between runs; scores without are out."""
    values = np.where(mask, target.values, np.nan)
    by_key: dict[Key, list[Figure]] = {}
    for scores in runs:
        for score in scores:
            figure = rank_correlation(score.hardness, values, strata)
            by_key.setdefault((score.name, score.gate), []).append(figure)
    result = {}
    for key, figures in by_key.items():
        if not np.isnan((mean := mean_figure(figures)).value):
            result[key] = mean, _between([figure.value for figure in figures])
    return result


def _between(values: ArrayLike) -> float:
    """Variance of the mean of one value a run; 0 for a single run, of which nothing is known."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.var(ddof=1)) / len(known) if len(known) > 1 else 0.0


def _standings(
    runs: Sequence[Sequence[ScoreValues]],
    target: Target,
    group: str,
    mask: NDArray[np.bool_],
    strata: ArrayLike | None,
    ceiling: Figure,
) -> list[Standing]:
    """One standing for each score, from the best on."""
    figures = _figures(runs, target, mask, strata)
    ranked = sorted(figures.items(), key=lambda item: -item[1][0].value)
    if not ranked:
        return []
    best = ranked[0][1][0]
    rows = []
    for key, (figure, between) in ranked:
        corrected = disattenuated(figure, ceiling)
        noise = between / ceiling.value if ceiling.value > 0 else 0.0
        rows.append(
            Standing(
                *key,
                target.name,
                group,
                with_ends(figure, between),
                with_symmetric_ends(corrected, noise, limit=1),
                # Runs are alike for all scores, so that their variance cancels for the most part.
                with_symmetric_ends(difference(best, figure)),
            )
        )
    return rows
