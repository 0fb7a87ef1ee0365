"""``memgate evaluate --sliced`` on a run trained for one epoch, and what it refuses."""

import json

import pytest

from memgate.config.run import ModelConfig
from memgate.errors import MemgateError
from memgate.models.gated.sliced_branch import SlicedBranch
from memgate.runs.run import Run
from memgate.training import evaluate_sliced
from memgate.training.evaluate import evaluate_run
from tests.helpers.trained_runs import train_one_epoch


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with gates of channels: 60 training and 20 test images of digits."""
    model = ModelConfig(name="channel-gate", depth=8)
    return train_one_epoch(tmp_path_factory.mktemp("runs"), "channels", model)


@pytest.mark.slow
def test_of_all_images_it_tells_what_an_evaluation_of_the_whole_network_tells(channels):
    epoch, splits = evaluate_sliced.evaluate_sliced(channels, "last", "cpu", n=0)
    _, whole = evaluate_run(channels, "last", "cpu")
    assert epoch == 1
    assert {split: one.n for split, one in splits.items()} == {"train": 60, "test": 20}
    for split, one in splits.items():
        assert one.accuracy == pytest.approx(whole[split][f"{split}_accuracy"])
        assert one.macs == pytest.approx(whole[split][f"{split}_macs"], rel=1e-6)
        assert one.same_predictions == 1
        assert 0 < one.max_difference < 1e-5
        assert 0 < one.ms_p50 <= one.ms_p95
        assert 0 < one.ms_dense_p50 <= one.ms_dense_p95
        assert one.macs_ratio == one.macs / one.macs_dense
        assert one.time_ratio == one.ms_p50 / one.ms_dense_p50


@pytest.mark.slow
def test_the_table_and_its_json(channels, exit_code, capsys):
    assert exit_code("evaluate", channels.path, "--sliced", "--n", "5") == 0
    table = capsys.readouterr().out
    assert "up to 5 images of each split" in table
    assert [line.split()[:2] for line in table.splitlines()[3:5]] == [["train", "5"], ["test", "5"]]
    assert exit_code("evaluate", channels.path, "--sliced", "--n", "5", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["epoch"] == 1
    assert set(values["splits"]) == {"train", "test"}
    assert set(values["splits"]["test"]) == set(evaluate_sliced.SlicedSplit.__dataclass_fields__)


def test_a_wrong_copy_is_reported(channels, monkeypatch):
    original = SlicedBranch.__call__
    monkeypatch.setattr(SlicedBranch, "__call__", lambda branch, x, inner: original(branch, x, inner) * 1.001)
    with pytest.raises(MemgateError, match="a logit of the split train differs by .* please report it"):
        evaluate_sliced.evaluate_sliced(channels, "last", "cpu", n=2)


def test_what_it_refuses(channels, make_run, one_sentence):
    assert "--n 5 does nothing without --sliced" in one_sentence("evaluate", channels.path, "--n", "5")
    assert "--n -1 is out of range" in one_sentence("evaluate", channels.path, "--sliced", "--n", "-1")
    mixing = one_sentence("evaluate", make_run().path, "--sliced")
    assert "the network entropy-gate of run closes nothing" in mixing
    assert "the network resnet of run-2 closes nothing" in one_sentence(
        "evaluate", make_run(gates=()).path, "--sliced"
    )
