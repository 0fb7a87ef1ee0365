"""Out-of-distribution scores of images; high is always more out-of-distribution. No torch.

Scores of logits are computed and returned in float64: in float32 the softmax of a confident network is exactly 1 for
many images, which would then have the same score.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.neighbors import NearestNeighbors

from probes.samples.columns import gate_column

TITLES = {
    "msp": "MSP",
    "max_logit": "MaxLogit",
    "energy": "energy",
    "entropy": "entropy",
    "knn": "k-NN distance",
}
"""Detector of the classifier to its title in a table."""

GATE_TITLES = {"gate_entropy": "gate entropy H", "gate_value": "gate value g", "gate_msp": "gate's MSP"}
"""Detector of a gate to its title in a table."""


def msp(logits: ArrayLike) -> NDArray[np.float64]:
    """Minus the maximum softmax probability [n], in [-1, -1/K] (Hendrycks and Gimpel 2017).

    Args:
        logits: [n, K].

    Returns:
        [n] in [-1, -1/K].
    """
    return -softmax(np.asarray(logits, np.float64), axis=1).max(axis=1)


def max_logit(logits: ArrayLike) -> NDArray[np.float64]:
    """Minus the largest logit [n], of any sign, from logits [n, K] (Hendrycks et al. 2022)."""
    return -np.asarray(logits, np.float64).max(axis=1)


def energy(logits: ArrayLike) -> NDArray[np.float64]:
    """Energy, -logsumexp at temperature 1 [n], of any sign, from logits [n, K] (Liu et al. 2020)."""
    return -np.asarray(logsumexp(np.asarray(logits, np.float64), axis=1))


def entropy(logits: ArrayLike) -> NDArray[np.float64]:
    """Entropy of the softmax [n] in nats, in [0, ln K], from logits [n, K]."""
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    return -(np.exp(log_p) * log_p).sum(axis=1)


LOGIT_DETECTORS: dict[str, Callable[[ArrayLike], NDArray[np.float64]]] = {
    "msp": msp,
    "max_logit": max_logit,
    "energy": energy,
    "entropy": entropy,
}
"""Detector to its function from logits [n, K] to scores [n]."""


KNN_ROWS = 1024
"""Images whose neighbours are searched at a time: enough for a fast product, few enough for a smooth progress bar."""


def knn_distance(
    features: ArrayLike, support: ArrayLike, k: int, *, finished: Callable[[int], object] = lambda _: None
) -> NDArray[np.float64]:
    """Distance to the k-th nearest training sample [n], between features of unit length (Sun et al. 2022).

    Args:
        features: [n, d].
        support: [m, d] of training samples, m >= k.
        k: from 1; the paper's is 50 for CIFAR-10.
        finished: called after each part with its number of images.

    Returns:
        [n] in [0, 2]: Euclidean distance between normalised vectors; a vector of zeros stays zero.
    """
    nearest = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(_unit(support))
    vectors, distances = _unit(features), []
    for start in range(0, len(vectors), KNN_ROWS):
        part = vectors[start : start + KNN_ROWS]
        distances.append(nearest.kneighbors(part)[0][:, -1])
        finished(len(part))
    return np.concatenate(distances).astype(np.float64)


def _unit(features: ArrayLike) -> NDArray[np.floating]:
    vectors = np.asarray(features)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def detector_titles(gates: Sequence[str]) -> dict[str, str]:
    """Column of every detector of a network to its title in a table, the classifier's first.

    Args:
        gates: names of the network's gates; none for an ungated one.
    """
    of_gates = {
        gate_column(name, gate, gates): f"{title} ({gate})"
        for gate in gates
        for name, title in GATE_TITLES.items()
    }
    return {**TITLES, **of_gates}
