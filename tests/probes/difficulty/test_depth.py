"""Prediction depth: votes as scikit-learn takes them, and depths by the definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

from memgate.config.run import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import build_model
from memgate.models.pixels import PixelNetwork
from probes.difficulty import depth as depth_module
from probes.difficulty.config import DifficultyConfig
from probes.difficulty.depth import Support, coarse, depth_of, knn_vote, prediction_depths
from probes.network.features import features
from probes.network.layers import points

NOT_IN_SUPPORT = np.full(40, -1)


def blobs(n, seed, classes=4, d=6):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return (labels[:, None] + rng.normal(0, 1.5, (n, d))).astype(np.float32), labels


@pytest.mark.parametrize("k", [1, 5, 30])
def test_votes_are_scikit_learns(k):
    (support, labels), (queries, _) = blobs(200, 0), blobs(40, 1)
    expected = KNeighborsClassifier(k, algorithm="brute").fit(support, labels).predict(queries)
    np.testing.assert_array_equal(knn_vote(queries, support, labels, k, NOT_IN_SUPPORT), expected)


def test_a_sample_has_no_vote_on_itself():
    support, labels = blobs(120, 0)
    where = np.arange(0, 120, 3)
    result = knn_vote(support[where], support, labels, 7, where)
    for row, left_out in enumerate(where):
        rest = np.arange(120) != left_out
        reference = KNeighborsClassifier(7).fit(support[rest], labels[rest])
        assert result[row] == reference.predict(support[[left_out]])[0]


def test_memory_is_bounded_without_changing_a_vote(monkeypatch):
    (support, labels), (queries, _) = blobs(3000, 0), blobs(800, 1)
    own = np.full(800, -1)
    own[::2] = np.arange(400)
    whole = knn_vote(queries, support, labels, 30, own)
    monkeypatch.setattr(depth_module, "DISTANCE_MIB", 1)
    np.testing.assert_array_equal(knn_vote(queries, support, labels, 30, own), whole)


def test_ties_of_distance_and_of_votes():
    support = np.zeros((6, 2), np.float32)
    labels = np.array([3, 3, 1, 1, 1, 1])
    query = np.ones((1, 2), np.float32)
    vote = [knn_vote(query, support, labels, k, np.array([-1]))[0] for k in (1, 2, 3, 4, 5)]
    assert vote == [3, 3, 3, 1, 1], "the first of the support are taken, and of 2 : 2 the smaller class"
    assert knn_vote(query, support, labels, 1, np.array([0]))[0] == 3
    assert knn_vote(query, support, labels, 2, np.array([0]))[0] == 1


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 8)).flatmap(
        lambda shape: st.tuples(
            arrays(np.int64, shape, elements=st.integers(0, 2)),
            arrays(np.int64, shape[1:], elements=st.integers(0, 2)),
        )
    )
)
def test_depth_is_the_first_point_from_which_on_all_agree(drawn):
    votes, prediction = drawn
    for sample, result in enumerate(depth_of(votes, prediction)):
        agrees = votes[:, sample] == prediction[sample]
        assert result == min(at for at in range(len(votes) + 1) if agrees[at:].all())


@pytest.mark.parametrize("shape", [(2, 5, 32, 32), (2, 5, 9, 9), (2, 5, 2, 2)])
def test_maps_are_averaged(shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    result = coarse(x)
    side = min(4, shape[-1])
    assert result.shape == (2, 5 * side**2)
    if shape[-1] != 9:
        step = shape[-1] // side
        np.testing.assert_allclose(result[0, 1], x[0, 0, :step, step : 2 * step].mean(), rtol=1e-5)


@pytest.fixture(scope="module")
def given_network():
    generator = torch.Generator().manual_seed(0)
    model = build_model(ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3")), 10, seed=1).train()
    with torch.no_grad():
        model(torch.randn(32, 3, 16, 16, generator=generator))
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    pixels = torch.randint(0, 256, (90, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return network, pixels, torch.randint(0, 10, (90,), generator=generator).numpy()


@pytest.mark.slow
def test_depths_of_a_network_by_hand(given_network):
    network, pixels, labels = given_network
    own = np.r_[np.arange(10), np.full(5, -1)]
    queries = torch.cat([pixels[:10], pixels[85:]])
    result = prediction_depths(network, queries, Support(pixels[:80], labels[:80]), 9, own=own)
    assert result.points == points(network.network)
    assert result.points[-1] == "penultimate"
    network.eval()
    with torch.no_grad():
        prediction = network(queries / 255).argmax(1).numpy()
    np.testing.assert_array_equal(result.prediction, prediction)
    maps = features(
        network, pixels, result.points[:-1], reduce=lambda x: functional.adaptive_avg_pool2d(x, 4)
    )
    maps |= features(network, pixels, result.points[-1:])
    votes = np.empty((len(result.points), 15), np.int64)
    for row, name in enumerate(result.points):
        values = maps[name].reshape(90, -1)
        for column, (query, left_out) in enumerate(zip([*range(10), *range(85, 90)], own, strict=True)):
            voters = np.flatnonzero((np.arange(90) < 80) & (np.arange(90) != left_out))
            nearest = KNeighborsClassifier(9).fit(values[voters], labels[voters])
            votes[row, column] = nearest.predict(values[[query]])[0]
    np.testing.assert_array_equal(result.knn_prediction, votes)
    np.testing.assert_array_equal(result.depth, depth_of(votes, prediction))


@pytest.mark.slow
def test_neither_batches_nor_memory_nor_order_change_a_depth(given_network, monkeypatch):
    network, pixels, labels = given_network
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    support, own = Support(pixels[:70], labels[:70]), np.r_[np.arange(70), np.full(20, -1)]
    counted = []
    whole = prediction_depths(network, pixels, support, 8, own=own, finished=counted.append)
    assert sum(counted) == 8 * (90 + 70)
    small = prediction_depths(network, pixels, support, 8, own=own, batch_size=7)
    monkeypatch.setattr(depth_module, "FEATURE_BYTES", 3_000_00)
    counted.clear()
    apart = prediction_depths(network, pixels, support, 8, own=own, finished=counted.append)
    assert sum(counted) == 8 * (90 + 70)
    order = np.random.default_rng(0).permutation(90)
    turned = prediction_depths(network, pixels[torch.from_numpy(order)], support, 8, own=own[order])
    for other, rows in ((small, slice(None)), (apart, slice(None)), (turned, order)):
        np.testing.assert_array_equal(other.depth, whole.depth[rows])
        np.testing.assert_array_equal(other.knn_prediction, whole.knn_prediction[:, rows])
    assert network.training
    assert network.network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_labels_of_the_support_decide_the_votes_and_not_the_prediction(given_network):
    network, pixels, labels = given_network
    whole = prediction_depths(network, pixels[:20], Support(pixels, labels), 8)
    turned = prediction_depths(network, pixels[:20], Support(pixels, 9 - labels), 8)
    np.testing.assert_array_equal(turned.prediction, whole.prediction)
    assert (turned.knn_prediction != whole.knn_prediction).any()


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((0, 50), "neighbours 0 cannot vote"),
        ((30, -1), "support -1 is no number of samples"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, sentence):
    with pytest.raises(MemgateError, match=sentence):
        DifficultyConfig(("grand",), *numbers)


def test_a_support_that_is_too_small_is_refused(given_network):
    network, pixels, labels = given_network
    with pytest.raises(
        MemgateError, match="support 30 holds no 30 neighbours of a sample of its own: at least 31"
    ):
        DifficultyConfig(neighbours=30, support=30).check(1000)
    with pytest.raises(MemgateError, match="25 training samples hold no 30 neighbours"):
        DifficultyConfig(neighbours=30, support=30).check(25)
    with pytest.raises(MemgateError, match="8 training samples hold no 8 neighbours"):
        prediction_depths(network, pixels, Support(pixels[:8], labels[:8]), 8)
