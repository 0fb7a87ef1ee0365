"""Damage to a log, and logs of other runs, are noticed before HDF5 reads the file; older logs stay readable."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from memgate.errors import MemgateError
from memgate.log import guard
from memgate.log.format import SAMPLE_COLUMNS, LogLayout, Samples
from memgate.log.identity import check_layout, configuration_note
from memgate.log.reader import SampleLog
from memgate.log.seal import checked_seal
from memgate.log.writer import SampleLogWriter
from memgate.runs import health
from memgate.runs.run import Run
from probes.samples.notes import unprotected
from tests.helpers.unsealed import unseal

GOLDEN = Path(__file__).parents[2] / "golden"

MakeRun = Callable[..., Run]


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy of the log of format 2, without the run around it."""
    return Path(shutil.copy(GOLDEN / "log_2" / "log.h5", tmp_path / "log.h5"))


def values(log: SampleLog) -> dict[str, list[object]]:
    """Everything that a log says of its whole epochs, by split."""
    return {
        split: [
            log.mode, log.gates, log.class_names, log.planned.tobytes(),
            *(getattr(log.samples(split), column).tobytes() for column in SAMPLE_COLUMNS),
            *(
                (epoch, *(array.tobytes() for array in vars(record).values() if array is not None))
                for epoch, record in log.records(split, log.epochs(split).tolist())
            ),
        ]
        for split in log.splits
    }  # fmt: skip


def patched(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


def place(path: Path, name: str) -> int:
    """Offset of a dataset in a log."""
    with h5py.File(path, "r", locking=False) as handle:
        dataset = handle[name]
        assert isinstance(dataset, h5py.Dataset)
        return dataset.id.get_offset()


@pytest.mark.slow
def test_no_flipped_byte_changes_what_is_read_without_a_word(golden: Path) -> None:
    content, sound = golden.read_bytes(), SampleLog(golden)
    expected = values(sound)
    seal = sound.seal
    assert seal
    refused = named = 0
    for offset in [*range(0, 700, 23), *range(seal.start, seal.size, 113)]:
        golden.write_bytes(content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :])
        inside = any(begin <= offset < begin + size for begin, size in seal.changing)
        if not inside:
            with pytest.raises(MemgateError, match="cannot be read"):
                SampleLog(golden)
            refused += 1
            continue
        log = SampleLog(golden)
        torn = sum(len(log.torn(split)) for split in log.splits)
        read = values(log)
        assert torn or read == expected
        assert all(row in expected[split] for split in read for row in read[split])
        named += torn
    assert refused > 50
    assert named > 10


