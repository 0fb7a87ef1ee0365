"""Scores that say how foreign an image is to a network; high is always more out-of-distribution. No torch.

What is made of logits is computed and returned in float64: in float32 the softmax of a sure network is exactly 1
for many images, and they could not be told apart any more.
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
"""Detector of the classifier to its name in a table."""

GATE_TITLES = {"gate_entropy": "gate entropy H", "gate_value": "gate value g", "gate_msp": "gate's MSP"}
"""Detector of a gate to its name in a table."""


def msp(logits: ArrayLike) -> NDArray[np.float64]:
    """Minus the maximum softmax probability (Hendrycks and Gimpel 2017).

    Args:
        logits: [n, K].

    Returns:
        [n] in [-1, -1/K].
    """
    return -softmax(np.asarray(logits, np.float64), axis=1).max(axis=1)


def max_logit(logits: ArrayLike) -> NDArray[np.float64]:
    """Minus the largest logit of [n, K] (Hendrycks et al. 2022): [n], any sign."""
    return -np.asarray(logits, np.float64).max(axis=1)


def energy(logits: ArrayLike) -> NDArray[np.float64]:
    """Energy -logsumexp at temperature 1 of logits [n, K] (Liu et al. 2020): [n], any sign."""
    return -np.asarray(logsumexp(np.asarray(logits, np.float64), axis=1))


def entropy(logits: ArrayLike) -> NDArray[np.float64]:
    """Entropy of the softmax of logits [n, K]: [n] nats in [0, ln K]."""
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    return -(np.exp(log_p) * log_p).sum(axis=1)


LOGIT_DETECTORS: dict[str, Callable[[ArrayLike], NDArray[np.float64]]] = {
    "msp": msp,
    "max_logit": max_logit,
    "energy": energy,
    "entropy": entropy,
}
"""Name to the score of logits [n, K]."""


KNN_ROWS = 1024
"""Images whose neighbours are looked for at a time: enough for a fast product, few enough to see it move on."""


def knn_distance(
    features: ArrayLike, support: ArrayLike, k: int, *, finished: Callable[[int], object] = lambda _: None
) -> NDArray[np.float64]:
    """Distance to the k-th nearest training sample among features of unit length (Sun et al. 2022).

    Args:
        features: [n, d].
        support: [m, d] of training samples, m >= k.
        k: from 1; the paper's is 50 for CIFAR-10.
        finished: called with how many images are newly done.

    Returns:
        [n] in [0, 2]: Euclidean distance between normalised vectors; a vector of zeros stays one.
    """
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(_unit(support))
    vectors, distances = _unit(features), []
    for start in range(0, len(vectors), KNN_ROWS):
        some = vectors[start : start + KNN_ROWS]
        distances.append(found.kneighbors(some)[0][:, -1])
        finished(len(some))
    return np.concatenate(distances).astype(np.float64)


def _unit(features: ArrayLike) -> NDArray[np.floating]:
    vectors = np.asarray(features)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def detector_titles(gates: Sequence[str]) -> dict[str, str]:
    """Column of every detector of a network to its name in a table, the classifier's first.

    Args:
        gates: names of the network's gates; none for an ungated one.
    """
    of_gates = {
        gate_column(name, gate, gates): f"{title} ({gate})"
        for gate in gates
        for name, title in GATE_TITLES.items()
    }
    return {**TITLES, **of_gates}
