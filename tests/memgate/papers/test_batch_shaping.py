"""Rows of the batch-shaping paper: its numbers, the configurations of its CIFAR-10 networks, and their scales."""

import csv
import re
from dataclasses import replace

import pytest
import torch

from memgate.errors import MemgateError
from memgate.models import MODELS
from memgate.papers.reproduction import ReproductionSettings, reproduction
from memgate.papers.rows import find_rows, read_rows
from memgate.papers.scales import scale_caveats, scaled
from memgate.papers.settings import caveats, obstacle, row_config
from memgate.recipes import recipe
from memgate.training.schedule import l0_weight, shaping_weight, trunk_lr

ROWS = [row for row in read_rows() if row.document == "paper-bas"]
GRID = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2)
TRAINED = [row for row in ROWS if not obstacle(row)]
OWN = [row for row in TRAINED if row.model not in ("convnet-aig", "skipnet")]
"""Rows of its own networks and of plain ones."""


def percent(row):
    return round(100 * row.accuracy, 2)


@pytest.mark.shared
def test_numbers_of_table_1_and_the_text_are_those_of_the_reference(shared):
    with (shared / "reference" / "paper_tables.csv").open(newline="") as stream:
        theirs = [line for line in csv.DictReader(stream) if line["table"].startswith("batch-shaping-paper")]
    table = [row for row in ROWS if row.table == "paper-bas-1"]
    assert len(table) == 9
    for row, line in zip(table, theirs, strict=False):
        cost = row.cost
        ours = [(cost.gpu_ms, None), (cost.cpu_ms, None)]
        ours += [(cost.parameters, cost.full_parameters), (cost.macs, cost.full_macs)]
        # GPU 0.51 ms; CPU 86.25 ms; params 9.15M (21.91M); MACs 1.67G (3.68G)
        parts = line["note"].split("; ")
        expected = [(float(number) for number in re.findall(r"[\d.]+", part)) for part in parts]
        for pair, numbers, unit in zip(ours, expected, (1, 1, 1e6, 1e9), strict=True):
            known = [value / unit for value in pair if value is not None]
            assert known == pytest.approx(list(numbers)), row.row
        assert percent(row) == pytest.approx(float(line["test_accuracy"]))
    in_text = {percent(row) for row in ROWS if row.table == "paper-bas-text"}
    assert {float(line["test_accuracy"]) for line in theirs[9:]} <= in_text


def test_cityscapes_has_its_intersections_and_shares_of_macs():
    rows = [row for row in ROWS if row.dataset == "cityscapes"]
    assert [row.iou for row in rows] == [0.706, 0.719, 0.739, 0.744, 0.747]
    assert [row.cost.macs_share for row in rows] == [None, 0.763, None, 0.765, 0.95]
    assert [row.penalty for row in rows] == [None, 0.2, None, 0.2, 0.05]


def test_figure_3_has_the_grid_of_every_family_and_no_number():
    rows = find_rows("paper-bas-figure-3")
    assert all((row.accuracy, row.sd, row.runs) == (None, None, 0) for row in rows)
    families = {}
    for row in rows:
        if row.model == "convnet-aig":
            continue
        families.setdefault((row.backbone, row.width, row.model), []).append(row.gamma)
    depths = ("resnet20", "resnet32")
    assert families == {
        **{(depth, 1.0, "baseline"): [None] for depth in depths},
        **{(depth, 1.0, "batch-shaping"): list(GRID) for depth in depths},
        **{(depth, 1.0, "batch-shaping-only"): [None] for depth in depths},
        **{(depth, 1.0, "l0-only"): list(GRID) for depth in depths},
        ("resnet20", 10.0, "batch-shaping"): list(GRID),
        ("resnet20", 20.0, "batch-shaping"): list(GRID),
        ("resnet38", 1.0, "skipnet"): [None],
        ("resnet32", 1.0, "sgad"): [None],
    }
    rates = [(row.backbone, row.target_rate) for row in rows if row.model == "convnet-aig"]
    assert rates == [(depth, rate) for depth in depths for rate in (0.4, 0.5, 0.6, 0.7)]