@pytest.mark.parametrize("block", range(7))
def test_a_zeroed_block_is_a_sentence_at_once(
    golden: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> str:
        raise AssertionError("no child is needed for a log with a seal")

    monkeypatch.setattr(guard, "_problem", unreachable)
    size = golden.stat().st_size
    patched(golden, block * 4096, bytes(min(4096, size - block * 4096)))
    with pytest.raises(MemgateError, match=r"log.h5 cannot be read \(.*: put back|put back a copy of it.$"):
        SampleLog(golden)


@pytest.mark.parametrize("done", [0, 3])
def test_a_changed_mark_of_a_whole_epoch_changes_nothing(golden: Path, done: int) -> None:
    expected = values(SampleLog(golden))
    patched(golden, place(golden, "commit/train/done"), bytes([done]))
    log = SampleLog(golden)
    assert values(log) == expected
    assert log.torn("train").tolist() == []


def test_a_mark_alone_does_not_make_an_epoch(golden: Path) -> None:
    patched(golden, place(golden, "commit/train/done") + 2, b"\1")  # epoch 3 was never written
    log = SampleLog(golden)
    assert log.epochs("train").tolist() == [1, 2]
    assert log.torn("train").tolist() == [3]


def test_rows_of_two_splits_and_two_epochs_cannot_be_swapped(golden: Path) -> None:
    marks, content = place(golden, "commit/train/row_crc32"), golden.read_bytes()
    swapped = content[marks + 4 : marks + 8] + content[marks : marks + 4]
    patched(golden, marks, swapped)
    assert SampleLog(golden).torn("train").tolist() == [1, 2]


def test_dropped_epochs_are_missing_and_not_damaged(golden: Path) -> None:
    records = dict(SampleLog(golden).records("train", [1, 2]))
    writer = SampleLogWriter.open(golden)
    writer.keep(1)
    log = SampleLog(golden)
    assert [log.epochs(split).tolist() for split in log.splits] == [[1], [1]]
    assert [log.torn(split).tolist() for split in log.splits] == [[], []]
    writer.write(2, {"train": records[2]})
    writer.close()
    assert log.epochs("train").tolist() == [1, 2]


def test_the_seal_is_as_documented(golden: Path) -> None:
    import hashlib

    first, second = golden.read_bytes().split(b"\n")[:2]
    assert first.decode() == f"memgate-log/2 {hashlib.sha256(second).hexdigest()}"
    seal = json.loads(second)
    content, digest, begin = golden.read_bytes(), hashlib.sha256(), seal["start"]
    for offset, size in [*seal["changing"], [seal["size"], 0]]:
        digest.update(content[begin:offset])
        begin = offset + size
    assert digest.hexdigest() == seal["sha256"]
    manifest = (GOLDEN / "log_2" / "manifest.npz").read_bytes()
    assert seal["files"]["manifest.npz"] == hashlib.sha256(manifest).hexdigest()
    with golden.open("rb") as stream:
        assert checked_seal(stream, "memgate-log/2").identity == SampleLog(golden).identity


def test_a_log_that_lost_its_seal_does_not_pass_for_an_older_one(golden: Path) -> None:
    unseal(golden, "memgate-log/2")
    with pytest.raises(MemgateError, match="the checksum at its beginning is gone"):
        SampleLog(golden)


def test_a_log_of_a_newer_version_is_refused(golden: Path) -> None:
    content = golden.read_bytes()
    golden.write_bytes(content.replace(b"memgate-log/2", b"memgate-log/3", 1))
    with pytest.raises(
        MemgateError, match=r"format memgate-log/3, which a newer version .* update memgate\.$"
    ):
        SampleLog(golden)
    golden.write_bytes(content)
    unseal(golden, "memgate-log/12")
    with pytest.raises(MemgateError, match=r"format memgate-log/12, which a newer version"):
        SampleLog(golden)


def test_a_folder_in_place_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log.h5").mkdir()
    with pytest.raises(MemgateError, match="it is no regular file"):
        SampleLog(tmp_path / "log.h5")


def test_an_older_log_is_read_as_before_and_has_no_seal() -> None:
    old, new = (SampleLog(GOLDEN / name / "log.h5") for name in ("log_1", "log_2"))
    assert old.seal is None
    assert values(old) == values(new)
    assert old.identity != new.identity


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return Path(shutil.copy(GOLDEN / "log_1" / "log.h5", tmp_path / "log.h5"))


@pytest.mark.slow
def test_an_older_log_is_continued_in_its_own_format(older: Path) -> None:
    records = dict(SampleLog(older).records("train", [1, 2]))
    writer = SampleLogWriter.open(older)
    writer.write(3, {"train": records[1], "test": dict(SampleLog(older).records("test", [1]))[1]})
    writer.close()
    log = SampleLog(older)
    assert log.epochs("train").tolist() == [1, 2, 3]
    assert log.seal is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda log: log["train/given_label"].__setitem__(3, 60000),
            "given_label of train goes up to 60000, and",
        ),
        (lambda log: log["train/sample_id"].__setitem__(3, 4), "sample_id of train has an id twice"),
        (
            lambda log: log["test/label_op"].__setitem__(1, 512),
            r"label_op differs for 1 of 8 samples of test, which",
        ),
        (lambda log: log["epoch"].__setitem__(1, 1), "its mode or its epochs are not those of a log"),
        (lambda log: log.__delitem__("train/loss"), "cannot be read"),
        (lambda log: log.attrs.__setitem__("gates", "[3"), "cannot be read"),
    ],
)
def test_impossible_contents_of_an_older_log_are_a_sentence(
    older: Path, change: Callable[[h5py.File], object], message: str
) -> None:
    with h5py.File(older, "r+") as handle:
        change(handle)
    with pytest.raises(MemgateError, match=message):
        SampleLog(older).epochs("train")


def _external(log: h5py.File, path: Path) -> None:
    del log["train/given_label"]
    log.create_dataset("train/given_label", (24,), "u2", external=[(str(path), 0, 48)])


def _virtual(log: h5py.File, path: Path) -> None:
    del log["train/given_label"]
    layout = h5py.VirtualLayout((24,), "u2")
    layout[:] = h5py.VirtualSource(str(path), "x", (24,))
    log.create_virtual_dataset("train/given_label", layout)


def _linked(log: h5py.File, path: Path) -> None:
    del log["train/given_label"]
    log["train/given_label"] = h5py.ExternalLink(str(path), "x")


@pytest.mark.slow
@pytest.mark.parametrize("change", [_external, _virtual, _linked])
def test_a_log_cannot_show_the_bytes_of_another_file(
    older: Path, tmp_path: Path, change: Callable[[h5py.File, Path], None]
) -> None:
    secret = tmp_path / "secret"
    with h5py.File(secret, "w") as handle:
        handle["x"] = np.zeros(24, "u2")
    with h5py.File(older, "r+") as handle:
        change(handle, secret)
    with pytest.raises(
        MemgateError, match=r"(lies in another file|is a link to elsewhere), which no file of memgate"
    ):
        SampleLog(older)


