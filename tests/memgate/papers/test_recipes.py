"""Configurations of the documents' rows, compared with the tables and with the networks' numbers of parameters."""

import csv
import itertools
from dataclasses import replace
from importlib import resources
from typing import get_args

import pytest
import torch

from memgate.errors import MemgateError
from memgate.models import MODELS
from memgate.papers.rows import baseline_of, find_rows, read_rows
from memgate.papers.scales import SCALES, scale_caveats, scaled, workload
from memgate.papers.settings import Reading, caveats, has_two_readings, obstacle, row_config
from memgate.recipes import RECIPES, recipe
from memgate.training.schedule import trunk_lr

ROWS = [row for row in read_rows() if has_two_readings(row)]
"""Of the two soft-gating documents; those of the batch-shaping paper: test_batch_shaping.py."""

DOCUMENTS = {"report": "gating-report", "paper": "soft-gating-paper"}

R34_FLATTENED, R110_FLATTENED, R164_FLATTENED = 256 * 8 * 8, 64 * 8 * 8, 256 * 8 * 8


def two_layers(inputs: int, outputs: int) -> int:
    """Weights and biases of two linear layers with 512 units between them."""
    return inputs * 512 + 512 + 512 * outputs + outputs


# Backbone and classes to parameters, as the authors' networks were counted.
BACKBONES = {
    ("resnet110", 10): 1_730_714, ("resnet110", 100): 1_736_564, ("resnet164", 10): 1_704_154,
    ("resnet164", 100): 1_727_284, ("preresnet110", 10): 1_730_522, ("preresnet164", 10): 1_703_258,
    ("preresnet164", 100): 1_726_388, ("resnet34", 10): 21_282_122,
}  # fmt: skip
B2_GATE_R110 = 9_298


def expected_parameters(row) -> int:
    """Number of parameters of the row's network in the documents."""
    classes = 100 if row.dataset == "cifar100" else 10
    trunk = BACKBONES[row.backbone, classes]
    flattened = {"resnet34": R34_FLATTENED, "resnet110": R110_FLATTENED, "resnet164": R164_FLATTENED}
    if row.model == "baseline":
        return trunk
    if row.model.startswith("layer"):
        return {"resnet110": 1_826_938, "resnet164": 3_216_474 + 90 * 257}[row.backbone]
    pooled = {"resnet110": 64, "resnet164": 256}
    if row.model.startswith("entropy-classifier"):
        second = B2_GATE_R110 if row.model.endswith("b2b3") else 0
        return trunk + two_layers(pooled[row.backbone], classes) + second
    outputs = {"scalar": 1, "twoway": 2, "entropy": classes}[row.model.split("-")[1]]
    return trunk + two_layers(flattened[row.backbone], outputs)


@pytest.mark.shared
def test_the_csv_file_equals_the_tables_of_both_documents(shared):
    with (shared / "reference" / "paper_tables.csv").open(newline="") as stream:
        theirs = [line for line in csv.DictReader(stream) if line["table"].split()[0] in DOCUMENTS.values()]
    assert len(theirs) == len(ROWS) == 127

    models = [(line["dataset"], line["backbone"], line["model"], line["init"]) for line in theirs]
    assert [(row.dataset, row.backbone, row.model, row.init) for row in ROWS] == models
    assert [row.gate_lr_schedule or "" for row in ROWS] == [line["gate_lr_schedule"] for line in theirs]
    tables = [line["table"].replace("text 1.2", "text") for line in theirs]
    assert [f"{DOCUMENTS[row.table.split('-')[0]]} {row.table.split('-')[1]}" for row in ROWS] == tables
    for ours, name, scale in (
        ("penalty", "lam", 1), ("gate_lr", "gate_lr", 1), ("accuracy", "test_accuracy", 100), ("sd", "std", 100),
        ("runs", "runs", 1),
    ):  # fmt: skip
        values = [getattr(row, ours) for row in ROWS]
        expected = [float(line[name]) if line[name] else None for line in theirs]
        assert [value is None for value in values] == [value is None for value in expected]
        pairs = [
            (scale * value, other) for value, other in zip(values, expected, strict=True) if other is not None
        ]
        assert [mine for mine, _ in pairs] == pytest.approx([other for _, other in pairs], abs=1e-4, rel=1e-9)


