"""Learning rates, step by step, against the papers' rules."""

import pytest

from memgate.config import RunConfig, TrainConfig
from memgate.recipes import recipe
from memgate.schedule import gate_lr, trunk_lr


def test_the_papers_scheme():
    config = recipe("paper-c10").train
    steps = 391
    rates = {epoch: trunk_lr(config, epoch, (epoch - 1) * steps) for epoch in range(1, 301)}
    assert rates[1] == 0.01
    assert {rates[epoch] for epoch in range(2, 121)} == {0.1}
    assert [rates[epoch] for epoch in (121, 180, 181, 300)] == pytest.approx([0.01, 0.01, 0.001, 0.001])
    assert trunk_lr(config, 1, steps - 1) == 0.01
    assert trunk_lr(config, 2, steps) == 0.1


def test_any_number_of_milestones():
    config = TrainConfig(epochs=10, lr=1.0, milestones=(2, 3, 5, 7))
    rates = [trunk_lr(config, epoch, 0) for epoch in range(1, 11)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4])


def test_the_gates_rate():
    constant, decayed = TrainConfig(), TrainConfig(gate_lr_schedule="step50")
    assert {gate_lr(constant, epoch) for epoch in range(1, 301)} == {0.01}
    found = [gate_lr(decayed, epoch) for epoch in (1, 49, 50, 99, 100, 300)]
    assert found == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-8])


@pytest.mark.parametrize(("epochs", "expected"), [(24, (12, 18)), (60, (30, 45)), (2, (1,)), (1, ())])
def test_default_milestones_are_half_and_three_quarters(epochs, expected):
    assert RunConfig(train=TrainConfig(epochs=epochs)).resolved().train.milestones == expected
