"""Learning rates step by step, compared with the papers' schedules."""

import pytest

from memgate.config.run import ModelConfig, RunConfig, SparsityConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.recipes import recipe
from memgate.training.schedule import gate_lr, l0_weight, shaping_weight, trunk_lr


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
            "has no milestones: leave --train.milestones 82",
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


PAPER_EPOCHS = (1, 50, 100, 101, 200, 300, 301, 500)


def test_the_papers_schedule_of_sparsity_losses():
    """Batch shaping from 0.75 to 0 at epoch 100, L0 from epoch 100 to 300: section 5, and per epoch as public code."""
    config = SparsityConfig(l0=0.1).resolved(epochs=500)
    assert (config.shaping_until, config.l0_from, config.l0_until) == (100, 100, 300)
    shaping = [shaping_weight(config, epoch, 0.9) for epoch in PAPER_EPOCHS]
    assert shaping == pytest.approx([0.75, 0.75 * 0.51, 0.0075, 0, 0, 0, 0, 0])
    l0 = [l0_weight(config, epoch, 0.9) for epoch in PAPER_EPOCHS]
    assert l0 == pytest.approx([0, 0, 0, 0.0005, 0.05, 0.1, 0.1, 0.1])


def test_the_papers_schedule_of_sparsity_losses_per_step():
    config = SparsityConfig(l0=0.1, update="step").resolved(epochs=500)
    places = [(1, 0.0), (1, 0.5), (50, 0.5), (100, 0.5), (101, 0.0), (101, 0.5), (200, 0.0), (300, 0.5), (301, 0.0),
              (500, 0.5)]  # fmt: skip
    shaping = [shaping_weight(config, *place) for place in places]
    assert shaping == pytest.approx([0.75 * share for share in (1, 0.995, 0.505, 0.005, 0, 0, 0, 0, 0, 0)])
    l0 = [l0_weight(config, *place) for place in places]
    assert l0 == pytest.approx([0.1 * share for share in (0, 0, 0, 0, 0, 0.0025, 0.495, 0.9975, 1, 1)])


def test_a_constant_weight_of_batch_shaping():
    config = SparsityConfig(shaping=0.5, shaping_schedule="constant").resolved(epochs=10)
    assert {shaping_weight(config, epoch, 0.3) for epoch in range(1, 11)} == {0.5}


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, (1, 0, 1)), (2, (1, 0, 1)), (5, (1, 1, 3)), (60, (12, 12, 36))]
)
def test_schedules_of_sparsity_losses_follow_the_epochs(epochs, expected):
    config = SparsityConfig().resolved(epochs)
    assert (config.shaping_until, config.l0_from, config.l0_until) == expected
    assert shaping_weight(config, 1, 0.0) == config.shaping
    assert l0_weight(config, epochs, 0.0) == config.l0  # also of a single epoch, the last has its full weight


def test_schedules_follow_a_new_number_of_epochs_unless_they_were_given():
    config = RunConfig(model=ModelConfig("channel-gate"), sparsity=SparsityConfig(l0_from=3))
    sparsity = config.resolved().sparsity
    assert (sparsity.shaping_until, sparsity.l0_from, sparsity.l0_until) == (12, 3, 36)
    ungated = RunConfig(model=ModelConfig("resnet")).resolved().sparsity
    assert ungated == SparsityConfig()
