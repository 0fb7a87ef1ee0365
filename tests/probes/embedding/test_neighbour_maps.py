"""t-SNE: seeded, separating what is planted; UMAP where it is not installed; the nearest vectors against numpy."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from memgate.errors import MemgateError
from probes.embedding import neighbours
from probes.embedding.config import EmbedConfig
from probes.embedding.embed import embed, map_of, work_of
from probes.embedding.vectors import nearest_vectors, vectors_of

SHORT = EmbedConfig(iterations=300, perplexity=10)


def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Bits of 90 samples in three groups, and the group of each."""
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    chance = np.where(rng.random((3, 64)) < 0.5, 0.1, 0.9)
    return rng.random((90, 64)) < chance[group], group


def test_tsne_separates_planted_groups_and_comes_again_with_its_seed() -> None:
    values, group = clusters()
    steps: list[int] = []
    made = map_of(vectors_of(values), "tsne", SHORT, steps.append).position
    nearest = NearestNeighbors(n_neighbors=6).fit(made).kneighbors(made, return_distance=False)[:, 1:]
    assert (group[nearest] == group[:, None]).mean() > 0.99
    np.testing.assert_array_equal(embed(values, "tsne", SHORT), made)
    assert sum(steps) == work_of(90, "tsne", SHORT) == 3 * 90 + 300


def test_of_many_samples_some_are_drawn_by_seed_and_id() -> None:
    vectors = vectors_of(clusters()[0])
    some = EmbedConfig(iterations=250, perplexity=5, most=30)
    first, other = (map_of(vectors, "tsne", replace(some, seed=seed)).vectors.sample_id for seed in (0, 1))
    assert len(first) == 30
    assert (np.diff(first) > 0).all()
    assert not np.array_equal(first, other)
    shuffled = vectors.take(np.random.default_rng(3).permutation(90))
    np.testing.assert_array_equal(
        map_of(shuffled, "tsne", some).position, map_of(vectors, "tsne", some).position
    )
    assert len(map_of(vectors, "pca", some).vectors) == 90


def test_a_perplexity_above_the_samples_is_a_sentence() -> None:
    with pytest.raises(MemgateError, match="--perplexity 30 needs more samples"):
        embed(np.eye(20), "tsne")


def test_umap_that_is_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MemgateError, match=r"umap-learn, which is not installed: pip install"):
        embed(clusters()[0], "umap")


def test_umap_gets_the_components_and_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    class Fake:
        def __init__(self, **settings: object) -> None:
            given.update(settings)

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            return values[:, :2] * 2

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Fake))
    values = clusters()[0]
    np.testing.assert_allclose(embed(values, "umap", EmbedConfig(seed=4)), 2 * embed(values), rtol=1e-6)
    assert (given["random_state"], given["n_neighbors"], given["n_components"]) == (4, 15, 2)


@pytest.mark.parametrize("binary", [True, False])
def test_the_nearest_vectors_are_numpys(binary: bool) -> None:
    values = clusters()[0] if binary else np.random.default_rng(1).normal(size=(90, 7))
    places, distances = nearest_vectors(vectors_of(values), 11, 5)
    expected = (values != values[11]).sum(axis=1) if binary else np.linalg.norm(values - values[11], axis=1)
    order = [at for at in np.lexsort((np.arange(90), expected)) if at != 11][:5]
    assert places.tolist() == order
    np.testing.assert_allclose(distances, expected[order])


@pytest.mark.parametrize("kind", ["bits", "numbers", "far from the origin", "equal"])
def test_the_nearest_of_each_are_those_of_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    values = {
        "bits": draw.random((90, 21)) < 0.5,  # many at the same distance
        "numbers": draw.normal(size=(90, 7)),
        "far from the origin": 1e6 + 1e-6 * draw.normal(size=(90, 7)),
        "equal": np.ones((90, 3)),
    }[kind]
    monkeypatch.setattr(neighbours, "QUERIES", 16)
    vectors, places, done = vectors_of(values), np.arange(90)[::-2], []
    near, distances = neighbours.nearest_of_each(vectors, places, 5, done.append)
    for row, place in enumerate(places):
        expected = nearest_vectors(vectors, int(place), 5)
        assert near[row].tolist() == expected[0].tolist()
        np.testing.assert_array_equal(distances[row], expected[1])
    assert sum(done) == len(places)
    assert neighbours.nearest_of_each(vectors, places, 0)[0].shape == (45, 0)
    assert neighbours.nearest_of_each(vectors_of(values[:3]), np.arange(2), 5)[0].shape == (2, 2)


@pytest.mark.parametrize(
    "options",
    [{"sources": ("gate",)}, {"methods": ()}, {"perplexity": 0.5}, {"iterations": 10}, {"most": 2}, {"min_dist": 1},
     {"seed": -1}, {"learning_rate": 0.0}, {"dimensions": 1}, {"umap_neighbours": 1}, {"exaggeration": 0}],
)  # fmt: skip
def test_a_setting_out_of_range_is_a_sentence(options: dict) -> None:
    with pytest.raises(MemgateError, match=rf"--{next(iter(options)).replace('_', '-')} "):
        EmbedConfig(**options)
