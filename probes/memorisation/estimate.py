"""Every estimate of a group of models, streamed over its blocks: two passes over the signals. No torch.

The first pass sums over blocks at every epoch, in parts of at most :data:`PART` sample-epochs. The second carries out
the attacks, model by model, with the sums of the other blocks. Memory: 400 bytes for each sample-epoch of a part, 64
bytes for each of the result, 100 bytes for each sample of an attack's epoch, and K (N + M) bytes for influence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate.config.subset import block_of
from probes.memorisation.attacks import (
    FIGURES,
    Vulnerability,
    VulnerabilitySums,
    target_figures,
)
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.influence import InfluencePairs, influence_pairs
from probes.memorisation.lira import Moments, lira_scores, moments
from probes.memorisation.rmia import likelihood_ratio, rmia_scores
from probes.memorisation.scores import BlockSums, MemorisationScores
from probes.memorisation.signals import Signals
from probes.memorisation.source import Source, cause_groups, read_block

PART = 1 << 21
"""Sample-epochs that the first pass sums at once."""

OUTCOMES = ("right", "p")
"""Outcomes whose memorisation is estimated: the given label is predicted (0 or 1), and its probability."""

SIGNALS = ("phi", "p_given")
"""Signals that the attacks need the sums of."""

ATTACKS = ("lira", "lira_sample", "rmia")
"""Attacks: LiRA with fixed variance, LiRA with a variance of each sample, RMIA."""

Finished = Callable[[int], object]
"""Is called with 1 after each block of a pass, and of a part in the first."""


@dataclass(frozen=True, eq=False)
class Attack:
    """One attack at one epoch."""

    figures: NDArray[np.float64]
    """[K, F] figures of each target model, in the order of :data:`probes.memorisation.attacks.FIGURES`."""
    vulnerability: Vulnerability
    """[N] of each sample."""


@dataclass(frozen=True, eq=False)
class FirstPass:
    """Sums over blocks of the samples of the split ``train``."""

    scores: Mapping[str, MemorisationScores]
    """Outcome to its scores [E, N]."""
    group_means: Mapping[str, NDArray[np.float64]]
    """Group of samples (see :func:`cause_groups`) to the mean of ``mem`` by each block, [O, J, E], a row for each
    outcome."""
    phi: Mapping[int, Moments]
    """Epoch of the attacks to the sums of phi [2, N]."""
    p: Mapping[int, Moments]
    """Likewise of p(given label)."""


def parts(source: Source) -> list[slice]:
    """The samples that the first pass takes at once, so that a part has at most :data:`PART` sample-epochs."""
    count, step = len(source.splits["train"]), max(1, PART // max(1, len(source.epochs)))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def first_pass(
    source: Source, attack_epochs: NDArray[np.integer], finished: Finished = lambda _: None
) -> FirstPass:
    """Memorisation scores of every sample and epoch, and the sums that the attacks need.

    Args:
        source: the models.
        attack_epochs: epochs of the attacks, of those of the source.
        finished: see :data:`Finished`.
    """
    groups = cause_groups(source.splits["train"].cause)
    masks = np.array(list(groups.values()), np.float64).T
    of_parts = [_sum_part(source, part, masks[part], attack_epochs, finished) for part in parts(source)]
    total, count = np.sum([of.totals for of in of_parts], axis=0)
    with np.errstate(invalid="ignore"):
        means = dict(zip(groups, total / count, strict=True))
    return FirstPass(
        {name: MemorisationScores.joined([of.scores[name] for of in of_parts]) for name in OUTCOMES},
        means,
        *(
            {
                epoch: Moments.joined([of.moments[name][epoch] for of in of_parts])
                for epoch in attack_epochs.tolist()
            }
            for name in SIGNALS
        ),
    )


@dataclass(frozen=True, eq=False)
class _PartSums:
    """What the first pass sums over the samples of a part."""

    scores: Mapping[str, MemorisationScores]
    """Outcome to its scores [E, n]."""
    moments: Mapping[str, Mapping[int, Moments]]
    """Signal of :data:`SIGNALS` to the sums [2, n] at each epoch of the attacks."""
    totals: NDArray[np.float64]
    """[2, G, O, J, E] for each group, outcome, block and epoch: sum of the block's differences, and their number."""


def _sum_part(
    source: Source,
    part: slice,
    masks: NDArray[np.float64],
    attack_epochs: NDArray[np.integer],
    finished: Finished,
) -> _PartSums:
    """The sums over the n samples of a part; ``masks`` [n, G] is 1 for the samples of each group."""
    epochs, size = source.epochs, block_of(source.fraction)[1]
    number_of_blocks, samples = len(source.models) // size, part.stop - part.start
    rows = {epoch: int(np.flatnonzero(epochs == epoch)[0]) for epoch in attack_epochs.tolist()}
    sums = {name: BlockSums.none((len(epochs), samples), source.fraction) for name in OUTCOMES}
    of_signals = {name: {epoch: Moments.none(samples) for epoch in rows} for name in SIGNALS}
    totals = np.zeros((2, masks.shape[1], len(OUTCOMES), number_of_blocks, len(epochs)))
    for number in range(number_of_blocks):
        signals = read_block(source, number, "train", epochs, part)
        members = _members(signals)
        for place, (name, outcome) in enumerate(_outcomes(signals)):
            difference = sums[name].add(number, members, outcome)
            known = ~np.isnan(difference)
            values = np.where(known, difference, 0).astype(np.float64)
            totals[0, :, place, number] += (values @ masks).T
            totals[1, :, place, number] += (known @ masks).T
        for name, by_epoch in of_signals.items():
            for epoch, row in rows.items():
                by_epoch[epoch].add(moments(members, getattr(signals, name)[:, row]))
        finished(1)
    return _PartSums({name: of.scores() for name, of in sums.items()}, of_signals, totals)


