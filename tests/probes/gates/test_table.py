"""Costs, losses and tables of hand-made results, whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from probes.gates.config import FORCED, LEARNED
from probes.gates.cost import Hardness, by_side, cost_correlations, group_costs
from probes.gates.losses import route_losses
from probes.gates.stored import GatesResult
from probes.gates.summary import summary_of
from probes.gates.table import to_terminal
from probes.result import ProbeResult
from probes.samples.probe_groups import probed_members
from probes.stats.estimate import Estimate
from tests.helpers.estimates import ends

SIZES = {"b1u01": 4, "b2u01": 3, "b3u01": 3}
LIMITS = {"always": 1e6, "total": 5e6, "ungated": 4.9e6}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of 400 samples, and its samples in the log."""
    from tests.helpers.made_runs import RunPlan, build_run

    noise = ("symmetric:0.3", "randx:0.2")
    run = build_run(tmp_path_factory.mktemp("made"), RunPlan(2, 400, noise, macs=True, unit_depth=14))
    return run, run.sample_log()


def value(number: Estimate | None) -> float | None:
    assert number is not None
    return number.value


def made_result(log, macs, opened, routes=(LEARNED,), **columns) -> ProbeResult:
    """A result of the training split, with a row of values for each route."""
    samples = log.samples("train")
    n = len(samples)
    base = {
        "prediction": samples.given_label.astype(np.uint16),
        "p_given": np.full(n, 0.5, np.float32),
        "p_clean": np.full(n, 0.5, np.float32),
        "margin": np.ones(n, np.float32),
    }
    rows = {name: np.stack([columns.get(f"{name} {route}", base[name]) for route in routes]) for name in base}
    donor = {"donor": np.zeros((2, n), np.int64)} if len(routes) > 1 else {}
    return ProbeResult(
        probe="gates",
        split="train",
        epoch=2,
        variant="patterns",
        checkpoint="last",
        sample_id=samples.sample_id,
        values={"pattern": np.packbits(opened, axis=0), "macs": np.stack([macs] * len(routes)), **rows, **donor},
        config={
            "gates": SIZES, "routes": list(routes), "always": 0.99, "rare": 0.05, "threshold": None, "seed": 0,
            "classes": 10, "macs": LIMITS,
        },
        log=log.identity,
    )  # fmt: skip


def test_a_group_costs_what_was_put_in_and_its_classes_cost_nothing(made):
    run, log = made
    samples = log.samples("train")
    result = made_result(log, np.zeros(400), np.ones((10, 400), bool))
    groups = probed_members(run, log, result, gates=())
    noise = np.random.default_rng(0).normal(0, 1e4, 400)
    by_class = 2e6 + 2e5 * samples.clean_label + noise
    more = np.where(samples.given_label != samples.clean_label, 3e4, 0)
    limits = (LIMITS["always"], LIMITS["total"])
    rows = {row.name: row for row in group_costs(by_class + more, groups, samples.clean_label, limits)}
    assert rows["all"].over_clean is rows["clean"].within_class is None
    _, low, high = ends(rows["label"].within_class)
    _, plain_low, plain_high = ends(rows["label"].over_clean)
    assert low < 3e4 < high
    assert high - low < 0.2 * (plain_high - plain_low)
    assert abs(ends(rows["image"].within_class)[0]) < 5e3
    assert rows["label"].mean.value == pytest.approx((by_class + more)[groups["label"]].mean())


def test_a_score_that_is_the_class_is_correlated_and_within_classes_it_is_not(made):
    run, log = made
    classes = log.samples("train").clean_label
    result = made_result(log, np.zeros(400), np.ones((10, 400), bool))
    groups = probed_members(run, log, result, gates=())
    noise, other = np.random.default_rng(1).normal(0, 1, (2, 400))
    hardness = [
        Hardness("class", "the class", classes + 0.1 * noise),
        Hardness("cost", "the cost", np.where(np.arange(400) < 9, np.nan, other)),
        Hardness("none", "no value", np.full(400, np.nan)),
    ]
    cost = classes + other
    rows = {row.column: row for row in cost_correlations(cost, hardness, groups, classes)}
    assert set(rows) == {"class", "cost"}
    assert ends(rows["class"].plain)[1] > 0.8
    _, low, high = ends(rows["class"].within_class)
    assert low < 0 < high
    assert rows["cost"].within_class.value == pytest.approx(1)
    assert rows["cost"].n == 391
    assert rows["cost"].clean_within_class is not None
    assert rows["cost"].clean_within_class.n < 391


