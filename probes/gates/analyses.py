"""What is computed about patterns beside the network's features, and stored: linear probes and nearest neighbours.

A result with analyses has ``config["analyses"]``: ``samples`` m that they are of, ``filters`` that differ between
samples, ``folds``, ``neighbours`` k, ``linear`` (vectors and target of each row of ``linear``), ``hardness`` (column
and title of each row of ``hardness``). Its values, of n samples of which m are analysed:

- ``linear`` uint16 [P, n]: class that a linear probe of the vectors predicts for the target, trained on the other
  folds; of the target ``corruption`` the place in :data:`noise.manifest.manifest.CAUSES`. 65535 for samples that are
  not analysed, and for those of classes with too few samples.
- ``hardness`` float32 [H, n]: rank of the sample's score among the analysed, in (0, 1), high is harder; NaN where it
  is missing. ``linear_hardness`` float32 [2, H, n]: what a ridge regression trained on the other folds predicts from
  patterns and from features, less the mean of those folds.
- ``near_gates``, ``near_features`` int64 [k, n]: ids of the nearest analysed samples, the nearest first; -1 for
  samples that are not analysed.

All of it depends on (seed, sample ids) and the values alone, not on the order of the samples. No torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from memgate.log.format import UNSEEN_CLASS, Samples
from noise.choose import hash_order
from noise.manifest.manifest import CAUSES
from probes.gates.config import FEWEST, GatesConfig
from probes.gates.cost import Hardness
from probes.gates.donors import NONE
from probes.gates.linear import FOLDS, predicted_classes, predicted_values
from probes.gates.nearest import nearest_by_direction, nearest_by_hamming
from probes.gates.patterns import open_counts, unpacked

GATES, FEATURES, CLASS_ALONE = "gates", "features", "class alone"
"""Vectors that are read: the pattern, the input of the last layer, and, of the corruption, the class of the image by
itself: what it tells is no more than that classes differ in how often they are corrupted."""

CLASS, GIVEN, CORRUPTION = "class", "given label", "corruption"
"""Targets: the class of the image (by its clean label), the given label, and the cause of the corruption."""

CELLS = 40_000_000
"""Largest number of samples times filters that are unpacked, as 4 bytes each."""

SCORES = (
    "loss_mean", "aum", "variability", "el2n_early", "forgetfulness", "stable_learned_epoch", "critical_radius",
    "prediction_depth",
)  # fmt: skip
"""Scores of hardness that are predicted, as far as a run has them."""


@dataclass(frozen=True, eq=False)
class Analysed:
    """The samples of the analyses."""

    places: NDArray[np.int64]
    """Their places among the probed [m], in the order of a hash."""
    filters: NDArray[np.intp]
    """Filters that are open for some of the probed samples and closed for others [f]."""


def analysed(
    packed: NDArray[np.uint8], filters: int, sample_id: NDArray[np.integer], config: GatesConfig
) -> Analysed:
    """Samples and filters of the analyses, chosen by (seed, sample id) so that memory is bounded.

    Args:
        packed: patterns [bytes, n].
        filters: number of filters F.
        sample_id: ids [n].
        config: its ``analysed`` and ``seed``.
    """
    on = open_counts(packed, filters)
    differ = np.flatnonzero((on > 0) & (on < len(sample_id)))
    most = min(config.analysed, max(FEWEST, CELLS // max(1, len(differ))))
    return Analysed(hash_order(sample_id, "gate analyses", config.seed)[:most], differ)


def analyses(
    packed: NDArray[np.uint8],
    filters: int,
    features: NDArray[np.floating],
    samples: Samples,
    chosen: Analysed,
    hardness: Sequence[Hardness],
    config: GatesConfig,
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Values and settings to store, see the module; without values where no filter or no sample differs.

    Args:
        packed: patterns [bytes, n].
        filters: number of filters F.
        features: input of the last layer of the chosen samples [m, d].
        samples: labels of all probed samples [n].
        chosen: of :func:`analysed`.
        hardness: scores of all probed samples, of which :data:`SCORES` are taken.
        config: seed, and number of neighbours.
    """
    places, n = chosen.places, len(samples)
    scores = [score for score in hardness if score.column in SCORES]
    settings: dict[str, Any] = {
        "samples": len(places), "filters": len(chosen.filters), "folds": FOLDS, "neighbours": config.neighbours,
        "linear": [], "hardness": [],
    }  # fmt: skip
    if len(chosen.filters) == 0 or len(places) <= config.neighbours:
        return {}, settings
    targets = targets_of(samples.take(places))
    classes = samples.clean_label[places]
    vectors: Mapping[str, NDArray[np.float32]] = {
        GATES: unpacked(packed[:, places], filters)[chosen.filters].T.astype(np.float32),
        FEATURES: np.ascontiguousarray(features, np.float32),
        CLASS_ALONE: (classes[:, None] == np.unique(classes)).astype(np.float32),
    }
    rows = [
        (name, target)
        for target in targets
        for name in vectors
        if name != CLASS_ALONE or target == CORRUPTION
    ]
    read = [predicted_classes(vectors[name], targets[target]) for name, target in rows]
    near = {
        "near_gates": nearest_by_hamming(vectors[GATES], config.neighbours),
        "near_features": nearest_by_direction(vectors[FEATURES], config.neighbours),
    }
    values: dict[str, NDArray[Any]] = {"linear": _spread(np.stack(read), places, n, UNSEEN_CLASS)}
    if scores:
        ranks = np.stack([_ranks(score.values[places]) for score in scores])
        guesses = np.stack([predicted_values(vectors[name], ranks) for name in (GATES, FEATURES)])
        values["hardness"] = _spread(ranks.astype(np.float32), places, n, np.nan)
        values["linear_hardness"] = _spread(guesses, places, n, np.nan)
    for name, neighbours in near.items():
        values[name] = _spread(samples.sample_id[places][neighbours].astype(np.int64), places, n, NONE)
    settings["linear"] = [list(row) for row in rows]
    settings["hardness"] = [[score.column, score.title] for score in scores]
    return values, settings


def targets_of(samples: Samples) -> dict[str, NDArray[np.int64]]:
    """Target to the class of each sample [n]; without targets that say nothing new.

    Without clean labels only the given ones; without corrupted samples only the class; the given label only where it
    differs from the clean one for some sample.
    """
    given, clean = samples.given_label.astype(np.int64), samples.clean_label.astype(np.int64)
    if not samples.truth_known:
        return {GIVEN: given}
    targets = {CLASS: clean}
    if (given != clean).any():
        targets[GIVEN] = given
    cause = np.array([CAUSES.index(name) for name in samples.cause.tolist()], np.int64)
    if (cause > 0).any():
        targets[CORRUPTION] = cause
    return targets


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of numbers [n] among the known ones, in (0, 1), ties in the middle; NaN stays NaN."""
    ranks, known = np.full(len(values), np.nan), ~np.isnan(values)
    ranks[known] = (rankdata(values[known]) - 0.5) / max(1, known.sum())
    return ranks


def _spread(values: NDArray[Any], places: NDArray[np.int64], n: int, missing: float) -> NDArray[Any]:
    """Values [..., m] of the samples at some places among n, [..., n]."""
    result = np.full((*values.shape[:-1], n), missing, values.dtype)
    result[..., places] = values
    return result