def test_the_csv_file_is_package_data():
    assert resources.files("memgate.papers").joinpath("paper_results.csv").is_file()


@pytest.mark.slow
def test_every_rows_network_has_the_documents_number_of_parameters():
    counted = {}  # many rows have the same network, and so have most readings of a row
    for row, reading in itertools.product(ROWS, get_args(Reading)):
        config = row_config(row, reading).resolved()
        model, classes = config.model, 100 if row.dataset == "cifar100" else 10
        shape = (replace(model, gate=replace(model.gate, penalty=0.0)), classes)
        if shape not in counted:
            with torch.device("meta"):
                network = MODELS[model.name](model, classes, 32)
            counted[shape] = sum(parameter.numel() for parameter in network.parameters())
        assert counted[shape] == expected_parameters(row), row.row


@pytest.mark.slow
def test_settings_of_a_row():
    config = recipe("paper-2-baseline-0.001-step50")
    assert (config.data.name, config.data.normalisation, config.data.augment) == (
        "cifar100",
        "legacy",
        "crop-flip",
    )
    assert (config.model.name, config.model.depth, config.model.block) == ("entropy-gate", 164, "bottleneck")
    assert (config.train.gate_lr, config.train.gate_lr_schedule) == (0.001, "step50")
    assert (config.train.epochs, config.train.milestones, config.train.warmup_iterations) == (
        300,
        (120, 180),
        391,
    )
    assert recipe("report-3.4-1000").model.gate.target_loss == "bce"
    assert recipe("report-3.4-1000").train.epochs == 250
    assert recipe("report-3.4-1000").train.milestones == (82, 123)
    for table in ("report-2.1", "report-2.2", *(f"report-3.{number}" for number in (1, 2, 4, 5, 6, 7))):
        grid = sorted(recipe(row.row).model.gate.penalty for row in find_rows(table))
        assert grid == pytest.approx([1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000])
    assert recipe("report-text-displacement").train.milestones == ()


GATES_OF_ROWS = [  # row, network, and the gate's settings that are not the defaults: spec/gating.md, sections 2 to 4
    ("report-1.3-layer-exclusive", "layer-exclusive", {}),
    ("report-1.3-layer-shortcut-only-l2", "layer-shortcut-only", {"penalty": 0.01}),
    ("report-1.4-layer-exclusive-l2", "layer-exclusive", {"penalty": 0.01}),
    ("report-1.4-layer-shortcut-only-l2", "layer-shortcut-only", {"penalty": 0.01}),
    ("report-2.2-100", "block-scalar", {"input": "flatten", "penalty": 100.0}),
    ("report-text-displacement", "block-displacement", {"input": "flatten", "penalty": 1e-4}),
    ("report-2.3-block-entropy-sigmoid-scratch", "block-entropy", {"input": "flatten", "curve": "sigmoid"}),
    ("report-2.3-block-entropy-raw-baseline", "block-entropy", {"input": "flatten", "curve": "identity"}),
    ("report-3.1-1e-05", "block-scalar", {"input": "flatten", "penalty": 1e-5}),
    ("report-3.3-cifar10-resnet110", "block-entropy", {"input": "flatten", "curve": "centred"}),
    ("report-3.3-cifar100-resnet164", "block-entropy", {"input": "flatten", "curve": "centred"}),
    ("report-3.5-10", "block-two-way", {"input": "flatten", "penalty": 10.0, "target_loss": "bce"}),
    ("report-3.7-0.1", "block-two-way", {"input": "flatten", "penalty": 0.1}),
    ("paper-1-scratch-0.001-step50", "entropy-gate", {"curve": "centred", "tap": "o2"}),
    ("paper-4-0.001-constant", "entropy-gate", {"curve": "centred", "blocks": "b2,b3"}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "network", "changed"), GATES_OF_ROWS)
