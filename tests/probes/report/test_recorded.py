"""The report of runs that another program recorded: each split at its own last epoch, and only equals averaged."""

from typing import Any

import numpy as np
import pytest
import torch

from memgate.errors import MemgateError
from memgate.recorder.recorder import Recorder
from memgate.runs.run import Run
from probes.report.report import report
from probes.report.several_runs import check_alike

LABELS = torch.arange(40) % 4
CLEAN = np.where(np.arange(40) < 8, (LABELS.numpy() + 1) % 4, LABELS.numpy())


def made(out, name, counts, test_epochs=(), mode="online"):
    options: Any = {
        "mode": mode,
        "labels": {split: LABELS[:n] for split, n in counts.items()},
        "clean_labels": CLEAN,
    }
    with Recorder(counts, 3, name=name, out=out, **options) as recorder:
        for epoch in (1, 2, 3):
            logits = torch.randn(40, 4, generator=torch.Generator().manual_seed(epoch))
            recorder.update(torch.arange(40), logits, LABELS)
            if epoch in test_epochs:
                recorder.update(torch.arange(6), logits[:6], LABELS[:6], split="test")
            recorder.end_epoch()
    return Run(recorder.path)


@pytest.mark.slow
@pytest.mark.parametrize(("test_epochs", "note"), [((1,), True), ((3,), False), ((), False)])
def test_a_split_that_is_seldom_evaluated_costs_the_training_split_nothing(tmp_path, test_epochs, note):
    run = made(tmp_path, "one", {"train": 40, "test": 6}, test_epochs)
    result = report(run, resamples=0)
    assert result.epoch == 3
    assert (result.test_accuracy is not None) == bool(test_epochs)
    assert any("The last epoch of test is 1" in text for text in result.notes) == note
    correct = run.sample_log().values("train", "correct_given")[1][-1]
    assert result.groups[0].fits_given.value == pytest.approx(correct.mean())


def test_runs_of_other_data_or_mode_are_not_averaged(tmp_path):
    one = made(tmp_path, "one", {"train": 40})
    check_alike([one, made(tmp_path, "two", {"train": 40})])
    with pytest.raises(MemgateError, match=r"log mode \(online, eval\)"):
        check_alike([one, made(tmp_path, "three", {"train": 40}, mode="eval")])
    with pytest.raises(MemgateError, match=r"samples \(train:40, train:40 test:6\)"):
        check_alike([one, made(tmp_path, "four", {"train": 40, "test": 6}, (3,))])
