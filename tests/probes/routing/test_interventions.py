"""Counterfactual routing: each number against a forward pass written out by hand, and the tables against loops."""

import re
import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from memgate.config.run import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import build_model
from memgate.models.gated.block_gated import hard
from memgate.models.macs import cost_of
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run
from memgate.training.evaluate import load_network, pixel_network
from memgate.training.loop import train
from noise.choose import hash_order
from probes.network.plan import Plan
from probes.result import load_results
from probes.routing import run as routing_run
from probes.routing.control import comparisons, to_comparison
from probes.routing.interventions import outputs_along_routes, routes_of
from probes.routing.readout import fit_readout
from probes.routing.routes import against_control, cuts_of, with_difference
from probes.routing.run import probe_run
from probes.routing.table import routing_table, to_terminal
from probes.samples.probe_groups import probed_members
from probes.stats.estimate import difference, percent, share
from probes.stats.intervals import wilson

ALL = Plan(n=0)


@pytest.fixture(scope="module")
def probed(trained, tmp_path_factory):
    """The trained run with its results, computed once: none of these tests changes them."""
    folder = tmp_path_factory.mktemp("probed") / "one"
    shutil.copytree(trained, folder)
    list(probe_run(Run(folder), ALL))
    return Run(folder)


def like(trained, out, name, model, epochs=3):
    requested = Run(trained).requested
    return train(
        replace(requested, name=name, out=out, model=model, train=replace(requested.train, epochs=epochs))
    )


@pytest.fixture(scope="module")
def ungated(trained, tmp_path_factory):
    """The same data and noise, without gates."""
    result = like(trained, tmp_path_factory.mktemp("ungated"), "plain", ModelConfig(name="resnet", depth=14))
    list(probe_run(result, Plan(splits=["train"], n=0)))
    return result


@pytest.fixture(scope="module")
def single(trained, tmp_path_factory):
    """The same with one gate."""
    gate = GateConfig(hidden_b3=16)
    result = like(
        trained, tmp_path_factory.mktemp("single"), "single", ModelConfig(depth=14, gate=gate), epochs=1
    )
    list(probe_run(result, ALL))
    return result


def of(run, split="train"):
    return next(result for result in load_results(run, "routing") if result.split == split)


def by_hand(run, split, b2, b3):
    """Logits [n, K] of a split with the gates forced, and the pooled o1 of B3: one pass, module by module."""
    inputs = inputs_of(run)
    model: Any = load_network(run, "last", torch.device("cpu"))[0]
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
            g = gates[name](o1).gate.value
            g = {"learned": g, "hard": (g > 0.5).float(), 0: 0 * g, 1: 0 * g + 1}[forced[name]]
            x = g.view(-1, 1, 1, 1) * o2 + (1 - g.view(-1, 1, 1, 1)) * o1
        return (
            trunk.head(x.mean((2, 3))).numpy(),
            o1.mean((2, 3)).numpy(),
            (g > 0.5).numpy(),
            x.mean((2, 3)).numpy(),
        )