def test_a_row_has_the_documents_gate(row, network, changed):
    model = recipe(row).model
    assert (model.name, model.gate.changed()) == (network, changed)


@pytest.mark.slow
@pytest.mark.parametrize("reading", ["code", "text"])
def test_every_rows_training_settings_in_both_readings(reading):
    """Section 5 of spec/gating.md: the same SGD for all; epochs, milestones and warm-up by backbone and document."""
    for row in ROWS:
        config = row_config(row, reading)
        train, resnet34 = config.train, row.backbone == "resnet34"
        assert (train.lr, train.momentum, train.weight_decay, train.batch_size) == (0.1, 0.9, 1e-4, 128)
        assert (train.lr_decay, train.warmup_lr, train.gate_iters) == (0.1, 0.01, 1)
        assert (train.warmup_iterations > 0) == (not resnet34), row.row
        assert (config.data.normalisation, config.data.val_fraction) == ("legacy", 0.0)
        assert config.model.initialisation == ("torch" if resnet34 and reading == "code" else "he")
        broken = resnet34 and reading == "code" and row.row != "report-text-displacement"
        assert train.schedule == ("resnet34-authors" if broken else "milestones"), row.row
        if row.row == "report-text-resnet34":
            assert train.epochs == 164
        elif row.table.startswith("report"):
            assert train.epochs == 250
        else:
            assert (train.epochs, train.milestones) == (300, (120, 180))
        if row.table.startswith("report") and not broken:
            assert train.milestones == (() if row.row == "report-text-displacement" else (82, 123))


def test_the_schemes_and_layer_gates_that_no_table_has():
    validated, scheme_1 = recipe("paper-c10-val"), recipe("paper-c10-scheme1")
    assert (validated.train.epochs, validated.train.milestones, validated.train.warmup_iterations) == (
        333,
        (133, 200),
        352,
    )
    assert (validated.data.val_fraction, scheme_1.data.val_fraction) == (0.1, 0.0)
    assert (scheme_1.train.epochs, scheme_1.train.milestones, scheme_1.train.warmup_iterations) == (
        250,
        (82, 123),
        391,
    )
    assert scheme_1.model == validated.model == recipe("paper-c10").model
    text, code = recipe("paper-two-way"), recipe("paper-two-way-authors")
    assert (text.model.name, text.model.depth) == ("layer-two-way", 110)
    assert text.model.gate.changed() == {"penalty": 0.01}
    assert code.model.gate.changed() == {
        "penalty": 0.01,
        "temperature": 10_000,
        "bias": 0.0,
        "spread": "fan-out",
    }
    assert (text.data.val_fraction, code.data.val_fraction) == (0.1, 0.0)
    assert text.train == code.train == scheme_1.train


def test_the_two_readings_differ_in_the_listed_settings_only():
    code, text = recipe("paper-1-scratch-0.01-constant"), recipe("paper-1-scratch-0.01-constant-text")
    assert (code.model.gate.tap, text.model.gate.tap) == ("o2", "o1")
    assert replace(text, model=code.model) == code
    both = recipe("paper-4-0.01-constant")  # their code of two gates reads o1
    assert both == recipe("paper-4-0.01-constant-text")
    code, text = recipe("report-2.1-0.01"), recipe("report-2.1-0.01-text")
    rates = [
        {epoch: trunk_lr(config.train, epoch, epoch * 391) for epoch in (1, 100, 130, 250)}
        for config in (code, text)
    ]
    assert rates[0] == pytest.approx({1: 0.0, 100: 0.01, 130: 0.001, 250: 0.0})
    assert rates[1] == pytest.approx({1: 0.1, 100: 0.01, 130: 0.001, 250: 0.001})


@pytest.mark.parametrize("name", [name for name, entry in RECIPES.items() if entry.reproduces])
def test_a_recipe_equals_the_row_that_it_reproduces(name):
    assert RECIPES[name].config == recipe(RECIPES[name].reproduces)


