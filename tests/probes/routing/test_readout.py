"""The read-out against scikit-learn's own solution, and what it says where there is little to read."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from memgate.errors import MemgateError
from probes.routing.readout import fit_readout, shuffled_hits


def some(n=400, seed=0) -> Any:
    data, target = map(np.asarray, load_digits(return_X_y=True))
    rows = np.random.default_rng(seed).permutation(len(target))[:n]
    return data[rows].astype(np.float32), target[rows].astype(np.int64)


def test_it_is_scikit_learns_on_standardised_features():
    features, labels = some()
    readout = fit_readout(features[:300], labels[:300], 12)
    mean, std = features[:300].mean(0, dtype="f8"), features[:300].std(0, dtype="f8")
    scaled = (features - mean) / np.where(std == 0, 1, std)
    for solver in ("lbfgs", "newton-cg"):
        reference = LogisticRegression(tol=1e-8, max_iter=5000, solver=solver).fit(scaled[:300], labels[:300])
        result = readout.probabilities(features)
        np.testing.assert_allclose(result[:, :10], reference.predict_proba(scaled), atol=2e-3)
        np.testing.assert_array_equal(result.argmax(1), reference.predict(scaled))
    assert (result[:, 10:] == 0).all(), "nobody was given these classes"
    np.testing.assert_allclose(result.sum(1), 1)
    assert readout.config["converged"]
    assert (readout.config["samples"], readout.config["features"]) == (300, 64)


def test_the_penalty_is_half_the_squared_norm_beside_the_summed_loss():
    rng = np.random.default_rng(1)
    labels = np.arange(60) % 3
    features = rng.normal(labels[:, None] * [0.5, -0.3], 1, (60, 2))
    scaled = (features - features.mean(0)) / features.std(0)

    def objective(flat):
        weights, free = flat[:6].reshape(2, 3), flat[6:]
        log_p = log_softmax(scaled @ weights + free, axis=1)
        return -log_p[np.arange(60), labels].sum() + 0.5 * (weights**2).sum()

    best = minimize(objective, np.zeros(9), tol=1e-10).x
    expected = np.exp(log_softmax(scaled @ best[:6].reshape(2, 3) + best[6:], axis=1))
    np.testing.assert_allclose(fit_readout(features, labels, 3).probabilities(features), expected, atol=1e-3)


def test_equal_input_gives_an_equal_read_out_and_two_classes_are_enough():
    features, labels = some(200)
    one, two = (fit_readout(features, labels % 2 * 3, 4) for _ in range(2))
    np.testing.assert_array_equal(one.probabilities(features), two.probabilities(features))
    assert one.probabilities(features)[:, [1, 2]].sum() == 0
    assert one.probabilities(features[:0]).shape == (0, 4)
    with pytest.raises(MemgateError, match="All 200 training samples are given the label 3"):
        fit_readout(features, np.full(200, 3), 10)


def test_shuffled_labels_are_fitted_less_the_more_there_are():
    features, labels = some(1500)
    order = np.random.default_rng(2).permutation(1500)
    few, many = (shuffled_hits(features[:n], labels[order][:n]) / n for n in (80, 1500))
    assert 0.1 < many < 0.35 < 0.8 < few