FORCED = {
    "learned": ("learned", "learned"), "skip": (0, 0), "through": (1, 1), "hard": ("hard", "hard"),
    "skip_b2": (0, "learned"), "through_b2": (1, "learned"),
    "skip_b3": ("learned", 0), "through_b3": ("learned", 1),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test_corrupted"])
def test_every_route_is_a_forward_pass_with_its_gates_forced(probed, split):
    result, samples = of(probed, split), inputs_of(probed).samples(split)
    assert list(result.config["routes"]) == [*FORCED, "read-out o1", "read-out end"]
    np.testing.assert_array_equal(result.sample_id, samples.sample_id)
    given, clean = samples.given_label.astype(int), samples.clean_label.astype(int)
    rows = np.arange(len(given))
    for row, forced in enumerate(FORCED.values()):
        logits, _, through, _ = by_hand(probed, split, *forced)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_array_equal(result.values["prediction"][row], logits.argmax(1))
        np.testing.assert_allclose(result.values["p_given"][row], p[rows, given], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.values["p_clean"][row], p[rows, clean], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(result.values["fits_given"][row], logits.argmax(1) == given)
        np.testing.assert_array_equal(result.values["fits_clean"][row], logits.argmax(1) == clean)
        if forced == ("hard", "hard"):
            np.testing.assert_array_equal(result.values["hard_routed"][1], through)
    np.testing.assert_array_equal(result.values["wrong_label"], given != clean)


def test_the_learned_route_agrees_with_the_log(probed):
    log = probed.sample_log()
    for split in log.splits:
        result = of(probed, split)
        for name, gate, outcome in (
            ("pred", None, result.values["prediction"][0]),
            ("routed", "b2", result.values["routed"][0]),
            ("routed", "b3", result.values["routed"][1]),
        ):
            epochs, logged = log.values(split, name, gate)
            np.testing.assert_array_equal(outcome, logged[epochs == result.epoch][0])
        for name, gate, outcome in (
            ("gate", "b3", result.values["gate"][1]), ("p_given", None, result.values["p_given"][0]),
        ):  # fmt: skip
            epochs, logged = log.values(split, name, gate)
            np.testing.assert_allclose(outcome, logged[epochs == result.epoch][0], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_read_outs_are_trained_on_all_training_samples_as_given(probed, trained_run):
    result, train = of(probed, "test"), inputs_of(probed).train
    for row, point in ((-2, 1), (-1, 3)):
        here, there = (by_hand(probed, split, "learned", "learned")[point] for split in ("train", "test"))
        mean, std = here.mean(0, dtype="f8"), here.std(0, dtype="f8")
        reference = LogisticRegression(tol=1e-6, max_iter=5000).fit((here - mean) / std, train.labels)
        expected = reference.predict((there - mean) / std)
        assert (result.values["prediction"][row] == expected).mean() >= 59 / 60
    assert {one["samples"] for one in result.config["readouts"].values()} == {len(train)}
    few = next(probe_run(trained_run, Plan(splits=["test"], n=20)))
    place = np.isin(result.sample_id, few.sample_id)
    np.testing.assert_array_equal(few.values["prediction"], result.values["prediction"][:, place])
    for name in ("readouts", "shuffled"):
        assert few.config[name] == result.config[name]


def test_the_shuffled_labels_are_the_labels_in_another_order(probed, monkeypatch):
    """With 20 pixels, since 64 features fit any labels of 128 samples: shuffled labels are fitted less often."""
    inputs = inputs_of(probed)
    train = inputs.train
    few = train.images.reshape(len(train), -1)[:, 5:180:9].astype(np.float32)
    monkeypatch.setattr(routing_run, "_features", lambda *_: {"b3.1": few, "penultimate": few})
    shuffled = routing_run._trained(None, SimpleNamespace(inputs=inputs, epoch=3), "b3.1", None).shuffled  # pyright: ignore

    def hits(labels):
        return int((fit_readout(few, labels, 10).probabilities(few).argmax(1) == labels).sum())

    order = hash_order(train.sample_id, "read-out", train.name, train.split)
    expected = hits(train.labels[order])
    assert shuffled == {"hits": expected, "most_frequent": max(np.bincount(train.labels))}
    assert expected < len(train) - 4, "otherwise the number could be that of the samples"
    assert abs(hits(train.labels) - expected) > 4, "the labels in order would be another number"
    text = to_terminal(
        probed,
        probed.sample_log(),
        replace(of(probed), config={**of(probed).config, "shuffled": {**shuffled, "samples": 128}}),
    )
    share_ = percent(share(np.arange(128) < expected))
    assert f"shuffled labels fits {share_} of them; naming the most frequent label, " in text


READ = ("read-out end", "memorised_beyond_o1", "recovered_at_o1")


@pytest.mark.slow
def test_memorised_and_recovered_samples(probed, single, ungated):
    for run, cuts in (
        (probed, {"skip_b2": ("learned", "memorised_by_b2", "recovered_by_skip_b2"),
                  "skip_b3": ("learned", "memorised_by_b3", "recovered_by_skip_b3"), "read-out o1": READ}),
        (single, {"skip": ("learned", "memorised_by_b3", "recovered_by_skip"), "read-out o1": READ}),
        (ungated, {"skip": ("learned", "memorised_by_b3", "recovered_by_skip"), "read-out o1": READ}),
    ):  # fmt: skip
        result, samples = of(run), inputs_of(run).samples("train")
        prediction = dict(zip(result.config["routes"], result.values["prediction"].astype(int), strict=True))
        for cut, (whole, memorised, recovered) in cuts.items():
            for i, (given, clean) in enumerate(
                zip(samples.given_label.tolist(), samples.clean_label.tolist(), strict=True)
            ):
                fits, left = prediction[whole][i] == given, prediction[cut][i]
                assert result.values[memorised][i] == (fits and left != given)
                assert result.values[recovered][i] == (fits and given != clean and left == clean)
        names = {name for name in result.values if name.startswith(("memorised", "recovered"))}
        assert names == {name for _, *columns in cuts.values() for name in columns}
    assert list(of(ungated).config["routes"]) == ["learned", "skip", "read-out o1", "read-out end"]


def test_skip_of_an_ungated_network_is_its_head_on_o1(ungated):
    inputs, result = inputs_of(ungated), of(ungated)
    model: Any = load_network(ungated, "last", torch.device("cpu"))[0].eval()
    pixels = torch.from_numpy(inputs.train.images).permute(0, 3, 1, 2)
    with torch.no_grad():
        x = model.stem(pixel_network(model, inputs).normalised(pixels / 255))
        x = model.blocks["b3"][0](model.blocks["b2"](model.blocks["b1"](x)))
        logits = model.head(x.mean((2, 3))).numpy()
    chance = softmax(logits, axis=1)[np.arange(len(logits)), inputs.train.labels]
    np.testing.assert_array_equal(result.values["prediction"][1], logits.argmax(1))
    np.testing.assert_allclose(result.values["p_given"][1], chance, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [(), ("b3",), ("b2", "b3")])
def test_neither_batch_nor_order_matters_and_the_network_is_left_as_it_was(blocks):
    gates = GateConfig(blocks=",".join(blocks) or "b3")
    model = build_model(
        ModelConfig("entropy-gate" if blocks else "resnet", 14, gate=gates), 7, seed=1
    ).train()
    with torch.no_grad():
        for gate in blocks:
            # Far from g = 1, where hard is learned.
            model.get_parameter(f"gates.{gate}.output.weight").mul_(10)
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (23, 3, 16, 16), np.uint8))
    given, clean = rng.integers(0, 7, (2, 23))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = outputs_along_routes(network, blocks, pixels, given, clean)
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
        parts = outputs_along_routes(
            network, blocks, pixels[order], given[order], clean[order], batch_size=size
        )
        np.testing.assert_array_equal(parts.prediction, whole.prediction[:, order])
        for name in ("p_given", "p_clean", "gate", "hard_gate"):
            np.testing.assert_allclose(
                getattr(parts, name), getattr(whole, name)[:, order], rtol=1e-3, atol=1e-5
            )


def test_where_every_sample_is_routed_hard_is_through_and_saves_nothing():
    model = build_model(ModelConfig(depth=14, gate=GateConfig(curve="sigmoid")), 7, seed=1)  # g >= 0.5
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    pixels = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = np.zeros(20, int)
    result = outputs_along_routes(network, ("b3",), pixels, labels, labels)
    rows = dict(zip(result.routes, result.p_given, strict=True))
    assert result.hard_routed.all()
    np.testing.assert_array_equal(rows["hard"], rows["through"])
    assert not np.allclose(rows["hard"], rows["skip"])


def parsed(text, title):
    """The cells of the table under a title."""
    lines = text.split(title)[1].strip().splitlines()
    columns = [match.span() for match in re.finditer("-+", lines[1])]
    rows = []
    for line in lines:
        if not line.strip():
            break
        cells = [line[a:b].strip() for (a, _), (b, _) in zip(columns, [*columns[1:], (None, 0)], strict=True)]
        rows.append(cells)
    return [dict(zip(rows[0], cells, strict=True)) for cells in rows[2:]]


def loops(result, samples, cut):
    """A cut in numbers: loss of the fit, fit, and loss of probability of each sample."""
    whole, part = cut
    routes = list(result.config["routes"])
    before, after = (
        result.values["prediction"][routes.index(name)] == samples.given_label for name in (whole, part)
    )
    p = [result.values["p_given"][routes.index(name)].astype(float) for name in (whole, part)]
    return before.astype(int) - after, before, p[0] - p[1]


def wilson_text(hits):
    low, high = wilson(hits.sum(), len(hits))
    return f"{hits.mean():.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def paired(values, largest=1):
    """Mean and ends by Bonett and Price: one sample more at each end of the range."""
    more = np.append(values, [largest, -largest]).astype(float)
    half = 1.959964 * more.std() / np.sqrt(len(more))
    return values.mean(), more.mean() - half, more.mean() + half


def points_text(value, low, high):
    return f"{100 * value:+.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def excess_text(first, second):
    """First number minus second by Newcombe's square and add."""
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    down, up = np.hypot(a - a_low, b_high - b), np.hypot(a_high - a, b - b_low)
    return points_text(a - b, a - b - down, a - b + up)


def paired_text(values, others=None, largest=1):
    if others is None:
        return points_text(*paired(values, largest))
    return excess_text(paired(values, largest), paired(others, largest))


def share_and_ends(hits):
    low, high = wilson(hits.sum(), len(hits))
    return hits.mean(), low, high


def by_cause(samples):
    """Masks of the groups from the labels and the manifest's cause, not from the code under test."""
    corrupted = samples.cause != "clean"
    return {"clean": ~corrupted, "corrupted": corrupted}


CUTS = {"learned - skip": ("learned", "skip"), "read-out end - read-out o1": ("read-out end", "read-out o1")}


def made(result, samples, seed):
    """A result with random predictions, so that no two columns are equal."""
    rng, routes = np.random.default_rng(seed), list(result.config["routes"])
    n, given, clean = len(samples.sample_id), samples.given_label, samples.clean_label
    as_given = rng.random((len(routes), n)) < rng.permutation(np.linspace(0.3, 0.8, len(routes)))[:, None]
    as_clean = rng.random((len(routes), n)) < 0.6
    prediction = np.where(as_given, given, np.where(as_clean, clean, rng.integers(0, 10, (len(routes), n))))
    gate = rng.random((1, n)).astype(np.float32)
    values = {
        "prediction": prediction,
        "p_given": rng.random((len(routes), n)).astype(np.float32),
        "fits_given": prediction == given,
        "fits_clean": prediction == clean,
        "wrong_label": given != clean,
    }
    if result.config["gates"]:
        values |= {"gate": gate, "routed": gate > 0.5, "hard_routed": gate > 0.5}
    names = (("memorised_by_b3", "recovered_by_skip"), ("memorised_beyond_o1", "recovered_at_o1"))
    for (memorised, recovered), cut in zip(names, CUTS.values(), strict=True):
        before, after = (prediction[routes.index(name)] for name in cut)
        values[memorised] = (before == given) & (after != given)
        values[recovered] = (given != clean) & (before == given) & (after == clean)
    return replace(result, values=values)


def test_every_cell_of_a_training_split_with_one_gate(single):
    samples = inputs_of(single).samples("train")
    result = made(of(single), samples, 1)
    mask = {"all": np.ones(len(samples.sample_id), bool), **by_cause(samples)}
    routed = result.values["gate"][0] > 0.5
    mask |= {"routed": routed, "skipped": ~routed}
    assert routed.any()
    assert not routed.all()
    text, wrong = to_terminal(single, single.sample_log(), result), samples.given_label != samples.clean_label
    table = {row["samples"]: row for row in parsed(text, "Fit of the given label along each route:")}
    for row, route in enumerate(result.config["routes"]):
        prediction = result.values["prediction"][row]
        for name, groups in mask.items():
            if groups.any():
                assert table[name][route] == wilson_text((prediction == samples.given_label)[groups])
        clean = (prediction == samples.clean_label)[wrong]
        assert table["wrong label, as its clean one"][route] == wilson_text(clean)
        assert table["wrong label, as its clean one"]["n"] == str(wrong.sum())
    taken = {(row["difference"], row["samples"]): row for row in parsed(text, "one route minus another:")}
    plain = {f"learned - {part}": ("learned", part) for part in ("through", "hard")}
    for name, cut in {**CUTS, **plain}.items():
        lost, before, p = loops(result, samples, cut)
        left = result.values["prediction"][list(result.config["routes"]).index(cut[1])]
        for group in [name for name, groups in mask.items() if groups.any()]:
            groups = mask[group]
            if name in plain and group in ("routed", "skipped"):
                assert (name, group) not in taken
                continue
            row = taken[name, group]
            assert (row["n"], row["fit"]) == (str(groups.sum()), paired_text(lost[groups]))
            assert (row["lost"], row["gained"]) == (
                wilson_text(lost[groups] == 1), wilson_text(lost[groups] == -1)
            )  # fmt: skip
            assert row["p(given)"] == paired_text(p[groups])
            fitted = groups & wrong & before
            if name in plain or not fitted.any():
                assert row["recovered"] == ("" if name in plain else "-")
            else:
                hits = (left == samples.clean_label)[fitted]
                assert row["recovered"] == f"{hits.sum()} of {fitted.sum()}: {wilson_text(hits)}"
    fitted = {name: loops(result, samples, cut)[1] & wrong for name, cut in CUTS.items()}
    assert fitted["learned - skip"].sum() < wrong.sum(), "otherwise the denominator could be all wrong labels"
    assert_contrasts(parsed(text, "from clean ones?"), result, samples)
    assert "wrong label" not in to_terminal(single, single.sample_log(), of(single, "test"))


def assert_contrasts(rows, result, samples):
    """Rows of contrasts of clean and corrupted samples, against the numbers computed here."""
    outcome = {(row["cut"], row["lost"]): row for row in rows if row["group"] == "corrupted"}
    assert len(outcome) == 6
    mask = by_cause(samples)
    for name, cut in CUTS.items():
        lost, before, p = loops(result, samples, cut)
        gone = [lost[mask[group] & before] == 1 for group in ("clean", "corrupted")]
        all_, p = ([values[mask[group]] for group in ("clean", "corrupted")] for values in (lost, p))
        for measure, cells in (
            ("fit, of all", [paired_text(all_[0]), paired_text(all_[1]), paired_text(all_[1], all_[0])]),
            ("fit, of the fitted", [*map(wilson_text, gone), excess_text(*map(share_and_ends, gone[::-1]))]),
            ("p(given)", [paired_text(p[0]), paired_text(p[1]), paired_text(p[1], p[0])]),
        ):
            row = outcome[name, measure]
            assert [row["clean loses"], row["group loses"], row["group - clean"]] == cells


def test_cuts_are_compared_with_the_same_cuts_of_a_control_sample_by_sample(single, ungated):
    samples = inputs_of(single).samples("train")
    mine, theirs = made(of(single), samples, 1), made(of(ungated), samples, 2)
    text = to_comparison(single, single.sample_log(), mine, ungated, theirs)
    rows = parsed(text, "epoch 1:")
    assert_contrasts([row for row in rows if row["run"] == "single"], mine, samples)
    assert_contrasts([row for row in rows if row["run"] == "plain"], theirs, samples)
    beside = {(row["cut"], row["lost"]): row for row in rows if row["run"] == "single - plain"}
    assert len(beside) == 6
    mask = by_cause(samples)
    for name, cut in CUTS.items():
        pair = [loops(one, samples, cut) for one in (mine, theirs)]
        more, p = pair[0][0] - pair[1][0], pair[0][2] - pair[1][2]
        groups = mask["clean"], mask["corrupted"]
        shares = [[(lost[masks & before] == 1).mean() for masks in groups] for lost, before, _ in pair]
        gap = [100 * (one - other) for one, other in zip(*shares, strict=True)]
        for measure, cells in (
            (measure, [paired_text(x[groups[0]], largest=2), paired_text(x[groups[1]], largest=2),
                       paired_text(x[groups[1]], x[groups[0]], largest=2)])
            for measure, x in (("fit, of all", more), ("p(given)", p))
        ):  # fmt: skip
            row = beside[name, measure]
            assert [row["clean loses"], row["group loses"], row["group - clean"]] == cells
        row = beside[name, "fit, of the fitted"]
        assert row["clean loses"].startswith(f"{gap[0]:+.1f} [")
        assert row["group loses"].startswith(f"{gap[1]:+.1f} [")
        assert row["group - clean"].startswith(f"{gap[1] - gap[0]:+.1f} [")
    assert "other seeds" not in text
    other = SimpleNamespace(name="plain", config=replace(ungated.config, seed=4))
    assert "other seeds (0 and 4)" in to_comparison(single, single.sample_log(), mine, other, theirs)  # pyright: ignore


def test_a_gate_at_b2_is_not_compared_with_a_cut_of_b3(probed, ungated):
    groups = probed_members(probed, probed.sample_log(), of(probed))
    result = against_control(of(probed), of(ungated), groups)
    cuts = list(dict.fromkeys(one.cut for one in result))
    assert cuts == ["learned - skip_b3", "read-out end - read-out o1"]
    routes = list(of(probed).config["routes"])
    mine = of(probed).values["fits_given"].astype(int)
    theirs = of(ungated).values["fits_given"].astype(int)
    more = mine[0] - mine[routes.index("skip_b3")] - (theirs[0] - theirs[1])
    expected = paired_text(more[groups["corrupted"]], more[groups["clean"]], largest=2)
    assert with_difference(result[0].difference) == expected


def test_results_are_paired_by_split_epoch_and_samples_and_the_rest_is_named(probed, ungated):
    mine, theirs = of(probed), of(ungated)
    later = replace(theirs, epoch=7, checkpoint="best")
    texts = list(comparisons(probed, probed.sample_log(), [mine], ungated, [later]))
    assert len(texts) == 1
    assert "Not compared" in texts[0]
    assert "train of one's epoch 3 (last), train of plain's epoch 7 (best)" in texts[0]
    texts = list(
        comparisons(probed, probed.sample_log(), [mine], ungated, [replace(theirs, checkpoint="best")])
    )
    assert len(texts) == 1
    assert texts[0].startswith("one and its control plain, train, epoch 3:")
    half = slice(0, 64)
    fewer = replace(
        theirs, sample_id=theirs.sample_id[half], values={k: v[..., half] for k, v in theirs.values.items()}
    )
    texts = list(comparisons(probed, probed.sample_log(), [mine], ungated, [fewer]))
    assert [text.startswith("Not compared") for text in texts] == [True]


def test_routes_are_those_of_the_result_where_the_log_lacks_the_epoch(probed):
    result = of(probed)
    later = replace(result, epoch=99)
    groups = probed_members(probed, probed.sample_log(), later)
    for row, name in enumerate(("b2", "b3")):
        routed = result.values["gate"][row] > 0.5
        for group, expected in ((f"routed ({name})", routed), (f"skipped ({name})", ~routed)):
            assert np.array_equal(groups.get(group, np.zeros(len(expected), bool)), expected)
    assert "is not known" not in to_terminal(probed, probed.sample_log(), later)


def test_a_difference_of_equal_samples_has_an_interval():
    assert with_difference(difference(np.zeros(9))) == "+0.0 [-25.2, 25.2]"
    assert with_difference(difference(np.zeros(0))) == "-"
    assert with_difference(difference(np.array([0, 1, 0, 0]))) == "+25.0 [-38.3, 71.7]"


def test_a_network_without_blocks_to_cut_has_no_cut():
    assert cuts_of(()) == ()


def test_the_table_of_a_clean_split(probed):
    result, log = of(probed, "test"), probed.sample_log()
    text = to_terminal(probed, log, result)
    assert "one: routing by intervention, test, epoch 3 (last), 60 of 60 samples" in text
    table = parsed(text, "Accuracy along each route:")[0]
    for route, hits in zip(result.config["routes"], result.values["fits_given"], strict=True):
        assert table[route] == wilson_text(hits)
    assert "None of the probed samples of test is corrupted" in text
    assert "recovered" not in text, "no label is wrong"
    cost = cost_of(probed.config.model, 10, 8)
    skipped = ~result.values["hard_routed"]
    saved = [cost.saved["b2"] * two + cost.saved["b3"] * three for two, three in skipped.T]
    assert f"{(cost.total - np.mean(saved)) / 1e6:.2f} M on average" in text
    assert f"{np.mean(saved) / cost.total:.1%} [" in text
    learned, hard_ = (
        result.values["fits_given"][result.config["routes"].index(x)] for x in ("learned", "hard")
    )
    assert f"at accuracy {wilson_text(hard_)}; learned - hard " in text
    assert f"learned - hard {paired_text(learned.astype(int) - hard_)} points" in text


def test_fewer_fitted_than_by_guessing_is_noted(single):
    result = of(single)
    nobody = result.values["fits_given"].copy()
    nobody[0] &= ~result.values["wrong_label"]
    text = to_terminal(
        single, single.sample_log(), replace(result, values={**result.values, "fits_given": nobody})
    )
    assert "label: 0.0% [0.0, " in text
    assert "fewer than by guessing (10.0%)" in text
    assert "by guessing" not in to_terminal(single, single.sample_log(), of(single, "test_corrupted"))


@pytest.mark.slow
def test_the_table_of_the_samples_has_what_is_stored(probed, single, ungated):
    for run in (probed, single, ungated):
        result, table = of(run), routing_table(run)
        np.testing.assert_array_equal(table["sample_id"], result.sample_id)
        assert set(table["epoch"]) == {result.epoch}
        for row, route in enumerate(result.config["routes"]):
            for name in ("prediction", "p_given", "p_clean"):
                column = table[f"{name}_{route.replace('-', '_').replace(' ', '_')}"]
                np.testing.assert_array_equal(column, result.values[name][row])
        gates = result.config["gates"]
        for row, gate in enumerate(gates):
            column = "gate" if len(gates) == 1 else f"gate_{gate}"
            np.testing.assert_array_equal(table[column], result.values["gate"][row])
            np.testing.assert_array_equal(
                table[column.replace("gate", "routed")], result.values["routed"][row]
            )
        for cut in cuts_of(result.config["blocks"]):
            np.testing.assert_array_equal(table[cut.memorised], result.values[cut.memorised])
            np.testing.assert_array_equal(table[cut.recovered], result.values[cut.recovered])
    assert {"memorised_by_b3", "recovered_by_skip", "memorised_beyond_o1"} <= set(routing_table(single))
    assert {"recovered_by_skip_b2", "hard_routed_b3", "p_given_read_out_o1"} <= set(routing_table(probed))
    np.testing.assert_array_equal(routing_table(probed, "test", 3)["sample_id"], of(probed, "test").sample_id)


def test_a_table_that_is_not_there_names_the_command(ungated, probed):
    with pytest.raises(
        MemgateError, match=r"no routing results of test: memgate probe routing .* --splits test\.$"
    ):
        routing_table(ungated, "test")
    with pytest.raises(MemgateError, match=r"of train at epoch 1: .* --splits train --checkpoints 1\.$"):
        routing_table(probed, epoch=1)
    with pytest.raises(MemgateError, match="has no split 'dev'"):
        routing_table(probed, "dev")
