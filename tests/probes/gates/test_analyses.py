"""Linear probes and nearest neighbours of patterns whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from memgate.log.format import UNSEEN_CLASS, Samples
from probes.gates import analyses as module
from probes.gates.analyses import analysed, analyses
from probes.gates.analysis_table import analysis_parts, histogram_row, verdict
from probes.gates.config import GatesConfig
from probes.gates.cost import Hardness
from probes.gates.linear import LEAST, predicted_classes, predicted_values
from probes.gates.linear_results import cause_probes, hardness_probes, probe_accuracies, wrong_labels
from probes.gates.nearest import nearest_by_direction, nearest_by_hamming
from probes.gates.neighbour_results import neighbours
from probes.gates.stored import GatesResult
from probes.gates.usage import filter_use, histogram, sample_use
from probes.result import ProbeResult
from tests.helpers.estimates import ends, holds

N, F = 400, 40
CLASSES = tuple("abcd")


def samples_of(rng: np.random.Generator, n: int = N) -> Samples:
    """Samples of 4 classes, of which a quarter has the next class as the given label."""
    clean = rng.integers(0, len(CLASSES), n)
    given = (clean + (rng.random(n) < 0.25)) % len(CLASSES)
    op = (given != clean).astype(np.int16)
    return Samples(7 * rng.permutation(n), given, clean, op, 0 * op, 0 * op)


def view_of(
    opened: np.ndarray,
    samples: Samples,
    features: np.ndarray | None = None,
    hardness: tuple[Hardness, ...] = (),
    config: GatesConfig | None = None,
) -> GatesResult:
    """A result with analyses of patterns [F, n]; features are the patterns themselves by default."""
    config = config or GatesConfig()
    packed = np.packbits(opened, axis=0)
    chosen = analysed(packed, len(opened), samples.sample_id, config)
    vectors = opened.T.astype(np.float32) if features is None else features
    values, settings = analyses(
        packed, len(opened), vectors[chosen.places], samples, chosen, hardness, config
    )
    settings = {"gates": {"b1u01": len(opened)}, "routes": ["learned"], "always": 0.99, "rare": 0.05, "seed": 0,
                "analyses": settings}  # fmt: skip
    result = ProbeResult(
        "gates", "train", 1, "patterns", "last", samples.sample_id, {"pattern": packed, **values}, settings
    )
    return GatesResult(result, samples, CLASSES)


def planted(samples: Samples, rng: np.random.Generator, given: bool = False) -> np.ndarray:
    """Patterns in which filter k is open for class k, and the others by chance."""
    opened = rng.random((F, len(samples))) < 0.5
    labels = samples.given_label if given else samples.clean_label
    opened[: len(CLASSES)] = labels == np.arange(len(CLASSES))[:, None]
    return opened


def test_patterns_that_are_the_class_tell_it_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    samples = samples_of(rng)
    view = view_of(planted(samples, rng), samples, hardness=(Hardness("aum", "margin", rng.normal(size=N)),))
    rows = {(row.vectors, row.target): row for row in probe_accuracies(view)}
    told = rows["gates", "class"]
    assert (told.accuracy.value, told.plain.value, told.chance, told.n) == (1, 1, 0.25, N)
    assert told.resolved
    noise = rows["gates", "corruption"]
    assert noise.classes == ("clean", "label")
    assert noise.chance == 0.5
    assert holds(noise.accuracy, 0.5)
    assert not noise.resolved
    above = rows["features", "class"].above
    assert above is not None
    assert above.value == 0
    wrong = {row.vectors: row for row in wrong_labels(view)}["gates"]
    assert ends(wrong.clean)[0] > 0.9
    (gates, _) = hardness_probes(view, {"all": np.ones(N, bool), "clean": samples.cause == "clean"})
    assert holds(gates.correlation.plain, 0)
    lines = verdict(probe_accuracies(view), wrong_labels(view), cause_probes(view), (gates,))
    assert [line.partition(" (")[0] for line in lines] == [
        "Class: yes", "Wrong labels: not resolved", "Corruption, within classes: not resolved for label",
        "Hardness, clean, within classes: not resolved for margin.",
    ]  # fmt: skip


def test_patterns_that_are_the_given_label_tell_where_it_is_wrong() -> None:
    rng = np.random.default_rng(1)
    samples = samples_of(rng)
    hard = rng.normal(size=N)
    opened = planted(samples, rng, given=True)
    opened[10:30] = hard > np.linspace(-1.5, 1.5, 20)[:, None]
    # Only a pattern of label and class together tells that they differ.
    opened[30:34] = samples.clean_label == np.arange(4)[:, None]
    view = view_of(opened, samples, hardness=(Hardness("aum", "margin", hard),))
    wrong = {row.vectors: row for row in wrong_labels(view)}["gates"]
    assert wrong.given.value == 1
    assert wrong.clean.value == 0
    assert wrong.chance == pytest.approx(1), "all samples of a class have the same wrong label here"
    rows = hardness_probes(view, {"all": np.ones(N, bool)})
    assert ends(rows[0].correlation.plain)[1] > 0.9


@pytest.mark.slow
def test_patterns_that_know_nothing_are_at_chance_and_the_intervals_cover_it() -> None:
    covered = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        samples = samples_of(rng)
        score = Hardness("aum", "margin", rng.normal(size=N))
        view = view_of(rng.random((F, N)) < 0.5, samples, rng.normal(size=(N, 8)), (score,))
        pairs = [(row.accuracy, row.chance) for row in probe_accuracies(view)]
        pairs += [(row.given, row.chance) for row in wrong_labels(view)]
        pairs += [(row.correlation.plain, 0) for row in hardness_probes(view, {"all": np.ones(N, bool)})]
        near = neighbours(view)
        assert near is not None
        pairs += [(row.gates, row.chance) for row in near.shares] + [(near.overlap, near.overlap_chance)]
        covered += [holds(number, chance) for number, chance in pairs]
    assert len(covered) > 100
    assert np.mean(covered) > 0.95


def test_a_cause_that_the_pattern_shows_is_told_from_one_that_it_does_not() -> None:
    rng = np.random.default_rng(9)
    samples = samples_of(rng)
    noisy = rng.random(N) < 0.2
    samples = replace(samples, image_op=noisy.astype(np.int16))
    opened = rng.random((F, N)) < 0.5
    opened[:3] = noisy
    view = view_of(opened, samples)
    rows = {row.cause: row for row in cause_probes(view) if row.vectors == "gates"}
    assert ends(rows["image"].within_class)[1] > 0
    assert rows["image"].corrupted.value == 1
    assert holds(rows["label"].within_class, 0)
    (line,) = verdict(probe_accuracies(view), (), cause_probes(view), ())[1:]
    assert line.startswith("Corruption, within classes: yes for image; not resolved for label, label+image (")


def test_neighbours_of_one_class_open_the_same_filters() -> None:
    rng = np.random.default_rng(2)
    samples = samples_of(rng)
    opened = np.repeat(samples.clean_label == np.arange(4)[:, None], 10, axis=0)
    view = view_of(opened, samples, rng.normal(size=(N, 16)))
    near = neighbours(view)
    assert near is not None
    rows = {(row.of, row.same): row for row in near.shares}
    assert rows["all", "class"].gates.value == rows["wrongly labelled", "class"].gates.value == 1
    size = np.bincount(samples.clean_label)
    assert rows["all", "class"].chance == pytest.approx(float((size * (size - 1)).sum()) / N / (N - 1))
    assert ends(rows["all", "class"].minus)[1] > 0.5
    wrong = samples.given_label != samples.clean_label
    of_class = np.bincount(samples.clean_label, wrong) / size
    mean = of_class[samples.clean_label[wrong]].mean()
    assert rows["wrongly labelled", "given label"].gates.value == pytest.approx(mean, abs=0.06)
    noise = rows["corrupted", "corrupted"]
    assert holds(noise.gates, noise.chance)
    few = neighbours(view, samples.clean_label == 2)
    assert few is not None
    assert few.n == size[2]
    assert few.shares[0].gates.value == 1


def test_nearest_are_those_of_all_distances() -> None:
    rng = np.random.default_rng(3)
    patterns = (rng.random((700, 30)) < 0.3).astype(np.float32)
    near = nearest_by_hamming(patterns, 5)
    apart = (patterns[:, None] != patterns[None]).sum(axis=2)
    np.fill_diagonal(apart, 99)
    got = np.take_along_axis(apart, near.T, axis=1)
    np.testing.assert_array_equal(got, np.sort(apart, axis=1)[:, :5])
    same = nearest_by_hamming(np.ones((6, 3), np.float32), 2)
    np.testing.assert_array_equal(same, [[1, 2, 3, 4, 5, 0], [2, 3, 4, 5, 0, 1]])
    features = rng.normal(size=(700, 4)) * rng.uniform(1, 9, (700, 1))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    np.testing.assert_array_equal(nearest_by_direction(features, 1)[0], alike.argmax(axis=1))


@pytest.mark.slow
def test_the_order_of_samples_does_not_matter_and_the_seed_does() -> None:
    rng = np.random.default_rng(4)
    samples, opened, features = samples_of(rng), rng.random((F, N)) < 0.4, rng.normal(size=(N, 8))
    score = Hardness("aum", "margin", np.where(np.arange(N) < 30, np.nan, rng.normal(size=N)))
    order = rng.permutation(N)
    config = GatesConfig(analysed=300)
    first = view_of(opened, samples, features, (score,), config).result.values
    turned = replace(score, values=score.values[order])
    second = view_of(opened[:, order], samples.take(order), features[order], (turned,), config).result.values
    for name, array in first.items():
        if name != "pattern":
            np.testing.assert_array_equal(second[name], array[..., order], err_msg=name)
    assert (first["linear"][0] != UNSEEN_CLASS).sum() == (first["near_gates"][0] >= 0).sum() == 300
    other = view_of(opened, samples, features, (score,), GatesConfig(analysed=300, seed=1)).result.values
    assert ((other["near_gates"] >= 0) != (first["near_gates"] >= 0)).any()


def test_small_classes_are_left_out_and_named() -> None:
    rng = np.random.default_rng(5)
    samples = samples_of(rng, 100)
    labels = np.where(np.arange(100) < LEAST - 1, 3, samples.clean_label % 3)
    samples = Samples.clean(samples.sample_id, labels)
    view = view_of(planted(samples, rng), samples)
    row = probe_accuracies(view)[0]
    assert (row.classes, row.left_out, row.n) == (tuple("abc"), ("d",), 100 - LEAST + 1)
    assert row.accuracy.value == 1
    assert {one.target for one in probe_accuracies(view)} == {"class"}, "nothing is corrupted"
    one_class = predicted_classes(np.ones((30, 2), np.float32), np.zeros(30, int))
    assert (one_class == UNSEEN_CLASS).all()
    assert np.isnan(predicted_values(np.ones((30, 2), np.float32), np.full((1, 30), np.nan))).all()


def test_many_filters_are_read_in_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    packed, ids = np.packbits(rng.random((F, N)) < 0.5, axis=0), np.arange(N)
    assert len(analysed(packed, F, ids, GatesConfig()).places) == N
    monkeypatch.setattr(module, "CELLS", F * 100)
    assert len(analysed(packed, F, ids, GatesConfig()).places) == 100


def test_patterns_that_are_all_the_same_are_not_read() -> None:
    samples = samples_of(np.random.default_rng(7))
    view = view_of(np.ones((F, N), bool), samples)
    assert set(view.result.values) == {"pattern"}
    assert neighbours(view) is None
    assert probe_accuracies(view) == wrong_labels(view) == hardness_probes(view, {}) == ()


def test_use_of_filters_is_counted() -> None:
    samples = samples_of(np.random.default_rng(8))
    opened = np.zeros((5, N), bool)
    opened[0], opened[1, :1], opened[2, : N // 2], opened[3, 1:] = True, True, True, True
    view = view_of(opened, samples)
    use = filter_use(view)
    assert (use.on_for_all, use.on_for_none, use.differing, use.conditional) == (1, 1, 3, 1)
    assert use.on_counts.counts == (1, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    number = sample_use(view)
    assert number.mean.value == pytest.approx(opened.sum() / N)
    assert number.spread == pytest.approx(opened.sum(axis=0).std())
    assert number.quantiles[0] == 2
    assert sum(number.histogram.counts) == N
    assert histogram_row(histogram(np.array([3, 3, 4]), 3, 4), "on", "n") == {
        "on": "n",
        "3–3": "2",
        "3–4": "0",
        "4–4": "1",
    }


def test_a_former_result_says_that_it_has_no_analyses(made_summary) -> None:
    config, summary = made_summary
    parts = analysis_parts(config, summary)
    assert "made with --no-analyses, or by a former version" in parts[-1]


@pytest.fixture
def made_summary(tmp_path):
    from probes.gates.summary import summary_of
    from tests.helpers.gate_results import result_of
    from tests.helpers.made_runs import RunPlan, build_run

    run = build_run(tmp_path, RunPlan(4, 60, ("symmetric:0.3",), macs=True, unit_depth=8))
    result = result_of(run, routes=False)
    return result.config, summary_of(run, run.sample_log(), result, ())
