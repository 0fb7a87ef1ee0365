"""Rows of the GaterNet paper: its numbers, the networks and trainings of its CIFAR rows, and their three stages."""

import csv
import re
from dataclasses import replace

import pytest
import torch

from memgate.config.run import GateConfig, ModelConfig
from memgate.models import MODELS
from memgate.papers.reproduction import ReproductionSettings, reproduction
from memgate.papers.rows import find_rows, read_rows
from memgate.papers.scales import scaled
from memgate.papers.settings import caveats, obstacle, row_config
from memgate.recipes import recipe, staged
from memgate.training.schedule import trunk_lr

ROWS = [row for row in read_rows() if row.document == "paper-gater"]


@pytest.mark.shared
def test_accuracies_and_parameters_are_those_of_the_reference(shared):
    with (shared / "reference" / "paper_tables.csv").open(newline="") as stream:
        theirs = [
            line
            for line in csv.DictReader(stream)
            if line["table"] in ("gaternet-paper 1", "gaternet-paper 2")
        ]
    expected = sorted(
        (
            line["dataset"],
            float(line["test_accuracy"]),
            float(re.findall(r"params ([\d.]+)M", line["note"])[0]),
        )
        for line in theirs
    )
    ours = sorted(
        (row.dataset, round(100 * (row.accuracy or 0), 2), round(stated(row) / 1e6, 2)) for row in ROWS
    )
    assert len(ours) == 34
    assert ours == expected


def stated(row):
    """Number of parameters in the table."""
    return row.cost.parameters or row.cost.full_parameters or 0


OFF = {
    "paper-gater-r20-c100": -46_000,
    "paper-gater-r164-c10-se": -11_000,
    "paper-gater-r164-c100-se": -8_000,
    **{f"paper-gater-shake64-c10{end}": -55_000 for end in ("", "-plain")},
    **{f"paper-gater-shake96-c10{end}": -137_000 for end in ("", "-plain")},
}
"""Row to our parameters minus the table's where they differ by more than rounding; see test_gater.py."""


@pytest.mark.slow
def test_every_row_can_be_trained_and_has_the_papers_size():
    for row in ROWS:
        assert not obstacle(row)
        config = row_config(row, "code").resolved()
        assert config.data.name == row.dataset
        with torch.device("meta"):
            network = MODELS[config.model.name](config.model, 100 if row.dataset == "cifar100" else 10, 32)
        ours = sum(parameter.numel() for parameter in network.parameters())
        assert ours - stated(row) == pytest.approx(OFF.get(row.row, 0), abs=5_500), row.row


def test_a_gated_network_is_trained_as_its_backbone_and_longer_where_the_paper_says():
    for row in (row for row in ROWS if row.model == "gater"):
        config, plain = row_config(row, "code"), recipe(f"{row.row}-plain")
        assert config.model.family == plain.model.name
        slow = config.model.family != "resnet"
        extra = {"densenet": 20, "shake-shake": 30}.get(config.model.family, 0)
        assert config.train == replace(
            plain.train, epochs=plain.train.epochs + extra, lr=0.05 if slow else plain.train.lr
        )
        assert config.model.gate.gate_dropout == (0.05 if slow else 0)
    dense, shake = (
        recipe("paper-gater-dense100-c10-plain").train,
        recipe("paper-gater-shake64-c10-plain").train,
    )
    assert (dense.epochs, dense.batch_size, dense.milestones, dense.nesterov) == (300, 64, (150, 225), True)
    assert [trunk_lr(shake, epoch, 0) for epoch in (1, 901, 1801)] == pytest.approx([0.2, 0.1, 0.0])
    assert recipe("paper-gater-r164-c10").train.warmup_iterations == 400


