"""How well linear probes of patterns and of features tell class, given label, corruption and hardness. No torch."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memgate.log.format import UNSEEN_CLASS
from noise.manifest.manifest import CAUSES, CORRUPTED_CAUSES
from probes.gates.analyses import CLASS, CLASS_ALONE, CORRUPTION, FEATURES, GATES, GIVEN, targets_of
from probes.gates.cost import CostCorrelation, Hardness, cost_correlations
from probes.gates.linear import FOLDS
from probes.gates.stored import GatesResult
from probes.samples.probe_groups import Members
from probes.stats.cross_validation import predicted_share, widened
from probes.stats.estimate import Estimate, difference
from probes.stats.stratified import stratified_difference


@dataclass(frozen=True)
class ProbeAccuracy:
    """How well a linear probe of some vectors tells a target, on samples that it was not trained on."""

    vectors: str
    """``gates``, ``features`` or ``class alone``."""
    target: str
    """``class``, ``given label`` or ``corruption``."""
    n: int
    """Samples that it predicts."""
    classes: tuple[str, ...]
    """Classes that are told apart."""
    left_out: tuple[str, ...]
    """Classes with samples, but too few to be probed."""
    accuracy: Estimate
    """Mean over the classes of the share of their samples that are predicted right."""
    chance: float
    """Accuracy of the same predictions if they knew nothing of the target: one over the number of classes, or less
    where classes are predicted that none of the samples has."""
    plain: Estimate
    """Share of all these samples that are predicted right."""
    above: Estimate | None
    """``accuracy`` of the patterns minus this one, paired by sample; None for the patterns themselves."""

    @property
    def resolved(self) -> bool:
        """Whether the interval of the accuracy lies above chance."""
        return self.accuracy.low is not None and self.accuracy.low > self.chance


@dataclass(frozen=True)
class WrongLabels:
    """What the probe of the given labels predicts for samples whose given label is wrong."""

    vectors: str
    given: Estimate
    """Share that is predicted as the wrong given label."""
    clean: Estimate
    """Share that is predicted as the clean label."""
    chance: float
    """Expected ``given`` if these labels were shuffled among wrongly labelled samples of the same class."""


@dataclass(frozen=True)
class CauseProbe:
    """Whether the probe of the corruption tells one cause from clean samples."""

    vectors: str
    cause: str
    corrupted: Estimate
    """Share of the samples with this cause that are predicted as corrupted, by whatever cause."""
    clean: Estimate
    """Share of the clean samples that are."""
    within_class: Estimate
    """The first share minus that of clean samples of the same classes; 0 where the vectors know of this cause no more
    than the class says."""


@dataclass(frozen=True)
class HardnessProbe:
    """Rank correlations of a score of hardness and what a ridge regression of some vectors predicts."""

    vectors: str
    """``gates`` or ``features``."""
    correlation: CostCorrelation
    """0 where the vectors know nothing of it."""


def probe_accuracies(view: GatesResult) -> tuple[ProbeAccuracy, ...]:
    """Every stored linear probe of classes, in the order of the result; of a target without two large classes none."""
    targets = targets_of(view.samples) | {GIVEN: view.samples.given_label.astype(np.int64)}
    rows = dict(zip(_rows(view), view.result.values.get("linear", ()), strict=True))
    result = []
    for (vectors, target), predicted in rows.items():
        if target not in targets:  # no clean or no corrupted sample passes the filter
            continue
        labels, known = targets[target], predicted != UNSEEN_CLASS
        if len(np.unique(labels[known])) < 2:
            continue
        hits, weights = predicted == labels, _weights(labels[known])
        own = rows[GATES, target] == labels
        above = difference(
            weights * (own[known].astype(np.int8) - hits[known].astype(np.int8)), weights.max()
        )
        analysed = _analysed(view)
        present, kept = np.unique(labels[analysed]), np.unique(labels[known])
        name = CAUSES if target not in (CLASS, GIVEN) else view.class_names
        result.append(
            ProbeAccuracy(
                vectors=vectors,
                target=target,
                n=int(known.sum()),
                classes=tuple(name[number] for number in kept.tolist()),
                left_out=tuple(name[number] for number in present.tolist() if number not in kept),
                accuracy=_mean_recall(hits[known], labels[known]),
                chance=float(np.isin(predicted[known], kept).mean()) / len(kept),
                plain=_right(hits[known]),
                above=None if vectors == GATES else widened(above, FOLDS),
            )
        )
    return tuple(result)


def wrong_labels(view: GatesResult) -> tuple[WrongLabels, ...]:
    """For each probe of the given labels, what it predicts where these are wrong; () where none is."""
    given, clean = view.samples.given_label.astype(np.int64), view.image_class
    result = []
    for (vectors, target), predicted in zip(_rows(view), view.result.values.get("linear", ()), strict=True):
        wrong = (predicted != UNSEEN_CLASS) & (given != clean)
        if target == GIVEN and view.samples.truth_known and wrong.any():
            answer = predicted[wrong].astype(np.int64)
            chance = _agreement(answer, given[wrong], clean[wrong], len(view.class_names))
            result.append(
                WrongLabels(vectors, _right(answer == given[wrong]), _right(answer == clean[wrong]), chance)
            )
    return tuple(result)


def cause_probes(view: GatesResult) -> tuple[CauseProbe, ...]:
    """For each probe of the corruption and each cause, whether its samples are predicted as corrupted."""
    cause, result = view.samples.cause, []
    for (vectors, target), predicted in zip(_rows(view), view.result.values.get("linear", ()), strict=True):
        if target != CORRUPTION or vectors == CLASS_ALONE:  # within classes a class alone tells nothing
            continue
        known, alarm = predicted != UNSEEN_CLASS, predicted != CAUSES.index("clean")
        if not (clean := known & (cause == "clean")).any():
            continue
        for name in CORRUPTED_CAUSES:
            if (members := known & (cause == name)).any():
                inside = stratified_difference(alarm.astype(np.float64), members, clean, view.image_class)
                shares = _right(alarm[members]), _right(alarm[clean])
                result.append(CauseProbe(vectors, name, *shares, widened(inside, FOLDS)))
    return tuple(result)


def hardness_probes(view: GatesResult, groups: Members) -> tuple[HardnessProbe, ...]:
    """Rank correlations of each stored score with what patterns and features predict for it.

    Args:
        view: a result.
        groups: of :func:`probes.samples.probe_groups.probed_members`.
    """
    values, result = view.result.values, []
    for place, (column, title) in enumerate(view.result.config.get("analyses", {}).get("hardness", ())):
        for row, vectors in enumerate((GATES, FEATURES)):
            ranks, predicted = values["hardness"][place], values["linear_hardness"][row, place]
            known = ~np.isnan(ranks) & ~np.isnan(predicted)
            inside = {name: mask[known] for name, mask in groups.items()}
            score = Hardness(column, title, ranks[known].astype(np.float64))
            rows = cost_correlations(predicted[known], [score], inside, view.image_class[known])
            result += [HardnessProbe(vectors, _cross_validated(row)) for row in rows]
    return tuple(result)


def _cross_validated(row: CostCorrelation) -> CostCorrelation:
    """Correlations with the intervals of predictions of cross-validation."""
    clean = row.clean_within_class
    return replace(
        row,
        plain=widened(row.plain, FOLDS, fisher=True),
        within_class=widened(row.within_class, FOLDS, fisher=True),
        clean_within_class=None if clean is None else widened(clean, FOLDS, fisher=True),
    )


def _right(hits: NDArray[np.bool_]) -> Estimate:
    """Share of right predictions [n] with its interval."""
    return predicted_share(float(hits.mean()), len(hits), len(hits), FOLDS)


def _rows(view: GatesResult) -> list[tuple[str, str]]:
    """Vectors and target of each row of the stored predictions."""
    return [(vectors, target) for vectors, target in view.result.config.get("analyses", {}).get("linear", ())]


def _analysed(view: GatesResult) -> NDArray[np.bool_]:
    """Which samples [n] are analysed."""
    return view.result.values["near_gates"][0] >= 0


def _weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of each sample [n] with which a mean over samples is the mean over classes of their means."""
    _, number, count = np.unique(labels, return_inverse=True, return_counts=True)
    return len(labels) / (len(count) * count[number.ravel()])


def _mean_recall(hits: NDArray[np.bool_], labels: NDArray[np.int64]) -> Estimate:
    """Mean over classes of the share of hits [n], with the interval of a mean of independent shares."""
    _, number, count = np.unique(labels, return_inverse=True, return_counts=True)
    recall = np.bincount(number.ravel(), hits) / count
    value, classes = float(recall.mean()), len(count)
    # As many samples as would give the mean of equal shares its variance.
    n = classes**2 / float((1 / count).sum())
    variance = float((recall * (1 - recall) / count).sum()) / classes**2
    ratio = variance * n / (value * (1 - value)) if 0 < value < 1 else 1.0
    return predicted_share(value, n, len(labels), FOLDS, ratio)


def _agreement(
    answer: NDArray[np.int64], given: NDArray[np.int64], clean: NDArray[np.int64], classes: int
) -> float:
    """Mean share of agreeing answers and labels [n] over all permutations of the labels within the clean classes."""
    total = 0.0
    for number in np.unique(clean):
        inside = clean == number
        counts = [np.bincount(side[inside], minlength=classes) for side in (answer, given)]
        total += float(counts[0] @ counts[1]) / int(inside.sum())
    return total / len(clean)
