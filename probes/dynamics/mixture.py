"""Two groups of losses: how probable it is that a sample is of the lower one, as DivideMix asks."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture


def low_loss_probability(loss: NDArray) -> NDArray[np.float64]:
    """Probability that each loss comes from the lower of two normal components; low is harder.

    Li et al. 2020, DivideMix (arXiv 2002.07394), with the constants of its code: losses scaled to [0, 1], at most
    10 iterations, tolerance 1e-2, 5e-4 added to the variances. So few iterations may end before the fit has
    converged; its code goes on with what there is, and so does this. The losses are sorted for the fit, so that
    the answer depends neither on the order of the samples nor on a seed.

    Args:
        loss: [N] losses in nats. NaN is missing, and an infinite one (a diverged sample) is left out of the fit.

    Returns:
        [N] in [0, 1]; 0 for an infinite loss, NaN for a missing one; all NaN where there are no two different
        finite losses, and so no two groups.
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
    found = np.where(np.isnan(loss), np.nan, 0.0)
    found[finite] = mixture.predict_proba(scaled[finite][:, None])[:, lower]
    return found
