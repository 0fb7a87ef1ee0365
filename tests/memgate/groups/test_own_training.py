"""Groups that another program trains: exact for 1-nearest neighbour, kill-safe, resumable; mistakes."""

import numpy as np
import pytest

import memgate
from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from memgate.log.format import MEMORISATION
from memgate.sweeps import grid

N = 24
X = np.random.default_rng(0).normal(size=(N, 2))
LABELS = np.random.default_rng(1).integers(0, 3, N)
TEST_X, TEST = X[:5] + 0.01, LABELS[:5]


def nearest(index, seed):
    """Logits of 1-nearest neighbour on training and test samples, at two "epochs"."""
    for sharpness in (1, 5):
        logits = {}
        for split, points in (("train", X), ("test", TEST_X)):
            distance = ((points[:, None] - X[index]) ** 2).sum(axis=-1)
            logits[split] = sharpness * np.eye(3)[LABELS[index][distance.argmin(axis=1)]]
        yield logits


def group(out, train_fn=nearest, models=4, **changes):
    arguments = {"labels": {"train": LABELS, "test": TEST}, "name": "g", "out": out, "seed": 5} | changes
    return memgate.subsets(train_fn, models=models, **arguments)


@pytest.mark.slow
def test_runs_are_those_of_the_subsets_with_seeds_and_all_samples(tmp_path):
    seen = []

    def recording(index, seed):
        seen.append((index, seed))
        return nearest(index, seed)

    runs = group(tmp_path, recording)
    mask = members(np.arange(N), 4, 0.5, seed=5)
    assert [seed for _, seed in seen] == [5, 6, 7, 8]
    for (index, _), row, run in zip(seen, mask, runs, strict=True):
        assert (index == np.flatnonzero(row)).all()
        log = run.log("train")
        assert run.status().state == "complete"
        assert log.epochs.tolist() == [1, 2]
        assert (log["trained"] == row).all()
        assert log["correct_given"][-1][row].all()
        expected = list(nearest(index, 0))[-1]
        p = np.exp(expected["train"])[np.arange(N), LABELS] / np.exp(expected["train"]).sum(axis=1)
        np.testing.assert_allclose(log["p_given"][-1], p, rtol=1e-6)
        assert run.log("test")["p_given"].shape == (2, 5)
        assert set(run.sample_log().quantities) == set(MEMORISATION) - {"gate", "entropy"}
        last = run.metrics()[-1]
        assert last["train_accuracy"] == 1
        assert last["excluded_accuracy"] == pytest.approx(log["correct_given"][-1][~row].mean())
        assert len(str(run.report())) > 0
    sweep, folder = grid.find_sweep("g", tmp_path)
    assert [folder / run.name for run in sweep.runs] == [run.path for run in runs]


@pytest.mark.slow
def test_it_goes_on_after_a_failure_and_grows_and_equals_one_made_at_once(tmp_path):
    calls = []

    def failing(index, seed):
        calls.append(seed)
        if len(calls) == 2:
            raise ZeroDivisionError
        return nearest(index, seed)

    with pytest.raises(ZeroDivisionError):
        group(tmp_path / "a", failing)
    assert [path.name for path in (tmp_path / "a").glob("g-*")] == ["g-f0.5-m0-s5"]
    group(tmp_path / "a", failing, models=2)
    runs = group(tmp_path / "a", failing, models=6)
    assert calls == [5, 6, 6, 7, 8, 9, 10]
    for one, other in zip(runs, group(tmp_path / "b", models=6), strict=True):
        for name in ("p_given", "phi", "trained", "correct_given"):
            np.testing.assert_array_equal(one.log("train")[name], other.log("train")[name])


def test_a_kill_while_a_run_is_written_leaves_none_of_it(tmp_path, monkeypatch):
    from memgate.log.writer import SampleLogWriter

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SampleLogWriter, "write", killed)
        with pytest.raises(Killed):
            group(tmp_path, models=2)
    assert memgate.list_runs(tmp_path) == []
    assert len(group(tmp_path, models=2)) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": {"train": (LABELS + 1) % 3, "test": TEST}}, "other labels of train"),
        ({"labels": LABELS}, "has the splits train, test"),
        ({"clean_labels": LABELS}, "other clean labels"),
        ({"settings": {"lr": 1}}, "other settings"),
        ({"seed": 6}, "another base"),
        ({"fraction": 0.7, "models": 10}, "another base"),
        ({"models": 3}, "3 models with a fraction of 0.5 cannot be balanced"),
        ({"name": "a/b"}, "cannot be a folder's name"),
        ({"labels": 3}, "labels must be an array"),
        ({"labels": {"test": TEST}}, "labels must be an array"),
    ],
)
def test_another_group_under_its_name_and_wrong_arguments_are_one_sentence(tmp_path, changes, sentence):
    one = {"train": np.full(N, 0.5), "test": np.full(5, 0.5)}
    group(tmp_path, lambda *_: one, models=2)
    with pytest.raises(MemgateError, match=sentence):
        group(tmp_path, lambda *_: one, **({"models": 2} | changes))


def test_models_with_different_numbers_of_epochs_are_refused(tmp_path):
    with pytest.raises(MemgateError, match="model 1 are 1 epochs, and must be 2"):
        group(tmp_path, lambda index, seed: nearest(index, seed) if seed == 5 else next(nearest(index, seed)))
    with pytest.raises(MemgateError, match="are 0 epochs, and must be 1"):
        group(tmp_path / "none", lambda *_: iter(()))
