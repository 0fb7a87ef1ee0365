"""Agreement against scikit-learn, its intervals against simulation; the check that runs have the same data."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, jaccard_score

from memgate.errors import MemgateError
from memgate.log.format import Samples
from probes.samples.same_data import RunData, check_same_data, corruption_apart
from probes.stats.agreement import agreement, kappa
from probes.stats.intervals import wilson


def answers(n: int, share: float, same: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two boolean arrays: the second repeats the first with probability ``same``, and is random otherwise."""
    rng = np.random.default_rng(seed)
    first, again = rng.random(n) < share, rng.random(n) < share
    return first, np.where(rng.random(n) < same, first, again)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("same", [0.0, 0.6, 1.0])
def test_the_figures_equal_scikit_learn(share: float, same: float) -> None:
    first, second = answers(800, share, same)
    result = agreement(first, second)
    assert result.n == 800
    assert (result.both, result.first_only) == ((first & second).sum(), (first & ~second).sum())
    assert (result.second_only, result.neither) == ((~first & second).sum(), (~first & ~second).sum())
    assert result.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert result.jaccard.value == pytest.approx(jaccard_score(first, second))
    assert result.same.value == pytest.approx((first == second).mean())
    assert (result.same.low, result.same.high) == pytest.approx(wilson((first == second).sum(), 800))
    assert result.jaccard.n == (first | second).sum()
    value, low, high = result.kappa.value, result.kappa.low, result.kappa.high
    assert value is not None
    assert low is not None
    assert high is not None
    assert low <= value <= high


def test_opposite_answers_have_the_lowest_kappa() -> None:
    first = np.arange(100) < 50
    result = agreement(first, ~first)
    assert (result.kappa.value, result.jaccard.value, result.same.value) == (-1, 0, 0)


def test_undefined_figures_have_no_value() -> None:
    nobody, everybody = np.zeros(20, bool), np.ones(20, bool)
    result = agreement(nobody, nobody)
    assert result.same.value == 1
    assert (result.kappa.value, result.jaccard.value) == (None, None)
    result = agreement(everybody, everybody)
    assert (result.kappa.value, result.jaccard.value) == (None, 1)
    result = agreement(nobody[:0], nobody[:0])
    assert (result.n, result.same.value, result.kappa.value, result.jaccard.value) == (0, None, None, None)
    with pytest.raises(ValueError, match="shapes"):
        agreement(nobody, everybody[:3])


def test_a_rare_answer_has_a_kappa_but_no_interval() -> None:
    one = np.arange(40) == 3
    result = agreement(one, one)
    assert result.kappa.value == 1
    assert result.kappa.low is None


def test_the_interval_of_kappa_has_its_coverage() -> None:
    chances = np.array([0.3, 0.1, 0.1, 0.5])
    truth = float(kappa(chances))
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(300):
        cells = rng.choice(4, size=300, p=chances)
        result = agreement(cells <= 1, cells % 2 == 0, seed=seed, draws=500).kappa
        assert result.low is not None
        assert result.high is not None
        held += result.low <= truth <= result.high
    assert 0.91 <= held / 300 <= 0.98


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = answers(300, 0.4, 0.5)
    assert agreement(first, second, seed=3) == agreement(first, second, seed=3)
    assert agreement(first, second, seed=3) != agreement(first, second, seed=4)


@pytest.fixture
def mine() -> RunData:
    ids, labels = np.arange(6), np.array([0, 1, 2, 0, 1, 2])
    samples = {"train": Samples.clean(ids, labels), "test": Samples.clean(ids[:3], labels[:3])}
    return RunData("mine", "cifar10", ("a", "b", "c"), {"train": "11aa", "test": "22bb"}, samples)


def reordered(data: RunData, split: str = "train", **columns: np.ndarray) -> RunData:
    """The same samples in the opposite order, with other columns."""
    turned = {name: column[::-1] for name, column in vars(data.samples[split]).items()} | columns
    return replace(data, run="other", samples={**data.samples, split: Samples(**turned)})


def test_the_order_does_not_matter(mine: RunData) -> None:
    check_same_data(mine, reordered(mine), "train")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": "svhn"}, "their data sets are svhn and cifar10"),
        ({"class_names": ("a", "b", "d")}, "their classes differ"),
        ({"digests": {"train": "33", "test": "22bb"}}, "the images or labels of train on disk were not the same"),
        ({"digests": {"train": "11aa", "test": "9"}}, "the images or labels of test on disk were not the same"),
        ({"samples": {"test": Samples.clean(np.arange(3), np.arange(3))}}, "other has no split train"),
    ],
)  # fmt: skip
def test_other_data_is_refused_with_the_reason(change: dict, reason: str, mine: RunData) -> None:
    other = replace(mine, run="other", **change)
    with pytest.raises(MemgateError, match=f"^other cannot be compared with mine: .*{reason}"):
        check_same_data(mine, other, "train")


def test_other_samples_are_refused_with_the_reason(mine: RunData) -> None:
    short = Samples.clean(np.arange(5), np.array([0, 1, 2, 0, 1]))
    with pytest.raises(MemgateError, match="train splits have 5 and 6 samples"):
        check_same_data(mine, replace(mine, run="o", samples={**mine.samples, "train": short}), "train")
    ids = np.array([9, 8, 3, 2, 1, 0])
    with pytest.raises(MemgateError, match="2 samples of their train splits have other ids"):
        check_same_data(mine, reordered(mine, sample_id=ids), "train")
    clean = np.array([2, 1, 0, 2, 1, 1])
    with pytest.raises(MemgateError, match="1 clean labels of their train splits differ"):
        check_same_data(mine, reordered(mine, clean_label=clean), "train")


def test_without_digests_ids_and_labels_decide(mine: RunData) -> None:
    check_same_data(mine, replace(mine, run="recorded", digests={}), "train")


def test_corruption_may_differ_and_is_counted_by_id(mine: RunData) -> None:
    given = np.array([2, 2, 0, 2, 1, 1])  # of the ids 5 to 0; the labels of 4 and 0 differ
    other = reordered(mine, given_label=given, image_op=np.array([0, 0, 0, 0, 1, 2]))
    check_same_data(mine, other, "train")
    assert corruption_apart(mine.samples["train"], other.samples["train"]) == (2, 2)
