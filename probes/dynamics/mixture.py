"""Two-component Gaussian mixture of losses: probability of the low-loss component, as in DivideMix."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

STARTS = (0.25, 0.5, 0.75)
"""Shares of the lowest losses that start as the lower component, beside the start from k-means."""

TOLERANCE = 1e-2
"""Smallest gain of the lower bound, in nats a sample, that counts: of the iterations, and of another start over
k-means."""

VARIANCE = 5e-4
"""Added to the variances."""


def low_loss_probability(loss: NDArray) -> NDArray[np.float64]:
    """Probability that each loss comes from the lower of two normal components, [N] in [0, 1]; low is harder.

    Li et al. 2020, DivideMix (arXiv 2002.07394), with the constants of its code: losses scaled to [0, 1], at most
    10 iterations, tolerance 1e-2, 5e-4 added to the variances. The fit may stop before convergence, which is accepted
    as in its code. The losses are sorted before the fit, so that the result depends neither on the order of the
    samples nor on a seed.

    Unlike in its code, the fit starts from several places (:data:`STARTS`): from k-means alone it ends in a poor
    optimum for half of the small samples with two unequal groups.

    Args:
        loss: [N] losses in nats. NaN is missing, and an infinite loss (a diverged sample) is left out of the fit.

    Returns:
        [N]; 0 for an infinite loss, NaN for a missing one; all NaN if there are no two different finite losses.
    """
    loss = np.asarray(loss, np.float64)
    finite = np.isfinite(loss)
    known = np.sort(loss[finite])
    if len(known) == 0 or known[0] == known[-1]:
        return np.full(len(loss), np.nan)
    scaled = (loss - known[0]) / (known[-1] - known[0])
    mixture = _best_fit(np.sort(scaled[finite]))
    lower = int(np.argmin(np.asarray(mixture.means_)))
    probability = np.where(np.isnan(loss), np.nan, 0.0)
    probability[finite] = mixture.predict_proba(scaled[finite][:, None])[:, lower]
    return probability


def _best_fit(ascending: NDArray[np.float64]) -> GaussianMixture:
    """The fit with the highest lower bound on the likelihood; that from k-means unless another is better.

    Args:
        ascending: [n] losses in [0, 1], sorted, of which the first is 0 and the last 1.
    """
    fits = [_fit(ascending, None), *(_fit(ascending, share) for share in STARTS)]
    best = max(fits, key=lambda fit: fit.lower_bound_)
    return best if best.lower_bound_ > fits[0].lower_bound_ + TOLERANCE else fits[0]


def _fit(ascending: NDArray[np.float64], share: float | None) -> GaussianMixture:
    """The fit from one start: k-means (None), or the given share of the lowest losses as the lower component."""
    start = {}
    if share is not None:
        count = min(max(1, int(share * len(ascending))), len(ascending) - 1)
        parts = ascending[:count], ascending[count:]
        start = {
            "init_params": "random_from_data",  # not used, but k-means would take time
            "weights_init": [len(part) / len(ascending) for part in parts],
            "means_init": [[part.mean()] for part in parts],
            "precisions_init": [[[1 / (part.var() + VARIANCE)]] for part in parts],
        }
    mixture = GaussianMixture(2, max_iter=10, tol=TOLERANCE, reg_covar=VARIANCE, random_state=0, **start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(ascending[:, None])
