"""memgate probe embed: from the command line to a stored map and a table, and one sentence for what goes wrong."""

import pandas as pd
import pytest

from memgate.runs.run import Run
from probes.result import load_results


@pytest.mark.slow
def test_maps_are_printed_stored_shown_and_written(make_run, printed, tmp_path) -> None:
    path, table = make_run(n=50).path, tmp_path / "points.csv"
    sources = ("--sources", "trajectories")
    done = printed("probe", "embed", path, *sources, "--csv", table)
    assert (
        "trajectories by PCA: 50 train samples, 4 epochs from 1 to 4; 4 components; the axes explain" in done
    )
    assert done.count("trajectories by PCA") == 2
    frame = pd.read_csv(table)
    assert list(frame.columns[-5:]) == ["source", "method", "epoch", "x", "y"]
    assert len(frame) == 100
    shown = printed("probe", "show", path)
    assert "run: trajectories by PCA: 50 train samples" in shown
    more = printed("probe", "embed", path, *sources, "--splits", "test", "--methods", "pca", "tsne",
                   "--perplexity", "5", "--iterations", "250", "--most", "20")  # fmt: skip
    assert "perplexity 5, iterations 250" in more
    assert "30 samples were not drawn (--most)" in more
    assert [result.key[::2] for result in load_results(Run(path), "embed")] == [
        ("train", "trajectories-pca"), ("test", "trajectories-pca"), ("test", "trajectories-tsne"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [(("--sources", "gates"), "do not open or close"),
     (("--sources", "trajectories", "--checkpoints", "9"), "has no g of its train samples at epoch 9, but of"),
     (("--sources", "trajectories", "--checkpoints", "nine"), "has no checkpoint 'nine'"),
     (("--sources", "trajectories", "--checkpoints", "--every", "7"), "none is a multiple of 7"),
     (("--sources", "trajectories", "--splits", "dev"), "has no split 'dev'"),
     (("--sources", "trajectories", "--methods", "tsne", "--perplexity", "60"), "--perplexity 60 needs more samples"),
     (("--methods", "tsn"), "--methods"),
     (("--sources", "features"), "has no checkpoint 'last'"),
     (("--sources", "trajectories", "--csv", "points.txt"), "ends in neither .csv nor")],
)  # fmt: skip
def test_mistakes_are_sentences(flags, sentence, make_run, one_sentence) -> None:
    assert sentence in one_sentence("probe", "embed", make_run(n=50).path, *flags)


def test_a_recorded_run_has_trajectories_and_no_features(make_recorder, printed, one_sentence) -> None:
    from tests.helpers.recording import GIVEN, record_gaps  # torch, which most tests need not wait for

    run = record_gaps(make_recorder(labels=GIVEN))
    assert "samples have no vector" in printed("probe", "embed", run.path)
    assert "recorded by another program" in one_sentence("probe", "embed", run.path, "--sources", "features")
