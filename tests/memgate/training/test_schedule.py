"""Learning rates step by step, compared with the papers' schedules."""

import pytest

from memgate.config.run import RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.recipes import recipe
from memgate.training.schedule import gate_lr, trunk_lr


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


def test_the_trunks_rate_divided_by_three():
    config = TrainConfig(epochs=333, milestones=(133, 200), lr_decay=1 / 3)
    rates = [round(trunk_lr(config, epoch, epoch * 352), 4) for epoch in (133, 134, 200, 201, 333)]
    assert rates == [0.1, 0.0333, 0.0333, 0.0111, 0.0111]  # as in the authors' curves lr1by34770


def test_the_schedule_of_the_authors_resnet34_scripts():
    config = RunConfig(train=TrainConfig(epochs=300, schedule="resnet34-authors")).resolved().train
    assert config.milestones is None
    rates = [trunk_lr(config, epoch, (epoch - 1) * 391) for epoch in range(1, 301)]
    expected = [0.0] * 82 + [0.01] * 41 + [0.001] * 41 + [0.0] * 136
    assert rates == pytest.approx(expected, abs=0, rel=1e-12)
    intended = TrainConfig(epochs=250, milestones=(82, 123))
    assert [trunk_lr(intended, epoch, 0) for epoch in (1, 82)] == [0.1, 0.1]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"lr_decay": 0.0}, "--train.lr-decay 0.0 is out of range"),
        ({"lr_decay": 1.5}, "--train.lr-decay 1.5 is out of range"),
        (
            {"schedule": "resnet34-authors", "milestones": (82,)},
            "has epochs of its own: leave --train.milestones 82",
        ),
    ],
)
def test_an_impossible_schedule_raises(wrong, sentence):
    with pytest.raises(MemgateError, match=sentence):
        TrainConfig(**wrong)


def test_the_gates_rate():
    constant, decayed = TrainConfig(), TrainConfig(gate_lr_schedule="step50")
    assert {gate_lr(constant, epoch) for epoch in range(1, 301)} == {0.01}
    rates = [gate_lr(decayed, epoch) for epoch in (1, 49, 50, 99, 100, 300)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-8])


@pytest.mark.parametrize(("epochs", "expected"), [(24, (12, 18)), (60, (30, 45)), (2, (1,)), (1, ())])
def test_default_milestones_are_half_and_three_quarters(epochs, expected):
    assert RunConfig(train=TrainConfig(epochs=epochs)).resolved().train.milestones == expected