@pytest.mark.slow
def test_a_file_that_hangs_the_library_is_a_sentence_and_is_tried_once(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(older, 4096, bytes(4096))  # HDF5 2.0 loops on it for ever
    started, run = [], guard.subprocess.run

    def counted(*arguments: Any, **options: Any) -> object:
        started.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(guard, "SECONDS", 1)
    monkeypatch.setattr(guard.subprocess, "run", counted)
    for _ in range(2):
        with pytest.raises(MemgateError, match="reading it does not end: the HDF5 library took 1 seconds"):
            SampleLog(older)
    assert len(started) == 1


def test_more_classes_than_a_log_can_hold_are_refused() -> None:
    labels = np.zeros(3, np.int64)
    with pytest.raises(MemgateError, match="The data has 70,000 classes, and a log holds at most 65,535"):
        LogLayout({"train": Samples.clean(labels, labels)}, (), (1,), "eval", tuple(map(str, range(70_000))))
    with pytest.raises(
        MemgateError, match=re.escape("given_label of train holds 0 to 70000, which a log cannot")
    ):
        LogLayout(
            {"train": Samples.clean(np.arange(3), np.array([0, 1, 70_000]))}, (), (1,), "eval", ("a", "b")
        )


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("file", ["log.h5", "manifest.npz"])
def test_files_of_two_runs_do_not_mix(make_run: MakeRun, sealed: bool, file: str) -> None:
    """Two runs over the same images with other wrong labels."""
    mine, other = make_run(n=60, epochs=1), make_run(n=60, epochs=1, noise=("symmetric:0.5",))
    if not sealed:
        for run in (mine, other):
            unseal(run.path / "log.h5")
    shutil.copy(other.path / file, mine.path / file)
    with pytest.raises(
        MemgateError, match=r"log.h5 does not belong to the manifest.npz beside it \(.*differs"
    ):
        Run(mine.path).sample_log()


def test_the_configuration_of_another_run_is_named(make_run: MakeRun) -> None:
    mine, other = make_run(n=60, epochs=1), make_run(n=60, epochs=1)
    log = mine.sample_log()
    assert configuration_note(log.path, log.seal) == ()
    shutil.copy(other.path / "config.json", mine.path / "config.json")
    (note,) = configuration_note(log.path, log.seal)
    assert note.startswith("config.json is not the one that the log was made with")
    problems = {file.name: file.problem for file in health.files(Run(mine.path))}
    assert problems["config.json"] == "it is not the one that the log was made with"
    assert problems["log.h5"] == ""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "score", "export", "probe show", "resume"])
def test_every_command_refuses_the_log_of_another_run(
    make_run: MakeRun, one_sentence: Callable[..., str], command: str
) -> None:
    mine, other = (
        make_run(n=40, epochs=2, finished=1),
        make_run(n=40, epochs=2, finished=1, noise=("pair:0.5",)),
    )
    shutil.copy(other.path / "log.h5", mine.path / "log.h5")
    assert "does not belong to the manifest.npz beside it" in one_sentence(*command.split(), mine.path)


@pytest.mark.slow
def test_a_report_names_an_older_log(make_run: MakeRun) -> None:
    run = make_run(n=60, epochs=1)
    assert unprotected(run.sample_log()) == ()
    unseal(run.path / "log.h5")
    notes = Run(run.path).report(resamples=0).notes
    assert notes[-1].startswith(
        "The log has the older format memgate-log/1, which has no checksums of labels"
    )


def test_a_log_of_another_shape_does_not_fit_a_run(golden: Path) -> None:
    log = SampleLog(golden)
    layout = log.layout()
    check_layout(golden, layout, layout)
    train = layout.splits["train"]
    for other, message in [
        (
            replace(layout, gates=("b2",)),
            r"has other gates than the run's configuration \(\('b3',\), not \('b2',\)\)",
        ),
        (replace(layout, epochs=(1, 2)), "has other epochs"),
        (replace(layout, splits={"train": train.take(slice(0, 9))}), "24 samples, not 9 in train"),
        (
            replace(layout, splits={"train": replace(train, given_label=train.clean_label)}),
            "given_label differs for 6 of 24 samples in train",
        ),
        (replace(layout, splits={"val": train}), "has no split 'val'"),
    ]:
        with pytest.raises(MemgateError, match=message):
            check_layout(golden, other, layout)


def test_a_manifest_that_cannot_be_read_is_left_to_its_readers(make_run: MakeRun) -> None:
    run = make_run(n=60, epochs=1)
    expected = values(run.sample_log())
    (run.path / "manifest.npz").unlink()
    assert values(run.sample_log()) == expected
    (run.path / "manifest.npz").mkdir()
    assert values(run.sample_log()) == expected
