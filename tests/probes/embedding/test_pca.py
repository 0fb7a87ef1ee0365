"""Principal components against scikit-learn's, on numbers and on packed bits, and what they must not depend on."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from memgate.errors import MemgateError
from probes.embedding.embed import embed
from probes.embedding.pca import principal_components
from probes.embedding.vectors import CHUNK, vectors_of


def numbers(n: int = 300, d: int = 20, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 100
    values[:, 3] = 7
    return values


def bits(n: int = 300, d: int = 45) -> np.ndarray:
    rng = np.random.default_rng(1)
    opened = rng.random((n, d)) < rng.random(d)
    opened[:, 5] = True
    return opened


@pytest.mark.parametrize("values", [numbers(), bits(), numbers(12, 20), bits(CHUNK + 30)])
@pytest.mark.parametrize("exact", [4096, 4], ids=["decomposed", "searched"])
def test_components_are_those_of_scikit_learn(values: np.ndarray, exact: int) -> None:
    expected = PCA(4, svd_solver="full").fit(values.astype(np.float64))
    made = principal_components(vectors_of(values), 4, exact)
    np.testing.assert_allclose(made.coordinates, expected.transform(values.astype(np.float64)), atol=1e-7)
    np.testing.assert_allclose(made.explained, expected.explained_variance_ratio_, atol=1e-9)


def test_what_is_the_same_for_all_samples_is_left_out() -> None:
    opened = bits()
    alone = opened[:, opened.any(axis=0) & ~opened.all(axis=0)]
    whole = principal_components(vectors_of(opened), 3)
    np.testing.assert_allclose(
        whole.coordinates, principal_components(vectors_of(alone), 3).coordinates, atol=1e-9
    )
    assert whole.constant == 48 - alone.shape[1]


def test_the_order_of_the_samples_changes_nothing() -> None:
    for values in (numbers(), bits()):
        order = np.random.default_rng(2).permutation(len(values))
        np.testing.assert_allclose(embed(values[order]), embed(values)[order], rtol=1e-5, atol=1e-5)


def test_more_components_than_there_are_are_not_made_up() -> None:
    line = np.outer(np.arange(5.0), [1, 0, 0])
    assert principal_components(vectors_of(line), 9).coordinates.shape == (5, 1)
    np.testing.assert_allclose(embed(line), [[at, 0] for at in (-2, -1, 0, 1, 2)], atol=1e-6)


def test_the_work_is_counted_once() -> None:
    for exact in (4096, 4):
        steps: list[int] = []
        principal_components(vectors_of(bits(CHUNK + 30)), 3, exact, steps.append)
        assert sum(steps) == 3 * (CHUNK + 30)


def test_equal_vectors_are_a_sentence() -> None:
    with pytest.raises(MemgateError, match="all 4 samples are equal"):
        embed(np.ones((4, 3)))


@pytest.mark.parametrize(
    "values", [np.zeros(4), np.zeros((0, 3)), np.array([[1.0, np.nan]] * 2), np.array([["a"]])]
)
def test_what_are_no_vectors_is_a_sentence(values: np.ndarray) -> None:
    with pytest.raises(MemgateError, match="vectors"):
        embed(values)
