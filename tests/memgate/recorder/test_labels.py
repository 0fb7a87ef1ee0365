"""The Recorder's labels: clean labels, manifests, and labels that are not known in advance."""

import csv
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from memgate.errors import MemgateError
from memgate.recorder.recorder import Recorder
from memgate.runs.run import Run
from noise.apply import corrupt
from probes.dynamics.summary import summary
from probes.report.report import report
from tests.helpers.recording import CLEAN, GIVEN, N, feed, logits_of, recorded


@pytest.mark.slow
def test_wrong_labels_get_a_cause_and_a_label_list(make_recorder: Any) -> None:
    with make_recorder(
        clean_labels=CLEAN, class_names=list("abcd"), data="letters", seed=7, model="mlp"
    ) as recorder:
        for epoch in (1, 2, 3):
            feed(recorder, epoch)
    run = Run(recorder.path)
    table = summary(run)
    assert table["cause"].tolist() == ["label"] * 8 + ["clean"] * 32
    kinds = table["label_kind"].tolist()
    assert kinds[:8] == ["label-list"] * 8
    assert all(pd.isna(kind) for kind in kinds[8:])
    result = report(run, resamples=0)
    assert result.noise[0].realised == 0.2
    assert "label-list:file=given_labels.csv: requested by the file, realised 20.00%" in str(result)
    assert run.manifest.damage() == ""
    rows = list(csv.DictReader(io.StringIO((run.path / "given_labels.csv").read_text())))
    assert [int(row["given_label"]) for row in rows] == GIVEN.tolist()
    assert [int(row["clean_label"]) for row in rows] == CLEAN.tolist()
    assert run.outline.seed == 7
    assert run.sample_log().class_names == ("a", "b", "c", "d")


def test_corrupt_reads_the_label_list_of_a_recorded_run(make_recorder: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
    with make_recorder(clean_labels=CLEAN, images=images, data="letters") as recorder:
        feed(recorder, 1)
    run = Run(recorder.path)
    spec = f"label-list:file={run.path / 'given_labels.csv'}"
    again = corrupt(images, CLEAN, [spec], seed=0, dataset="letters", class_names=list("0123")).manifest
    assert again.header.column_digests == run.manifest.header.column_digests
    assert again.header.source_digest == run.manifest.header.source_digest == run.digests["train"]
    assert again.header.operations[0].files == run.manifest.header.operations[0].files


def test_without_clean_labels_no_sample_is_called_clean(make_recorder: Any) -> None:
    with make_recorder() as recorder:
        feed(recorder, 1)
    run = Run(recorder.path)
    assert run.manifest.header.operations == ()
    assert run.manifest.header.image_shape == ()
    assert summary(run)["cause"].tolist() == ["unknown"] * N
    assert "Noise: unknown" in str(report(run, resamples=0))
    assert not (run.path / "given_labels.csv").exists()


def test_a_manifest_gives_sample_ids_and_causes(make_recorder: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
    ids = np.arange(N) * 3 + 5
    corrupted = corrupt(
        images, CLEAN, ["symmetric:0.2", "randx:0.1"], seed=0, dataset="d", class_names=list("0123"), sample_id=ids
    )  # fmt: skip
    with make_recorder(manifest=corrupted.manifest, images=corrupted.images) as recorder:
        recorder.update(torch.arange(N), logits_of(1), torch.from_numpy(corrupted.labels))
        recorder.end_epoch()
    run = Run(recorder.path)
    np.testing.assert_array_equal(run.manifest.cause, corrupted.manifest.cause)
    np.testing.assert_array_equal(summary(run)["sample_id"], ids)
    assert run.outline.noise == ("symmetric:0.2", "randx:0.1")
    with pytest.raises(MemgateError, match="images of the training split are not those that the manifest"):
        make_recorder(name="x", manifest=corrupted.manifest, images=images)
    with pytest.raises(MemgateError, match="labels of train are not the given labels of the manifest"):
        make_recorder(name="x", manifest=corrupted.manifest, labels=CLEAN)
    with pytest.raises(MemgateError, match="both say what the clean labels are"):
        make_recorder(name="x", manifest=corrupted.manifest, clean_labels=CLEAN)
    with pytest.raises(MemgateError, match="manifest is of 40 samples and the training split has 41"):
        make_recorder(41, name="x", manifest=corrupted.manifest)
    with pytest.raises(MemgateError, match="class_names are not those of the manifest"):
        make_recorder(name="x", manifest=corrupted.manifest, class_names=list("abcd"))
    with pytest.raises(MemgateError, match="gone.npz"):
        make_recorder(name="x", manifest="gone.npz")


def test_labels_missing_from_the_first_epoch_must_be_given(make_recorder: Any) -> None:
    def record_30_samples(recorder: Recorder) -> None:
        recorder.update(torch.arange(30), logits_of(1)[:30], torch.from_numpy(GIVEN)[:30])
        recorder.end_epoch()

    recorder = make_recorder()
    with pytest.raises(
        MemgateError,
        match="labels of 10 of the 40 .* of train are unknown.*drop_last.*labels=..train.: ",
    ):
        record_30_samples(recorder)
    assert not recorder.path.exists()
    recorder.close()
    labelled = make_recorder(labels=GIVEN)
    record_30_samples(labelled)
    record = recorded(labelled, 1)
    assert record.flag("seen").sum() == 30
    assert np.isnan(record.loss[30:]).all()
    np.testing.assert_array_equal(Run(labelled.path).sample_log().samples("train").given_label, GIVEN)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (GIVEN + 1, "labels: the labels run from 1 to 4, and no image has the label 0"),
        (GIVEN * 0 + 3, "labels: all labels are 3: at least two classes are needed"),
    ],
)
def test_a_class_without_a_sample_and_a_name_is_refused_before_anything_is_recorded(
    make_recorder, tmp_path, labels, sentence
):
    with pytest.raises(MemgateError, match=sentence):
        make_recorder(labels=labels)
    assert not list((tmp_path / "runs").glob("*"))
    make_recorder(labels=labels, class_names=list("abcde")).close()


def test_an_empty_class_that_only_the_batches_show_is_warned_of_and_the_run_goes_on(make_recorder, capsys):
    with make_recorder(3, epochs=2) as recorder:
        for _ in range(2):
            recorder.update(np.arange(3), np.eye(3, 4), np.array([0, 1, 3]))
            recorder.end_epoch()
    sentence = "memgate: labels: the labels run from 0 to 3, and no image has the label 2: "
    assert capsys.readouterr().err.count(sentence) == 1
    assert len(Run(recorder.path).metrics()) == 2
    with make_recorder(3, epochs=2, labels=[0, 1, 3], resume=True) as recorder:
        assert recorder.epoch == 2


def test_class_names_in_bytes_are_text(make_recorder):
    with make_recorder(class_names=[b"cat", b"dog", b"eel", b"fox"], labels=GIVEN) as recorder:
        feed(recorder, 1)
    assert Run(recorder.path).sample_log().class_names == ("cat", "dog", "eel", "fox")