def test_every_rows_training_is_that_of_appendix_b():
    for row in OWN:
        config = row_config(row, "code").resolved()
        train, losses = config.train, config.sparsity
        assert (train.epochs, train.batch_size, train.milestones) == (500, 256, (300, 375, 450))
        assert (train.lr, train.lr_decay, train.momentum, train.nesterov) == (0.1, 0.1, 0.9, True)
        assert (train.weight_decay, train.gate_weight_decay) == (5e-4, None)  # None: 0 for gates that close
        assert train.warmup_iterations == 0
        assert (config.data.name, config.data.augment) == ("cifar10", "crop-flip")
        assert config.data.normalisation == "dataset"
        assert config.model.depth == int(row.backbone.removeprefix("resnet"))
        assert (config.model.width, config.model.shortcut) == (row.width, "projection")
        if row.model == "baseline":
            assert config.model.name == "resnet"
            continue
        assert (config.model.name, config.model.gate.changed()) == ("channel-gate", {})
        assert losses.prior == (0.6, 0.4)
        epochs, gamma = (1, 51, 101, 200, 300, 500), row.gamma or 0.0
        shaping = {
            "batch-shaping": [0.75, 0.375, 0, 0, 0, 0], "l0-only": [0] * 6, "batch-shaping-only": [0.75] * 6,
        }  # fmt: skip
        assert [shaping_weight(losses, epoch, 0.0) for epoch in epochs] == pytest.approx(shaping[row.model])
        rise = [0, 0, gamma / 200, gamma / 2, gamma, gamma]
        assert [l0_weight(losses, epoch, 0.0) for epoch in epochs] == pytest.approx(rise)


def test_networks_that_the_paper_compares_with():
    aig = recipe("paper-bas-aig-r32-c10-0.5")
    assert (aig.model.name, aig.model.depth) == ("convnet-aig", 32)
    assert aig.sparsity.changed() == {"target_rates": (0.5,)}
    assert aig.train == recipe("paper-bas-r32-c10-plain").train
    skipnet = recipe("paper-bas-skipnet-r38-c10")
    assert (skipnet.model.name, skipnet.model.depth, skipnet.model.gate.skip_gate) == ("skipnet", 38, "ff-1")
    train = skipnet.train  # 64,000 steps of 128 images, a tenth of the rate after 32,000 and 48,000
    assert [round(steps / 391) for steps in (64_000, 32_000, 48_000)] == [
        train.epochs,
        *(train.milestones or ()),
    ]
    assert (train.batch_size, train.lr, train.weight_decay, train.gate_weight_decay) == (128, 0.1, 1e-4, 1e-4)
    for name in ("paper-bas-aig-r20-c10-0.4", "paper-bas-skipnet-r38-c10"):
        assert scaled(recipe(name), "tiny").resolved().model.depth == 14


def test_skipnets_published_numbers():
    rows = find_rows("paper-skipnet-cifar10")
    assert [(row.backbone, percent(row)) for row in rows] == [
        ("resnet38", 92.75), ("resnet74", 92.77), ("resnet110", 93.30),
    ]  # fmt: skip
    saved = [100 * (1 - share) for row in rows if (share := row.cost.macs_share) is not None]
    assert saved == pytest.approx([29.7, 47.7, 50.5])
    assert all("second stage, REINFORCE" in obstacle(row) for row in rows)


def parameters_of(name):
    model = recipe(name).model
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in MODELS[model.name](model, 10, 32).parameters())


@pytest.mark.slow
def test_a_rows_network_has_the_papers_size():
    """Option B, gates without a first bias; the rows of a family differ in gamma only."""
    for depth, trunk, gates in ((20, 272_474, 10_608), (32, 466_906, 18_192)):
        assert parameters_of(f"paper-bas-r{depth}-c10-plain") == trunk
        for kind in ("0.05", "l0-only-0.05", "shaping-only"):
            assert parameters_of(f"paper-bas-r{depth}-c10-{kind}") == trunk + gates


def test_the_wide_rows_are_as_wide_as_the_paper_says():
    for factor, millions in ((10, 27.0), (20, 107.5)):
        gates = 9 * (16 + 3 * 16) + 16 * 336 * factor  # the first layer and BatchNorm of each, roughly
        trunk = parameters_of(f"paper-bas-r20-x{factor}-c10-0") - gates
        assert trunk / 1e6 == pytest.approx(millions, rel=0.01)


def test_recipes_of_the_paper_are_rows_at_gamma_0_05():
    for name in ("paper-bas-r20-c10", "paper-bas-r32-c10", "paper-bas-r20-x10-c10", "paper-bas-r20-x20-c10"):
        assert recipe(name) == recipe(f"{name}-0.05")
        assert recipe(name).sparsity.l0 == 0.05