@pytest.mark.parametrize("scale", ["tiny", "short"])
def test_every_row_has_its_scales(scale):
    for row in ROWS:
        config = scaled(row_config(row, "code"), scale).resolved()
        plain = row_config(row, "code")
        assert config.train.epochs == (6 if scale == "tiny" else round(plain.train.epochs / 10))
        if scale == "tiny":
            assert config.model.depth in (14, 20, 22)
            assert config.model.name != "gater" or config.model.gate.gater_depth == 14


def test_a_gated_row_has_its_backbone_and_its_gater_trained_first(tmp_path):
    rows = [*find_rows("paper-gater-r20-c10"), *find_rows("paper-gater-r56-c10")]
    plan = reproduction(rows, ReproductionSettings("tiny", "code", (0, 1), out=tmp_path))
    by_name = {str(config.name): config for config in plan.configs}
    assert len(by_name) == 2 * (1 + 2 * 2)  # for each seed one gater, two backbones, two gated networks
    names = list(by_name)
    joint = by_name["paper-gater-r56-c10-tiny-s1"]
    backbone, gater = (str(value).rpartition("/")[2] for value in (joint.init_from, joint.init_gater))
    assert backbone == "paper-gater-r56-c10-plain-tiny-s1"
    assert gater == "paper-gater-r20-c10-plain-tiny-as-gater-s1"
    assert max(names.index(backbone), names.index(gater)) < names.index(str(joint.name))
    assert (joint.init_head, joint.init_gates) == ("loaded", "fresh")
    assert (by_name[gater].seed, by_name[backbone].seed) == (1001, 1)
    assert by_name[gater].model == ModelConfig("resnet", 14)
    points = {run.name: run.point for run in plan.sweep.runs}
    assert points[gater] == {"row": "paper-gater-r20-c10-plain, as gater"}
    assert any("lambda is not stated" in note for note in plan.notes)


def test_the_stages_of_a_recipe_take_what_the_user_changed(tmp_path):
    config = recipe("paper-gater-dense100-c10", "short")
    config = replace(
        config,
        name="mine",
        out=tmp_path,
        seed=3,
        noise=("symmetric:0.2",),
        log=replace(config.log, gates="every:5"),
        train=replace(config.train, batch_size=32),
        model=replace(
            config.model, growth=16, gate=replace(config.model.gate, gater_depth=14, gater_width=0.5)
        ),
    )
    backbone, gater, joint = staged("paper-gater-dense100-c10", "short", config)
    assert [one.name for one in (backbone, gater, joint)] == ["mine-backbone", "mine-gater", "mine"]
    assert [one.seed for one in (backbone, gater, joint)] == [3, 1003, 3]
    assert backbone.model == ModelConfig("densenet", 100, growth=16)
    assert gater.model == ModelConfig("resnet", 14, width=0.5)
    assert {one.train.batch_size for one in (backbone, gater, joint)} == {32}
    assert [(one.train.epochs, one.train.lr) for one in (backbone, gater, joint)] == [
        (30, 0.1),
        (16, 0.1),
        (32, 0.05),
    ]
    assert {one.noise for one in (backbone, gater, joint)} == {("symmetric:0.2",)}
    assert joint == replace(
        config,
        init_from=str(tmp_path / "mine-backbone"),
        init_head="loaded",
        init_gater=str(tmp_path / "mine-gater"),
    )
    assert staged("paper-gater-dense100-c10", "short", joint) == ()
    assert staged("paper-gater-dense100-c10-plain", "full", config) == ()
    assert staged("quickstart", "full", config) == staged(None, "full", config) == ()


def test_what_the_paper_leaves_open_is_said():
    (wider,), (dense,) = find_rows("paper-gater-r20-c10-wider"), find_rows("paper-gater-dense100-c10")
    assert any("width" in one and "1.44" in one for one in caveats(wider, "code"))
    assert any("milestones" in one for one in caveats(dense, "code"))
    (slip,) = find_rows("paper-gater-r20-c100")
    assert any("0.60 million parameters" in one for one in caveats(slip, "code"))
    assert recipe("paper-gater-r20-c100").model.gate == GateConfig()
