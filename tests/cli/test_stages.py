"""``memgate train --recipe paper-gater-*``: three runs by one command, which goes on where it was stopped."""

import pytest

import memgate.training.loop
from memgate.runs.run import Run

RECIPE = (
    "train", "--recipe", "paper-gater-r20-c10", "--scale", "tiny", "--data.name", "digits", "--data.image-size", "8",
    "--data.train-limit", "60", "--data.test-limit", "20", "--train.epochs", "1", "--train.milestones", "1",
    "--train.batch-size", "32", "--model.depth", "8", "--model.gate.gater-depth", "8", "--name", "gated",
)  # fmt: skip


@pytest.mark.slow
def test_one_command_trains_the_three_stages_and_goes_on(
    tmp_path, exit_code, capsys, interrupt, one_sentence
):
    out = ("--out", tmp_path / "runs")
    interrupt(memgate.training.loop, "train_step", 6)  # in the last stage, of two steps each
    assert exit_code(*RECIPE, *out) == 130
    printed = capsys.readouterr().out
    assert "Stage 3 of 3: gated" in printed
    assert printed.splitlines()[-1].startswith(
        "The training in stages is stopped; finished runs are kept. Go on"
    )
    first = {name: Run(tmp_path / "runs" / name) for name in ("gated-backbone", "gated-gater", "gated")}
    assert [run.status().state for run in first.values()] == ["complete", "complete", "stopped"]
    assert exit_code(*RECIPE, *out) == 0
    assert "Stage 1 of 3: gated-backbone" in capsys.readouterr().out
    assert [run.status().epoch for run in first.values()] == [1, 1, 1]
    assert first["gated"].environment["gater_initialisation"]["epoch"] == 1
    sentence = one_sentence(*RECIPE, *out, "--train.lr", "0.2")
    assert "is a run of other settings (train.lr 0.1, not 0.2)" in sentence


def test_scales_are_of_the_papers_rows(one_sentence):
    assert "--scale tiny does nothing without --recipe" in one_sentence("train", "--scale", "tiny")
    assert "does nothing for the recipe quickstart" in one_sentence(
        "train", "--recipe", "quickstart", "--scale", "tiny"
    )
    assert "--scale" in one_sentence("train", "--recipe", "paper-gater-r20-c10", "--scale", "huge")