def test_a_shortened_run_keeps_shaping_and_the_rise_of_l0_an_epoch_long():
    full = recipe("paper-bas-r20-c10-0.1")
    cut = {scale: scaled(full, scale).resolved() for scale in ("tiny", "short")}
    epochs = {
        scale: (config.sparsity.shaping_until, config.sparsity.l0_from, config.sparsity.l0_until)
        for scale, config in cut.items()
    }
    assert epochs == {"tiny": (1, 1, 4), "short": (10, 10, 30)}
    assert cut["tiny"].train.milestones == (3, 4, 5)  # rounded, 4 would be there twice
    assert cut["short"].train.milestones == (30, 38, 45)
    for config in cut.values():
        weights = [l0_weight(config.sparsity, epoch, 0.0) for epoch in range(1, config.train.epochs + 1)]
        assert weights[0] == 0
        assert weights[-1] == 0.1
        assert shaping_weight(config.sparsity, 1, 0.0) == 0.75
        assert shaping_weight(config.sparsity, config.train.epochs, 0.0) == 0
        rates = {trunk_lr(config.train, epoch, 10**6) for epoch in range(1, config.train.epochs + 1)}
        assert sorted(rates) == pytest.approx([1e-4, 1e-3, 1e-2, 0.1])
    constant = scaled(recipe("paper-bas-r20-c10-shaping-only"), "tiny").resolved().sparsity
    assert (constant.shaping_schedule, constant.shaping_until, constant.l0) == ("constant", None, 0.0)
    brief = replace(full, train=replace(full.train, epochs=12, milestones=(6, 9)))  # short: one epoch
    assert scaled(brief, "short").resolved().sparsity.l0_from == 0
    assert scaled(recipe("paper-bas-r20-x20-c10"), "tiny").model == replace(full.model, depth=14, width=2.0)
    assert scaled(recipe("paper-bas-r20-x20-c10"), "short").model.width == 20


def test_caveats_of_scales_say_what_gamma_and_width_are_worth():
    def sentences(scale, name):
        return " ".join(scale_caveats(scale, [recipe(name)]))

    assert "few channels close" in sentences("short", "paper-bas-r20-c10-0.2")
    for name in (
        "paper-bas-r20-c10-0",
        "paper-bas-r20-c10-plain",
        "paper-bas-r20-c10-shaping-only",
        "paper-1-baseline",
        "paper-bas-aig-r20-c10-0.5",
    ):
        assert "few channels close" not in sentences("short", name)
    assert "2 times the channels" in sentences("tiny", "paper-bas-r20-x10-c10")
    assert "times the channels" not in sentences("short", "paper-bas-r20-x10-c10")
    assert scale_caveats("full", [recipe("paper-bas-r20-c10")]) == []


def test_caveats_of_rows_say_what_the_paper_leaves_open():
    def sentences(name):
        return " ".join(caveats(find_rows(name)[0], "code"))

    assert "option B" in sentences("paper-bas-r20-c10-0")
    assert "for L0 only" in sentences("paper-bas-r20-c10-l0-only-0")
    assert "for L0 only" not in sentences("paper-bas-r20-c10-0")
    assert "stem" in sentences("paper-bas-r20-x10-c10-0")
    assert "the abstract 74.60" in sentences("paper-bas-text-r50-bas")
    assert caveats(find_rows("paper-bas-1-r18")[0], "code") == [
        "ImageNet is no data set of memgate yet: such rows have no runs."
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("paper-bas-1-r18", "paper-bas-1-r18 cannot be trained: ImageNet is no data set of memgate yet."),
        ("paper-bas-text-psp", "Cityscapes is no data set of memgate yet"),
        ("paper-bas-sgad-r32-c10", "SGAD has no public code"),
        ("paper-skipnet-r74-c10", "second stage, REINFORCE, which memgate does not train yet"),
        ("paper-bas-r20-c10-0.05-text", "is unknown"),  # there is no second reading
    ],
)
def test_a_row_that_cannot_be_trained_says_why_and_nothing_takes_its_place(name, sentence):
    with pytest.raises(MemgateError, match=re.escape(sentence)):
        recipe(name)
    if not name.endswith("-text"):
        (row,) = find_rows(name)
        with pytest.raises(MemgateError, match=re.escape(sentence)):
            row_config(row, "code")
        with pytest.raises(MemgateError, match=re.escape(sentence)):
            reproduction([row], ReproductionSettings("tiny", "code", (0,)))


@pytest.mark.slow
def test_rows_beside_those_that_cannot_be_trained_are_trained():
    rows = find_rows("paper-bas-figure-3")
    plan = reproduction(rows, ReproductionSettings("tiny", "code", (0, 1)))
    assert len(plan.rows) == 56
    assert len(plan.configs) == 2 * 55
    names = {config.name for config in plan.configs}
    assert names >= {"paper-bas-r20-c10-0.05-tiny-s0", "paper-bas-r32-c10-plain-tiny-s1"}
    assert plan.sweep.name == "reproduce-tiny"
    assert any("SGAD" in note for note in plan.notes)
    with pytest.raises(MemgateError, match="--reading text does nothing"):
        reproduction(rows, ReproductionSettings("tiny", "text", (0,)))
    # Of rows with and without two readings, only the former have it in their runs' names.
    mixed = reproduction(
        [*find_rows("paper-1-baseline"), rows[0]], ReproductionSettings("tiny", "text", (0,))
    )
    assert [config.name for config in mixed.configs] == [
        "paper-1-baseline-tiny-text-s0", "paper-bas-r20-c10-plain-tiny-s0",
    ]  # fmt: skip
    assert mixed.sweep.name == "reproduce-tiny-text"
