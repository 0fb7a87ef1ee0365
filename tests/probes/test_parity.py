"""Scores equal those of the tools that define them, computed from the same logits with the real buffer and writer."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from aum import AUMCalculator
from cleanlab.rank import get_normalized_margin_for_each_label, get_self_confidence_for_each_label

from memgate.log.format import LogLayout, Samples, logged_epochs
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from memgate.models import Forward
from memgate.training.sample_buffer import SampleBuffer
from probes.dynamics.snapshot import Snapshot
from probes.dynamics.summary import summary, summary_table
from probes.scores.catalogue import SCORES
from probes.scores.table import suspicion

EPOCHS, N, K = 12, 300, 5


@pytest.fixture(scope="module")
def logits():
    """Float32 [E, N, K] with margins that often change sign, and probabilities up to near 0 and 1."""
    draw = np.random.default_rng(5)
    scale = draw.choice([0.3, 2, 30], (1, N, 1))
    return torch.from_numpy((scale * draw.normal(size=(EPOCHS, N, K))).astype(np.float32))


@pytest.fixture(scope="module")
def given():
    return torch.from_numpy(np.random.default_rng(6).integers(0, K, N))


@pytest.fixture(scope="module")
def table(logits, given, tmp_path_factory):
    path = tmp_path_factory.mktemp("parity") / "log.h5"
    samples = Samples.clean(np.arange(N), given.numpy())
    plan = LogLayout({"train": samples}, (), logged_epochs(EPOCHS, 1), "online", tuple("abcde"))
    SampleLogWriter.create(path, plan)
    writer = SampleLogWriter.open(path)
    for epoch, answer in enumerate(logits, start=1):
        buffer = SampleBuffer(given, given, ())
        buffer.update(torch.arange(N), Forward(answer))
        writer.write(epoch, {"train": buffer.record()})
    writer.close()
    log = SampleLog(path)
    return summary_table(Snapshot(log, "train", log.epochs("train"), log.samples("train")), ())


@pytest.fixture(scope="module")
def right(logits, given):
    """[E, N] whether the given label was predicted."""
    return (logits.argmax(2) == given).numpy()


def test_aum_equals_the_aum_package(logits, given, table, tmp_path):
    calculator = AUMCalculator(str(tmp_path))
    for answer in logits:
        calculator.update(answer, given, list(range(N)))
    calculator.finalize()
    expected = pd.read_csv(tmp_path / "aum_values.csv").sort_values("sample_id")["aum"]
    np.testing.assert_allclose(table["aum"], expected, rtol=1e-5, atol=1e-6)


def test_self_confidence_and_normalised_margin_equal_cleanlab(logits, given, table):
    p = torch.softmax(logits[-1].double(), 1).numpy()
    confidence = get_self_confidence_for_each_label(given.numpy(), p)
    margin = get_normalized_margin_for_each_label(given.numpy(), p)
    np.testing.assert_allclose(table["p_given_last"], confidence, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(table["normalised_margin_last"], margin, atol=1e-5)


def test_cartography_equals_its_definition(logits, given, table):
    for sample in range(N):
        p = [float(torch.softmax(answer[sample].double(), 0)[given[sample]]) for answer in logits]
        mean = sum(p) / EPOCHS
        hits = sum(int(answer[sample].argmax()) == int(given[sample]) for answer in logits)
        assert table["confidence"][sample] == pytest.approx(mean, abs=1e-6)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in p) / EPOCHS)
        assert table["variability"][sample] == pytest.approx(deviation, abs=1e-6)
        assert table["correctness"][sample] == pytest.approx(hits / EPOCHS)


def toneva(right):
    """Forgetting events of each sample, first learned epoch and last wrong epoch + 1 (from 0), as in the paper."""
    for sample in right.T.tolist():
        events = sum(before and not after for before, after in pairwise(sample))
        first = next((at for at, hit in enumerate(sample) if hit), None)
        needed = max((at + 1 for at, hit in enumerate(sample) if not hit), default=0)
        yield events, first, needed


def test_forgetting_and_learning_equal_toneva(right, table):
    result = [
        table[name].tolist() for name in ("forgetfulness", "first_learned_epoch", "stable_learned_epoch")
    ]
    never = wrong_at_end = 0
    for (events, first, needed), *ours in zip(toneva(right), *result, strict=True):
        assert ours[0] is pd.NA if first is None else ours[0] == events
        assert ours[1] is pd.NA if first is None else ours[1] == first + 1
        assert ours[2] is pd.NA if needed == EPOCHS else ours[2] == needed + 1
        never += first is None
        wrong_at_end += needed == EPOCHS
    assert never > 0
    assert wrong_at_end > never


def test_the_ranking_equals_tonevas_sort(right, table):
    """In Toneva's sort a never learned sample has as many events as presentations, and not epoch or event 0."""
    sort = [EPOCHS if first is None else events for events, first, _ in toneva(right)]
    turned = suspicion(table, "forgetfulness", SCORES["forgetfulness"])
    np.testing.assert_array_equal(np.where(np.isinf(turned), EPOCHS, turned), sort)
    for name in ("first_learned_epoch", "stable_learned_epoch"):
        order = suspicion(table, name, SCORES[name])
        missing = table[name].isna().to_numpy(bool)
        assert order[missing].min() > order[~missing].max()


def test_el2n_and_signed_entropy_equal_their_definitions(logits, given, table, right):
    p = torch.softmax(logits.double(), 2).numpy()
    error = np.linalg.norm(p - np.eye(K)[given.numpy()], axis=2)
    np.testing.assert_allclose(table["el2n_mean"], error.mean(0), atol=1e-5)
    np.testing.assert_allclose(table["el2n_last"], error[-1], atol=1e-5)
    np.testing.assert_allclose(table["el2n_early"], error[1], atol=1e-5)  # 10 % of 12 epochs: the second
    quartiles = np.quantile(-np.log(p[:, np.arange(len(given)), given.numpy()]), [0.25, 0.75], axis=0)
    np.testing.assert_allclose(table["loss_iqr"], quartiles[1] - quartiles[0], atol=1e-5)
    entropy = -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=2)
    signed = np.where(right, entropy, -entropy).mean(0)
    np.testing.assert_allclose(table["signed_entropy_mean"], signed, atol=1e-5)
    np.testing.assert_allclose(table["out_entropy_mean"], entropy.mean(0), atol=1e-5)


def test_signed_gate_entropy_uses_the_prediction_of_the_side_classifier(make_run):
    run = make_run(n=40, gates=("b2", "b3"))
    log = run.sample_log()
    given = log.samples("train").given_label
    for gate in log.gates:
        entropy, pred = (log.values("train", name, gate)[1] for name in ("entropy", "gate_pred"))
        expected = np.where(pred == given, entropy, -entropy).mean(0, dtype=np.float64)
        result = summary(run)[f"gate_{gate}_signed_entropy_mean"]
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-7)