def test_losses_are_learned_minus_the_route_and_those_without_an_answer_are_left_out(made):
    run, log = made
    samples = log.samples("train")
    corrupted = samples.cause != "clean"
    wrong = ((samples.given_label + 1) % 10).astype(np.uint16)
    lost = np.where(corrupted, wrong, samples.given_label).astype(np.uint16)
    p = np.where(np.arange(400) < 5, np.nan, 0.3).astype(np.float32)
    result = made_result(
        log, np.full(400, 2e6), np.ones((10, 400), bool), (LEARNED, *FORCED),
        **{"prediction all open": lost, "p_given same class": p},
    )  # fmt: skip
    groups = probed_members(run, log, result, gates=())
    rows = {
        (row.whole, row.part, row.group): row for row in route_losses(GatesResult.of(log, result), groups)
    }
    row = rows[LEARNED, "all open", "corrupted"]
    assert (row.fit_lost.value, row.fits.value, row.macs) == (1, 0, 2e6)
    assert ends(row.fit_over_clean)[1] > 0.9
    assert row.fitted_lost.value == value(row.fitted_over_clean) == 1
    half = rows["same class", "other class", "corrupted"]
    assert half.fitted_lost.n == half.n
    assert rows[LEARNED, "all open", "clean"].fit_lost.value == 0
    assert rows[LEARNED, "all open", "all"].fit_over_clean is None
    same = rows[LEARNED, "same class", "all"]
    assert (same.n, same.p_lost.value) == (395, pytest.approx(0.2))
    assert rows["same class", "other class", "all"].p_lost.value == pytest.approx(-0.2)
    own = rows[LEARNED, "rare closed", "label"]
    assert own.p_lost.value == own.fit_lost.value == value(own.clean_lost) == 0


def test_the_table_says_what_is_resolved_and_what_is_not(made):
    run, log = made
    samples = log.samples("train")
    rng = np.random.default_rng(2)
    opened = rng.random((10, 400)) < 0.5
    opened[0], opened[1] = True, False
    opened[5] = (samples.clean_label == 3) & (rng.random(400) < 0.3)
    macs = 2e6 + rng.normal(0, 1e5, 400) + 1e6 * (samples.cause == "image")
    hard = rng.normal(size=400)
    scores = [
        Hardness("loss_mean", "mean loss", hard),
        Hardness("aum", "margin", macs + rng.normal(0, 1e5, 400)),
    ]
    text = to_terminal(run, log, made_result(log, macs, opened), scores)
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "1 (25%)" in lines["b1u01"]
    assert lines["b2u01/1"].split("samples")[1].strip() == "3 (100%)"
    verdict = next(line for line in text.splitlines() if "than clean samples of the same classes" in line)
    assert verdict.startswith("corrupted, image: more MACs than")
    assert "Not resolved within classes: label" in verdict
    assert "Not resolved within classes: mean loss." in text
    assert "+0." in lines["margin"]
    assert "What samples lose" not in text, "no route was forced"


def test_gates_of_whole_units_open_units_and_no_filters(made):
    run, log = made
    opened = np.random.default_rng(4).random((3, 400)) < np.array([[1], [0.5], [0.02]])
    result = made_result(log, 2e6 + 1e5 * opened.sum(axis=0), opened)
    config = {**result.config, "gates": {"b1u01": 1, "b2u01": 1, "b3u01": 1}}
    text = to_terminal(run, log, replace(result, config=config))
    assert "filter" not in text.lower()
    assert "Units over depth" in text
    assert "rare unit" in text
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines["b2u01"].split()[1] == "1"
    assert "b3u01/0" not in text


def test_the_order_of_samples_does_not_matter(made):
    run, log = made
    rng = np.random.default_rng(3)
    opened, macs = rng.random((10, 400)) < 0.4, rng.uniform(1e6, 5e6, 400)
    result = made_result(log, macs, opened)
    first = summary_of(run, log, result, [Hardness("x", "x", macs**2)])
    order = rng.permutation(400)
    values = {name: array[..., order] for name, array in result.values.items()}
    shuffled = replace(result, sample_id=result.sample_id[order], values=values)
    second = summary_of(run, log, shuffled, [Hardness("x", "x", macs[order] ** 2)])
    assert second.layers == first.layers
    assert second.rare == first.rare
    assert (second.cheapest, second.dearest) == (first.cheapest, first.dearest)
    for one, other in zip(first.groups, second.groups, strict=True):
        assert other.mean.value == pytest.approx(one.mean.value)
        assert (other.within_class is None) == (one.within_class is None)


def test_sides_of_intervals():
    changes = [
        ("more", Estimate(0.2, 0.1, 0.3, 9)), ("less", Estimate(-0.2, -0.3, -0.1, 9)),
        ("open", Estimate(0.1, -0.1, 0.3, 9)), ("bare", Estimate(0.1, None, None, 9)), ("none", None),
    ]  # fmt: skip
    sides = by_side(changes)
    assert (sides.above, sides.below, sides.unresolved) == (("more",), ("less",), ("open", "bare", "none"))
