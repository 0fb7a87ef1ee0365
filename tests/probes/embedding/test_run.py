"""Maps of runs: from the vectors that the run has, stored once, and one sentence where there are none."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.embedding import run as embedding
from probes.embedding.config import EmbedConfig
from probes.embedding.sources import source_vectors, sources_of
from probes.embedding.stored import described, embedding_result, embedding_table
from probes.network.plan import Plan
from probes.result import load_results, probe_path, save_results
from tests.helpers.gate_results import result_of

ALL = Plan(splits=("train",), n=0)


def probed(run: Run, *sources, plan: Plan = ALL, **options) -> list:
    return list(embedding.probe_run(run, EmbedConfig(**options), sources, plan))


def test_trajectories_are_those_of_the_log(make_run) -> None:
    run = make_run(n=80, gates=("b2", "b3"), ids=range(79, -1, -1), unseen={2: [5]})
    [result] = probed(run, "trajectories")
    gate = run.log("train")["gate"]
    seen = np.arange(80) != 5
    values = gate.reshape(-1, 80).T[seen][::-1].astype(np.float64)
    np.testing.assert_allclose(
        result.values["position"].T, PCA(2, svd_solver="full").fit_transform(values), atol=1e-6
    )
    assert result.sample_id.tolist() == [at for at in range(80) if at != 79 - 5]
    assert (result.config["missing"], result.config["origin"]["epochs"]) == (1, [1, 2, 3, 4])
    assert "1 samples have no vector" in described(result)
    earlier = probed(run, "trajectories", plan=Plan(("2",), splits=("test",), n=0))[0]
    assert (earlier.epoch, earlier.config["origin"]["size"]) == (2, 4)
    assert embedding_result(run, "trajectories").key == result.key


def test_long_trajectories_are_thinned_evenly(make_run, monkeypatch) -> None:
    run = make_run(n=20, epochs=9, gates=("b2", "b3"), noise=())
    monkeypatch.setattr("probes.embedding.sources.MOST_VALUES", 8)
    vectors = source_vectors(run, "trajectories", "train", 9)
    assert vectors.origin["epochs"] == [1, 4, 6, 9]
    np.testing.assert_array_equal(vectors.values[:, 4:], run.log("train")["gate"][[0, 3, 5, 8], 1].T)


def test_gate_vectors_are_those_of_the_gates_probe_where_none_were_kept(make_run) -> None:
    run = make_run(n=60, unit_depth=8, macs=True)
    with pytest.raises(
        MemgateError, match=r"has no gate vectors of its train samples: memgate probe gates .*run --splits"
    ):
        probed(run, "gates")
    stored = result_of(run)
    save_results(run, "gates", [stored])
    vectors = source_vectors(run, "gates", "train", 4)
    opened = np.unpackbits(stored.values["pattern"], axis=0, count=vectors.origin["size"]).T
    np.testing.assert_array_equal(vectors.rows(slice(0, 60))[:, : opened.shape[1]], opened)
    [result] = probed(run, "gates")
    assert (result.epoch, result.config["origin"]["file"]) == (4, "probes/gates.h5")


@pytest.mark.slow
def test_features_are_taken_once_and_maps_are_made_once(trained_run, monkeypatch) -> None:
    assert sources_of(trained_run) == ("trajectories", "features", "o1")
    first = probed(trained_run, "features", "o1")
    assert [result.variant for result in first] == ["features-pca", "o1-pca"]
    kept = probe_path(trained_run, "embed").read_bytes()
    monkeypatch.setattr(embedding, "features", None)  # no second pass
    again = probed(trained_run, "features", "o1", methods=("pca", "tsne"), iterations=250, perplexity=5.0)
    assert [result.variant for result in again] == ["features-pca", "features-tsne", "o1-pca", "o1-tsne"]
    np.testing.assert_array_equal(again[0].values["position"], first[0].values["position"])
    monkeypatch.setattr(embedding, "map_of", None)  # no second map
    assert probe_path(trained_run, "embed").read_bytes() != kept
    assert [result.key for result in probed(trained_run, "features", "o1")] == [
        result.key for result in first
    ]
    with pytest.raises(TypeError):
        probed(trained_run, "o1", methods=("tsne",), perplexity=6.0)
    stored = {result.variant: result for result in load_results(trained_run, "features")}
    assert stored["o1"].config["layer"] == "b3.1"
    values = stored["features"].values["vector"].T.astype(np.float64)
    np.testing.assert_allclose(
        first[0].values["position"].T, PCA(2, svd_solver="full").fit_transform(values), atol=1e-5
    )


def test_nothing_half_is_kept_of_a_map_that_is_stopped(make_run, interrupt) -> None:
    run = make_run(n=60)
    probed(run, "trajectories")
    before = probe_path(run, "embed").read_bytes()
    interrupt(embedding, "map_of", 1)
    with pytest.raises(KeyboardInterrupt):
        probed(run, "trajectories", methods=("tsne",))
    assert probe_path(run, "embed").read_bytes() == before
    assert not list(run.path.glob("probes/*.tmp*"))


@pytest.mark.parametrize(
    ("plan", "source", "sentence"),
    [({"gates": ()}, "trajectories", "has no trajectories: its network has no gates"),
     ({"gates": ()}, "gates", "resnet has no gates"),
     ({}, "gates", "do not open or close"),
     ({"finished": 0}, "trajectories", "the log has no such epoch")],
)  # fmt: skip
def test_a_source_that_a_run_lacks_is_a_sentence(plan, source, sentence, make_run) -> None:
    with pytest.raises(MemgateError, match=sentence):
        probed(make_run(n=20, **plan), source)


def test_the_table_has_the_labels_of_each_point(make_run) -> None:
    run = make_run(n=40)
    results = probed(run, "trajectories", plan=Plan(n=0))
    table = embedding_table(run, results)
    assert len(table) == 40 + 50
    samples = run.sample_log().samples("train")
    train = table[table["split"] == "train"]
    np.testing.assert_array_equal(train["given_label"], samples.given_label)
    np.testing.assert_array_equal(train[["x", "y"]], results[0].values["position"].T)
