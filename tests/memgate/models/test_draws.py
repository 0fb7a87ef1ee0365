"""Random numbers from keys: values of the published generator, their distribution, their independence."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from memgate.models import draws
from memgate.models.draws import BITS, keys_of, normal, uniform

SPLITMIX = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)
"""First outputs of SplitMix64 with the seed 1234567, as published with the reference implementation in C."""
SEED = 1234567


def test_keys_are_the_outputs_of_splitmix64():
    keys = keys_of(SEED, torch.arange(1, 6))
    assert tuple(int(key) % 2**64 for key in keys) == SPLITMIX


def test_numbers_are_the_leading_bits_of_splitmix64():
    numbers = uniform(torch.tensor([SEED]), stream=0, count=5)
    assert numbers.dtype == torch.float32
    assert numbers[0].tolist() == [((output >> (64 - BITS)) + 0.5) / 2**BITS for output in SPLITMIX]


def test_a_number_depends_on_its_key_stream_and_position_only():
    keys = keys_of(5, torch.arange(100))
    numbers = uniform(keys, 3, 40)
    assert torch.equal(uniform(keys, 3, 7), numbers[:, :7])
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(uniform(keys[order], 3, 40), numbers[order])
    assert torch.equal(uniform(keys[17:18], 3, 40), numbers[17:18])


def test_numbers_are_uniform():
    numbers = uniform(keys_of(1, torch.arange(1000)), 2, 300).double()
    assert kstest(numbers.flatten().numpy(), "uniform").pvalue > 1e-3
    # In each of the first positions too, over the keys of neighbouring samples.
    assert min(kstest(numbers[:, place].numpy(), "uniform").pvalue for place in range(20)) > 1e-4


def test_normal_numbers_are_normal_and_finite():
    numbers = normal(keys_of(1, torch.arange(1000)), 2, 100).double()
    assert kstest(numbers.flatten().numpy(), "norm").pvalue > 1e-3
    assert numbers.abs().max() < 5.4


def test_streams_epochs_samples_and_positions_are_independent():
    index = torch.arange(500)
    numbers = torch.cat([uniform(keys_of(seed, index), stream, 40) for seed in (1, 2) for stream in (0, 1)])
    rows = np.abs(np.corrcoef(numbers.numpy()) - np.eye(len(numbers)))  # 2,000 rows of 40 numbers
    assert rows.max() < 0.9
    assert np.sqrt((rows**2).sum() / (rows.size - len(rows))) == pytest.approx(1 / np.sqrt(39), rel=0.02)
    columns = np.abs(np.corrcoef(numbers.numpy().T) - np.eye(40))
    assert columns.max() < 5 / np.sqrt(2000)
    assert len(numbers.unique()) > 0.99 * numbers.numel()


def test_no_number_is_0_or_1(monkeypatch):
    """Where the generator gives the smallest and the largest bits, the logistic noise is still finite."""
    monkeypatch.setattr(draws, "_mixed", lambda values: torch.where(values % 2 == 0, 0, -1))
    numbers = uniform(torch.tensor([0]), 0, 2)
    assert sorted(numbers[0].tolist()) == [2.0 ** -(BITS + 1), 1 - 2.0 ** -(BITS + 1)]
    assert torch.logit(numbers).isfinite().all()
    assert 5 < normal(torch.tensor([0]), 0, 2).abs().max() < 5.4