def test_rows_are_found_by_name_table_and_pattern():
    assert [row.row for row in find_rows("report-2.1-0.01")] == ["report-2.1-0.01"]
    assert len(find_rows("report-2.1")) == 9
    assert {row.table for row in find_rows("paper-*-step50")} == {"paper-1", "paper-2", "paper-3", "paper-4"}
    assert len(find_rows("paper-1-baseline")) == 1
    with pytest.raises(MemgateError, match="perhaps report-2.1-0.01 is meant"):
        find_rows("report-2.1-0.02x")
    with pytest.raises(MemgateError, match=r"perhaps paper-\d is meant"):  # a table, and no single row
        find_rows("paper-9")
    with pytest.raises(MemgateError, match="--recipe 'report-9' is unknown"):
        recipe("report-9")
    assert baseline_of(find_rows("paper-2-baseline-0.01-constant")[0]).row == "paper-2-baseline"
    assert baseline_of(find_rows("report-2.2-10")[0]).row == "report-text-resnet34"


def test_caveats_name_the_differences_from_the_documents():
    sentences = " ".join(caveats(find_rows("report-2.2-0.01")[0], "code"))
    assert "loaded nothing" in sentences
    assert "rate of 0 up to epoch 82" in sentences
    assert "single run" in sentences
    sentences = caveats(find_rows("paper-1-scratch-0.01-constant")[0], "text")
    assert sentences == [
        "Model 4 over B3: the gate of the authors' published code reads o2; ours reads o1, as the paper says."
    ]
    assert caveats(find_rows("paper-1-baseline")[0], "code") == []
    assert caveats(find_rows("paper-3-baseline")[0], "code") == []  # five runs, no standard deviation
    assert not any("without ±" in text for row in ROWS for text in caveats(row, "code"))
    assert any("diverged" in text for text in caveats(find_rows("report-3.6-1000")[0], "code"))


@pytest.mark.parametrize("row", ["paper-1-scratch-0.01-step50", "report-2.1-1", "report-1.2-preresnet164"])
def test_a_scale_keeps_all_learning_rates_and_other_settings(row):
    full = recipe(row)
    for scale in ("tiny", "short"):
        cut = scaled(full, scale)
        rates = [trunk_lr(cut.train, epoch, 10**6) for epoch in range(1, cut.train.epochs + 1)]
        whole = [trunk_lr(full.train, epoch, 10**6) for epoch in range(1, full.train.epochs + 1)]
        assert sorted(set(rates), reverse=True) == sorted({rate for rate in whole if rate}, reverse=True)
        assert replace(cut.data, train_limit=None, test_limit=None) == full.data
        assert replace(cut.model, depth=full.model.depth, width=1.0) == full.model
    assert scaled(full, "full") == full
    assert scaled(full, "short").model == full.model


@pytest.mark.slow
def test_every_row_can_be_scaled():
    small = set()
    for row in read_rows():
        if obstacle(row):
            continue
        for scale in SCALES:
            config = scaled(row_config(row, "text"), scale).resolved()
            assert config.train.epochs == {"tiny": 6}.get(scale, config.train.epochs)
            if scale == "tiny":
                small.add(replace(config.model, gate=replace(config.model.gate, penalty=0.0)))
    for model in small:
        with torch.device("meta"):
            network = MODELS[model.name](model, 10, 32)
        # A flattened gate has 2.1 million weights (8.4 in a bottleneck's block), its trunk less than one.
        trunk = network.get_submodule("trunk") if model.gate_names else network
        assert sum(parameter.numel() for parameter in trunk.parameters()) < 1_000_000
    short = scaled(recipe("paper-1-baseline"), "short").train
    assert (short.epochs, short.milestones) == (30, (12, 18))


def test_workload_counts_epochs_steps_and_images():
    # Of the first, ten epochs are finished.
    left = workload([(recipe("paper-1-baseline"), 10), (recipe("paper-c10-val"), 0)])
    assert (left.runs, left.epochs) == (2, 290 + 333)
    assert left.steps == 290 * 391 + 333 * 352
    assert left.images == 290 * 50_000 + 333 * 45_000
    assert scale_caveats("full", []) == []
    assert "not comparable" in scale_caveats("short", [recipe("paper-1-baseline")])[0]
