import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noise.choose import exact_count, hash_order, hash_text
from noise.errors import NoiseError
from noise.streams import below, normals, sample_words, uniforms

distinct_ids = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=60, unique=True)


@given(ids=distinct_ids, seed=st.integers(0, 2**63 - 1))
def test_hash_order_is_the_order_of_the_stated_hashes(ids, seed):
    def digest(number):
        return hashlib.sha256(f"memgate-noise-v1|cifar10|{seed}|symmetric|{number}".encode()).hexdigest()

    order = hash_order(np.array(ids), "cifar10", seed, "symmetric")
    assert [ids[position] for position in order] == sorted(ids, key=digest)


@pytest.mark.slow
@given(ids=distinct_ids, data=st.data())
def test_hash_order_ignores_input_order_and_other_samples(ids, data):
    whole = [ids[position] for position in hash_order(np.array(ids), "d", 0)]
    shuffled = data.draw(st.permutations(ids))
    assert [shuffled[position] for position in hash_order(np.array(shuffled), "d", 0)] == whole
    part = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    in_part = [part[position] for position in hash_order(np.array(part), "d", 0)]
    assert in_part == [number for number in whole if number in set(part)]


def test_hash_order_differs_by_every_key_part():
    ids = np.arange(200)
    keys = [("a", 0, "x"), ("b", 0, "x"), ("a", 1, "x"), ("a", 0, "y")]
    orders = {tuple(hash_order(ids, *key).tolist()) for key in keys}
    assert len(orders) == len(keys)


def test_hash_order_of_nothing_is_empty():
    assert hash_order(np.array([], dtype=np.int64), "a").shape == (0,)


@pytest.mark.parametrize("part", ["a|b", ""])
def test_ambiguous_key_parts_are_refused(part):
    with pytest.raises(NoiseError, match="hash key"):
        hash_text("cifar10", part)


def test_exact_count_rounds_halves_up_on_the_rate_as_written():
    assert exact_count(0.145, 100) == 15  # 0.145 * 100 is 14.499999999999998 in floats.
    assert exact_count(0.25, 10) == 3  # round() would give 2.
    assert exact_count(0.4, 50_000) == 20_000
    assert exact_count(0.0, 7) == 0
    assert exact_count(1.0, 7) == 7


@given(rate=st.floats(0, 1), total=st.integers(0, 10**6))
def test_exact_count_is_within_a_half(rate, total):
    count = exact_count(rate, total)
    assert 0 <= count <= total
    assert abs(count - rate * total) <= 0.5 + 1e-6


@given(ids=distinct_ids, count=st.integers(1, 11))
def test_words_are_numpys_philox_at_the_stated_key_and_counter(ids, count):
    digest = hashlib.sha256(b"memgate-noise-v1|cifar10|7|randx|stream").digest()
    key = int.from_bytes(digest[:16], "little")
    words = sample_words(np.array(ids), count, "cifar10", 7, "randx")
    for row, number in zip(words, ids, strict=True):
        expected = np.random.Philox(key=key, counter=[0, 0, number, 0]).random_raw(count)
        np.testing.assert_array_equal(row, expected)


def test_words_of_a_sample_do_not_depend_on_the_batch():
    ids = np.arange(50)
    whole = sample_words(ids, 9, "a")
    np.testing.assert_array_equal(sample_words(ids[::-1], 9, "a"), whole[::-1])
    np.testing.assert_array_equal(sample_words(ids[17:18], 9, "a"), whole[17:18])
    np.testing.assert_array_equal(sample_words(ids, 4, "a"), whole[:, :4])
    assert len(np.unique(whole)) == whole.size


def test_uniforms_stay_inside_the_open_interval():
    extremes = np.array([0, 2**64 - 1], dtype=np.uint64)
    low, high = uniforms(extremes)
    assert 0 < low < 1e-15
    assert 1 - 1e-15 < high < 1
    assert np.isfinite(normals(extremes)).all()
    np.testing.assert_allclose(normals(extremes).sum(), 0, atol=1e-9)


@given(bound=st.integers(1, 1000), word=st.integers(0, 2**64 - 1))
def test_below_stays_below(bound, word):
    assert below(np.array([word], dtype=np.uint64), bound).tolist() == [word % bound]
