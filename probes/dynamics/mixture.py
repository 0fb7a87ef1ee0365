"""Two-component Gaussian mixture of losses: probability of the low-loss component, as in DivideMix."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture


def low_loss_probability(loss: NDArray) -> NDArray[np.float64]:
    """Probability that each loss comes from the lower of two normal components, [N] in [0, 1]; low is harder.

    Li et al. 2020, DivideMix (arXiv 2002.07394), with the constants of its code: losses scaled to [0, 1], at most
    10 iterations, tolerance 1e-2, 5e-4 added to the variances. The fit may stop before convergence, which is accepted
    as in its code. The losses are sorted before the fit, so that the result depends neither on the order of the
    samples nor on a seed.

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
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(np.sort(scaled[finite])[:, None])
    lower = int(np.argmin(np.asarray(mixture.means_)))
    probability = np.where(np.isnan(loss), np.nan, 0.0)
    probability[finite] = mixture.predict_proba(scaled[finite][:, None])[:, lower]
    return probability
