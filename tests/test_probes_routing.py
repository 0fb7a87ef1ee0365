"""Counterfactual routing: each number against a forward pass written out by hand, and the tables against loops."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from memgate.config import GateConfig, ModelConfig
from memgate.evaluate import load_model
from memgate.inputs import inputs_of
from memgate.models import build_model
from memgate.models.block_gated import hard
from memgate.models.cost import cost_of
from memgate.runs import Run
from memgate.train import start
from probes.bootstrap import paired_bootstrap
from probes.groups import points
from probes.intervals import wilson
from probes.network import PixelNetwork, pixel_network
from probes.probed import probed_members
from probes.result import load_results
from probes.routes import against_control, contrasts, fit_lost
from probes.routetable import to_terminal
from probes.routing import answers_along_routes, routes_of
from probes.routingrun import probe_run
from probes.visits import Plan

ALL = Plan(n=0)


@pytest.fixture(scope="module")
def probed(trained, tmp_path_factory):
    """The trained run with its results, computed once: none of these tests changes them."""
    folder = tmp_path_factory.mktemp("probed") / "one"
    shutil.copytree(trained, folder)
    list(probe_run(Run(folder), ALL))
    return Run(folder)


@pytest.fixture(scope="module")
def ungated(trained, tmp_path_factory):
    """The same data and noise, without gates."""
    config = replace(Run(trained).requested, name="plain", out=tmp_path_factory.mktemp("ungated"))
    found = start(replace(config, model=ModelConfig(name="resnet", depth=14)))
    list(probe_run(found, Plan(splits=["train"], n=0)))
    return found


def of(run, split="train"):
    return next(result for result in load_results(run, "routing") if result.split == split)


def by_hand(run, split, b2, b3):
    """Logits [n, K] of a split with the gates forced, and the pooled o1 of B3: one pass, module by module."""
    inputs = inputs_of(run)
    model: Any = load_model(run, "last", inputs, torch.device("cpu"))[0]
    trunk, gates, forced = model.trunk, model.gates, {"b2": b2, "b3": b3}
    network = pixel_network(model, inputs).eval()
    pixels = torch.from_numpy(inputs.image_set(split).images).permute(0, 3, 1, 2)
    with torch.no_grad():
        x = trunk.blocks["b1"](trunk.stem(network.normalised(pixels / 255)))
        for name in ("b2", "b3"):
            first, *later = trunk.blocks[name]
            o1 = o2 = first(x)
            for unit in later:
                o2 = unit(o2)
            g = gates[name](o1).value
            g = {"learned": g, "hard": (g > 0.5).float(), 0: 0 * g, 1: 0 * g + 1}[forced[name]]
            x = g.view(-1, 1, 1, 1) * o2 + (1 - g.view(-1, 1, 1, 1)) * o1
        return trunk.head(x.mean((2, 3))).numpy(), o1.mean((2, 3)).numpy(), (g > 0.5).numpy()


FORCED = {
    "learned": ("learned", "learned"), "skip": (0, 0), "through": (1, 1), "hard": ("hard", "hard"),
    "skip_b2": (0, "learned"), "through_b2": (1, "learned"),
    "skip_b3": ("learned", 0), "through_b3": ("learned", 1),
}  # fmt: skip


@pytest.mark.parametrize("split", ["train", "test_corrupted"])
def test_every_route_is_a_forward_pass_with_its_gates_forced(probed, split):
    result, samples = of(probed, split), inputs_of(probed).samples(split)
    assert list(result.config["routes"]) == [*FORCED, "read-out"]
    np.testing.assert_array_equal(result.sample_id, samples.sample_id)
    given, clean = samples.given_label.astype(int), samples.clean_label.astype(int)
    rows = np.arange(len(given))
    for row, forced in enumerate(FORCED.values()):
        logits, _, through = by_hand(probed, split, *forced)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_array_equal(result.values["prediction"][row], logits.argmax(1))
        np.testing.assert_allclose(result.values["p_given"][row], p[rows, given], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.values["p_clean"][row], p[rows, clean], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(result.values["fits_given"][row], logits.argmax(1) == given)
        np.testing.assert_array_equal(result.values["fits_clean"][row], logits.argmax(1) == clean)
        if forced == ("hard", "hard"):
            np.testing.assert_array_equal(result.values["hard_routed"][1], through)
    np.testing.assert_array_equal(result.values["wrong_label"], given != clean)


def test_as_learned_it_is_what_the_log_has(probed):
    log = probed.log()
    for split in log.splits:
        result = of(probed, split)
        for name, gate, found in (
            ("pred", None, result.values["prediction"][0]),
            ("routed", "b2", result.values["routed"][0]),
            ("routed", "b3", result.values["routed"][1]),
        ):
            epochs, logged = log.values(split, name, gate)
            np.testing.assert_array_equal(found, logged[epochs == result.epoch][0])
        for name, gate, found in (
            ("gate", "b3", result.values["gate"][1]), ("p_given", None, result.values["p_given"][0]),
        ):  # fmt: skip
            epochs, logged = log.values(split, name, gate)
            np.testing.assert_allclose(found, logged[epochs == result.epoch][0], rtol=1e-4, atol=1e-6)


def test_the_read_out_is_trained_on_all_training_samples_as_given(probed, trained_run):
    result, train = of(probed, "test"), inputs_of(probed).train
    _, at_o1, _ = by_hand(probed, "train", "learned", "learned")
    _, there, _ = by_hand(probed, "test", "learned", "learned")
    mean, std = at_o1.mean(0, dtype="f8"), at_o1.std(0, dtype="f8")
    reference = LogisticRegression(tol=1e-6, max_iter=5000).fit((at_o1 - mean) / std, train.labels)
    expected = reference.predict((there - mean) / std)
    assert (result.values["prediction"][-1] == expected).mean() >= 59 / 60
    assert result.config["readout"]["samples"] == len(train)
    few = next(probe_run(trained_run, Plan(splits=["test"], n=20)))
    place = np.isin(result.sample_id, few.sample_id)
    np.testing.assert_array_equal(few.values["prediction"], result.values["prediction"][:, place])
    assert few.config["readout"] == result.config["readout"]


def test_who_is_memorised_and_who_is_recovered(probed, ungated):
    for run, cuts in (
        (probed, {"skip_b2": ("memorised_by_b2", "recovered_by_skip_b2"),
                  "skip_b3": ("memorised_by_b3", "recovered_by_skip_b3"),
                  "read-out": ("memorised_beyond_o1", "recovered_at_o1")}),
        (ungated, {"read-out": ("memorised_beyond_o1", "recovered_at_o1")}),
    ):  # fmt: skip
        result, samples = of(run), inputs_of(run).samples("train")
        prediction = result.values["prediction"].astype(int)
        for cut, (memorised, recovered) in cuts.items():
            without = prediction[list(result.config["routes"]).index(cut)]
            for i, (given, clean) in enumerate(
                zip(samples.given_label.tolist(), samples.clean_label.tolist(), strict=True)
            ):
                fits = prediction[0, i] == given
                assert result.values[memorised][i] == (fits and without[i] != given)
                assert result.values[recovered][i] == (fits and given != clean and without[i] == clean)
    names = {name for name in of(ungated).values if name.startswith(("memorised", "recovered", "gate"))}
    assert names == {"memorised_beyond_o1", "recovered_at_o1"}
    assert list(of(ungated).config["routes"]) == ["learned", "read-out"]


@pytest.mark.parametrize("blocks", [(), ("b3",), ("b2", "b3")])
def test_neither_batch_nor_order_matters_and_the_network_is_left_alone(blocks):
    gates = GateConfig(blocks=",".join(blocks) or "b3")  # pyright: ignore[reportArgumentType]
    model = build_model(
        ModelConfig("entropy-gate" if blocks else "resnet", 14, gate=gates), 7, seed=1
    ).train()
    with torch.no_grad():
        for gate in blocks:
            model.get_parameter(f"gates.{gate}.output.weight").mul_(
                10
            )  # far from g = 1, where hard is learned
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (23, 3, 16, 16), np.uint8))
    given, clean = rng.integers(0, 7, (2, 23))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = answers_along_routes(network, blocks, pixels, given, clean)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert whole.routes == tuple(routes_of(blocks))
    assert len(set(whole.routes)) == {0: 1, 1: 4, 2: 8}[len(blocks)]
    assert whole.gate.shape == whole.hard_gate.shape == (len(blocks), 23)
    for row, name in enumerate(blocks):
        with torch.no_grad():
            at_once = model.eval()(network.normalised(pixels / 255), dict.fromkeys(blocks, hard)).gates[row]
        np.testing.assert_allclose(whole.hard_gate[row], at_once.value.numpy(), rtol=1e-4)
        same = np.allclose(whole.hard_gate[row], whole.gate[row], rtol=1e-4)
        assert same == (row == 0), f"the gate of {name} reads what is routed hard before it"
    order = rng.permutation(23)
    for size in (1, 7):
        parts = answers_along_routes(
            network, blocks, pixels[order], given[order], clean[order], batch_size=size
        )
        np.testing.assert_array_equal(parts.prediction, whole.prediction[:, order])
        for name in ("p_given", "p_clean", "gate", "hard_gate"):
            np.testing.assert_allclose(
                getattr(parts, name), getattr(whole, name)[:, order], rtol=1e-3, atol=1e-5
            )


def test_where_every_sample_is_routed_hard_is_through_and_all_is_paid_for():
    model = build_model(ModelConfig(depth=14, gate=GateConfig(curve="sigmoid")), 7, seed=1)  # g >= 0.5
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    pixels = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = np.zeros(20, int)
    found = answers_along_routes(network, ("b3",), pixels, labels, labels)
    rows = dict(zip(found.routes, found.p_given, strict=True))
    assert found.hard_routed.all()
    np.testing.assert_array_equal(rows["hard"], rows["through"])
    assert not np.allclose(rows["hard"], rows["skip"])


def test_contrasts_are_loops_over_the_samples(probed):
    result = of(probed)
    inside = probed_members(probed, probed.log(), result)
    found = {(one.cut, one.group): one for one in contrasts(result, inside)}
    assert {group for _, group in found} == {"corrupted", *(set(inside) & {"label", "image", "label+image"})}
    fits = dict(zip(result.config["routes"], result.values["fits_given"], strict=True))
    for (cut, group), one in found.items():
        lost = fits["learned"].astype(int) - fits[cut]
        means = [lost[inside[name]].mean() for name in ("clean", group)]
        assert (one.clean.value, one.corrupted.value) == pytest.approx(means)
        assert one.difference.value == pytest.approx(means[1] - means[0])
        expected = paired_bootstrap(lost[inside[group]], lost[inside["clean"]])
        assert (one.difference.value, one.difference.low, one.difference.high) == expected
        fitted = inside[group] & fits["learned"]
        if fitted.any():
            gone = (fitted & ~fits[cut]).sum()
            low, high = wilson(gone, fitted.sum())
            estimate = one.corrupted_of_fitted
            assert (estimate.value, estimate.low, estimate.high) == (gone / fitted.sum(), low, high)


def test_beside_a_control_each_sample_is_compared_with_itself(probed, ungated):
    mine, theirs = of(probed), of(ungated)
    assert fit_lost(theirs, "read-out").any()
    inside = probed_members(probed, probed.log(), mine)
    for one in against_control(mine, theirs, inside):
        more = fit_lost(mine, one.cut).astype(int) - fit_lost(theirs, "read-out")
        clean, corrupted = more[inside["clean"]], more[inside["corrupted"]]
        assert one.clean.value == pytest.approx(clean.mean())
        expected = paired_bootstrap(corrupted, clean)
        assert (one.difference.value, one.difference.low, one.difference.high) == expected


def test_the_table_has_the_numbers(probed):
    result, log = of(probed, "test"), probed.log()
    text = to_terminal(probed, log, result)
    assert "one: routing by intervention, test, epoch 3 (last), 60 of 60 samples" in text
    assert "Accuracy along each route:" in text
    assert "Nothing in test is corrupted" in text
    assert "memorised" not in text, "what was never trained on is not memorised"
    for accuracy in result.values["fits_given"].mean(1):
        assert f"{accuracy:.1%} [" in text
    cost = cost_of(probed.config.model, 10, 8)
    skipped = ~result.values["hard_routed"]
    saved = [cost.saved["b2"] * two + cost.saved["b3"] * three for two, three in skipped.T]
    assert f"{(cost.total - np.mean(saved)) / 1e6:.2f} M on average" in text
    assert f"{np.mean(saved) / cost.total:.1%} [" in text
    train = to_terminal(probed, log, of(probed))
    lost = fit_lost(of(probed), "skip_b3")
    assert points(contrasts(of(probed), probed_members(probed, log, of(probed)))[3].difference) in train
    assert f"{100 * lost.mean():+.1f} [" in train
    for title in ("Fit of the given label", "memorised by b3", "recovered by skip b3", "group - clean"):
        assert title in train