def second_pass(
    source: Source, epoch: int, first: FirstPass, finished: Finished = lambda _: None
) -> dict[str, Attack]:
    """Every attack at one epoch, each model in turn the target.

    RMIA's population is the split ``test``; without one it is left out. The ROC curve of a target by RMIA is taken of
    the ratio itself, of which the score is a function with as many steps as the population has samples.

    Args:
        source: the models.
        epoch: of the attacks.
        first: of the same source.
        finished: see :data:`Finished`.
    """
    samples, size = len(source.splits["train"]), block_of(source.fraction)[1]
    at, has_population = np.array([epoch]), "test" in source.splits
    names = ATTACKS if has_population else ATTACKS[:2]
    figures = {name: np.empty((len(source.models), len(FIGURES))) for name in names}
    sums = {name: VulnerabilitySums.none(samples) for name in names}
    population = _population(source, at) if has_population else None
    for number in range(len(source.models) // size):
        signals = read_block(source, number, "train", at)
        members, phi, p = _members(signals), signals.phi[:, 0], signals.p_given[:, 0]
        shadows = first.phi[epoch] - moments(members, phi)
        scores = {
            "lira": lira_scores(phi, shadows, "fixed"),
            "lira_sample": lira_scores(phi, shadows, "sample"),
        }
        ranked: dict[str, NDArray[np.floating]] = dict(scores)
        if population is not None:
            without = first.p[epoch] - moments(members, p)
            others = read_block(source, number, "test", at).p_given[:, 0]
            elsewhere = population - moments(np.zeros((size, 1), bool), others)
            ranked["rmia"] = likelihood_ratio(p, without.mean[0])
            ratios = likelihood_ratio(others, elsewhere.mean[0])
            scores["rmia"] = np.array(
                [rmia_scores(*pair) for pair in zip(ranked["rmia"], ratios, strict=True)]
            )
        for name in names:
            sums[name].add(members, scores[name])
            for model in range(size):
                figures[name][number * size + model] = target_figures(ranked[name][model], members[model])
        finished(1)
    return {name: Attack(figures[name], sums[name].result()) for name in names}


def influences(
    source: Source, config: MemorisationConfig, mem: NDArray[np.float64]
) -> dict[str, InfluencePairs]:
    """Influence on the samples of ``test`` (if there is one) and of ``train``, at the last epoch, by positions.

    Samples that a model has no prediction of are left out.

    Args:
        source: the models.
        config: thresholds.
        mem: [N] memorisation scores at the last epoch.
    """
    at, size = source.epochs[-1:], block_of(source.fraction)[1]
    blocks = range(len(source.models) // size)
    train = [read_block(source, number, "train", at) for number in blocks]
    members = np.concatenate([_members(signals) for signals in train])
    right, known = _predictions(train)
    settings = {"threshold": config.influence, "most": config.pairs}
    strong = mem >= config.memorised
    result = {}
    if "test" in source.splits:
        tested, tested_known = _predictions([read_block(source, number, "test", at) for number in blocks])
        pairs = influence_pairs(
            members, tested[:, tested_known], source.fraction, sources=np.flatnonzero(strong), **settings
        )
        result["test"] = pairs.at(np.arange(len(mem)), np.flatnonzero(tested_known))
    pairs = influence_pairs(
        members[:, known], right[:, known], source.fraction,
        among=True, sources=np.flatnonzero(strong[known]), **settings,
    )  # fmt: skip
    result["train"] = pairs.at(np.flatnonzero(known), np.flatnonzero(known))
    return result


def _outcomes(signals: Signals) -> list[tuple[str, NDArray[np.floating]]]:
    """Name and values [B, E, n] of each of :data:`OUTCOMES`."""
    return [("right", signals.right), ("p", signals.p_given)]


def _members(signals: Signals) -> NDArray[np.bool_]:
    """Memberships of signals of the split ``train``."""
    assert signals.members is not None, "signals of train have memberships"
    return signals.members


def _population(source: Source, at: NDArray[np.integer]) -> Moments:
    """Sums of p(given label) of the samples of ``test`` over all models, as out-signals."""
    total = Moments.none(len(source.splits["test"]))
    none = np.zeros((block_of(source.fraction)[1], 1), bool)
    for number in range(len(source.models) // len(none)):
        total.add(moments(none, read_block(source, number, "test", at).p_given[:, 0]))
    return total


def _predictions(of_blocks: list[Signals]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each model is right [K, N], and whether all models have a prediction of a sample [N]."""
    right = np.concatenate([signals.correct[:, 0] for signals in of_blocks])
    known = np.logical_and.reduce([signals.known.all(axis=(0, 1)) for signals in of_blocks])
    return right, known
