"""The log survives a kill at every single write; readers see whole epochs only."""

import io
import resource
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from memgate.errors import MemgateError
from memgate.log.format import FLAGS, QUANTITIES, EpochRecord, LogLayout, Samples, logged_epochs
from memgate.log.new_file import write_log, written_bytes
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from tests.helpers.unsealed import unseal

NAMES = ("a", "b", "c")


def layout(epochs=6, n=40, gates=("b3",), every=1, test=7):
    ids = np.arange(n) * 3
    labels = np.arange(n) % 3
    zeros = np.zeros(n, "i2")
    train = Samples(ids, (labels + 1) % 3, labels, zeros + 1, zeros, zeros)
    splits = {"train": train, "test": Samples.clean(np.arange(test), np.arange(test) % 3)}
    macs = len(gates) > 1  # so that logs with and without MACs are tested
    return LogLayout(splits, gates, logged_epochs(epochs, every), "eval", NAMES, macs)


def record(epoch, n, gates=1):
    draw = np.random.default_rng((epoch, n))

    def floats(*shape):
        return draw.random(shape, dtype=np.float32)

    gate = floats(gates, n)
    flags = np.full((max(gates, 1), n), FLAGS["seen"], "u1")
    if gates:
        flags += np.where(gate > 0.5, FLAGS["routed"], 0).astype("u1")
    classes = draw.integers(0, 3, (gates + 1, n)).astype("u2")
    plain = {name: floats(n) for name in ("loss", "margin", "p_given", "el2n", "out_entropy")}
    entropy = floats(gates, n)
    return EpochRecord(gate, entropy, classes[1:], flags, pred=classes[0], macs=floats(n), **plain)


def created(path, plan):
    SampleLogWriter.create(path, plan)
    return SampleLogWriter.open(path)


def records(plan, epoch):
    return {split: record(epoch, len(samples), len(plan.gates)) for split, samples in plan.splits.items()}


def assert_epoch_is(log, plan, epoch, splits=None):
    """Every quantity of an epoch, as written."""
    for split in splits or plan.splits:
        expected = records(plan, epoch)[split]
        for name in plan.names():
            quantity = QUANTITIES[name]
            if name == "flags":
                continue
            for row, gate in enumerate(plan.gates if quantity.per_gate else [None]):
                epochs, values = log.values(split, name, gate)
                wanted = getattr(expected, name)
                wanted = wanted[row] if gate else wanted
                np.testing.assert_array_equal(values[list(epochs).index(epoch)], wanted)


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), ("b3",), ("b2", "b3")])
@pytest.mark.parametrize("every", [1, 4])
def test_what_was_written_is_read(tmp_path, gates, every):
    plan = layout(gates=gates, every=every)
    assert plan.epochs == ((1, 2, 3, 4, 5, 6) if every == 1 else (4, 6))
    writer = created(tmp_path / "log.h5", plan)
    for epoch in plan.epochs:
        writer.write(epoch, records(plan, epoch))
    writer.close()
    log = SampleLog(tmp_path / "log.h5")
    assert (log.mode, log.gates, log.class_names, log.splits) == ("eval", gates, NAMES, ("train", "test"))
    assert log.epochs("train").tolist() == list(plan.epochs)
    for epoch in plan.epochs:
        assert_epoch_is(log, plan, epoch)
    np.testing.assert_array_equal(log.samples("train").sample_id, plan.splits["train"].sample_id)
    np.testing.assert_array_equal(log.samples("train").label_op, 1)


@pytest.mark.parametrize("part", [slice(0, 0), slice(3, 4), slice(10, 40), slice(30, 99)])
def test_a_part_of_the_samples_is_read_as_of_all(tmp_path, part):
    plan = layout(gates=("b2", "b3"))
    writer = created(tmp_path / "log.h5", plan)
    for epoch in (1, 2, 3, 5):  # a gap, and an end that is not the log's
        writer.write(epoch, records(plan, epoch))
    writer.close()
    log = SampleLog(tmp_path / "log.h5")
    for name, gate in [("loss", None), ("pred", None), ("gate", "b3"), ("routed", "b2"), ("seen", None)]:
        epochs, values = log.values("train", name, gate)
        part_epochs, part_values = log.values("train", name, gate, part)
        assert epochs.tolist() == part_epochs.tolist() == [1, 2, 3, 5]
        np.testing.assert_array_equal(part_values, values[:, part])


def test_every_dataset_is_contiguous_and_allocated(tmp_path):
    SampleLogWriter.create(tmp_path / "log.h5", layout())
    with h5py.File(tmp_path / "log.h5", "r") as handle:
        names = layout().names()
        big: list[Any] = [handle[f"train/{name}"] for name in names]
        big += [handle[f"commit/train/{name}"] for name in ("done", "crc32", "unix_time", "seen")]
        for dataset in big:
            plan = dataset.id.get_create_plist()
            assert plan.get_layout() == h5py.h5d.CONTIGUOUS
            assert dataset.id.get_offset() is not None
        kinds = {name: (dataset.shape, dataset.dtype) for name, dataset in zip(names, big, strict=False)}
        assert kinds["gate"] == ((6, 1, 40), np.float32)
        assert kinds["flags"] == ((6, 1, 40), np.uint8)
        assert kinds["pred"] == ((6, 40), np.uint16)


def test_the_disk_is_reserved_when_the_log_is_made(tmp_path):
    plan = layout(epochs=50, n=2000)
    SampleLogWriter.create(tmp_path / "log.h5", plan)
    assert (tmp_path / "log.h5").stat().st_blocks * 512 >= plan.bytes()


def applied(content, writes):
    content = bytearray(content)
    for position, data in writes:
        content[position : position + len(data)] = data
    return bytes(content)


def replayed_log(tmp_path, content):
    path = tmp_path / "replayed.h5"
    path.write_bytes(content)
    return SampleLog(path)


def written_trace(plan, epochs=None):
    """The file after its creation, every later write, and how many writes were done when each epoch returned."""
    made = io.BytesIO()
    write_log(made, plan, {})
    writes, acknowledged = [], {}
    with h5py.File(made, "r") as handle:
        writer = SampleLogWriter(handle, lambda position, data: writes.append((position, data)), lambda: None)
    for epoch in epochs or plan.epochs:
        writer.write(epoch, records(plan, epoch))
        acknowledged[epoch] = len(writes)
    return made.getvalue(), writes, acknowledged


@pytest.mark.slow
def test_a_kill_after_any_write_loses_no_acknowledged_epoch(tmp_path):
    plan = layout(epochs=2)
    content, writes, acknowledged = written_trace(plan)
    assert len(writes) > 2 * 10
    for kept in range(len(writes) + 1):
        log = replayed_log(tmp_path, applied(content, writes[:kept]))
        safe = [epoch for epoch, count in acknowledged.items() if count <= kept]
        for split in plan.splits:
            readable = log.epochs(split).tolist()
            assert readable[: len(safe)] == safe
            assert len(readable) <= len(safe) + 1
            for epoch in readable:
                assert_epoch_is(log, plan, epoch, [split])


@pytest.mark.slow
def test_a_power_cut_that_reorders_or_tears_unacknowledged_writes_is_noticed(tmp_path):
    plan = layout(epochs=3)
    content, writes, acknowledged = written_trace(plan)
    draw = np.random.default_rng(0)
    noticed = 0
    for _ in range(50):
        epoch = int(draw.integers(2, 4))
        first, last = acknowledged[epoch - 1], acknowledged[epoch]
        chosen = [write for write in writes[first:last] if draw.random() < 0.5]
        chosen = [(p, d[: int(draw.integers(1, len(d) + 1))]) for p, d in chosen]
        log = replayed_log(tmp_path, applied(applied(content, writes[:first]), chosen))
        for split in plan.splits:
            readable = log.epochs(split).tolist()
            assert readable[: epoch - 1] == list(range(1, epoch))
            for whole in readable:
                # Every value that is read is one that was written: a torn row is never read as values.
                expected = records(plan, whole)[split]
                np.testing.assert_array_equal(
                    log.values(split, "loss")[1][readable.index(whole)], expected.loss
                )
                np.testing.assert_array_equal(
                    log.values(split, "gate")[1][readable.index(whole)], expected.gate[0]
                )
            noticed += len(log.torn(split))
    assert noticed > 0


def test_a_damaged_row_is_left_out_and_named(tmp_path):
    plan = layout()
    writer = created(tmp_path / "log.h5", plan)
    for epoch in plan.epochs:
        writer.write(epoch, records(plan, epoch))
    writer.close()
    with h5py.File(tmp_path / "log.h5", "r+") as handle:
        entropy: Any = handle["train/entropy"]
        entropy[2, 0, 5] += 1
    log = SampleLog(tmp_path / "log.h5")
    assert log.epochs("train").tolist() == [1, 2, 4, 5, 6]
    assert log.torn("train").tolist() == [3]
    assert log.epochs("test").tolist() == [1, 2, 3, 4, 5, 6]


def test_an_epoch_can_be_written_again(tmp_path):
    plan = layout()
    writer = created(tmp_path / "log.h5", plan)
    writer.write(1, records(plan, 2))
    writer.close()
    writer = SampleLogWriter.open(tmp_path / "log.h5")
    writer.write(1, records(plan, 1))
    writer.close()
    assert_epoch_is(SampleLog(tmp_path / "log.h5"), plan, 1)


@pytest.mark.slow
def test_a_kill_while_an_epoch_is_written_again_shows_the_whole_row_or_none(tmp_path):
    """After a kill between log and checkpoint the epoch is trained again; on a GPU with other last bits."""
    plan = layout(epochs=2)
    content, writes, _ = written_trace(plan, epochs=[1, 2, 1])
    second = len(writes) - len(written_trace(plan, epochs=[1])[1]) - len(plan.splits)
    # Other values than the first time, so that the old checksum does not match.
    changed = writes[:second]
    changed += [(p, bytes(byte ^ 1 for byte in d) if len(d) > 32 else d) for p, d in writes[second:]]
    for kept in range(second, len(writes)):
        log = replayed_log(tmp_path, applied(content, changed[:kept]))
        assert log.epochs("train").tolist() in ([1, 2], [2])
        assert_epoch_is(log, plan, 2)
        if 1 in log.epochs("train"):
            assert_epoch_is(log, plan, 1, ["train"])


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import test_log as t
path = Path(sys.argv[1])
plan = t.layout(epochs=4, n=200)
writer = t.created(path, plan)
writer.write(1, t.records(plan, 1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
for epoch in (2, 3):
    try:
        writer.write(epoch, t.records(plan, epoch))
    except OSError as error:
        print(epoch, error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write(4, t.records(plan, 4))
writer.close()
print(t.SampleLog(path).epochs("train").tolist())
"""


@pytest.mark.slow
def test_a_disk_that_refuses_raises_and_the_rest_stays_readable(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path / "log.h5", Path(__file__).parent],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["2 File too large", "3 File too large", "[1, 4]"]


READ = """
import sys
from pathlib import Path
from memgate.log.reader import SampleLog
print(SampleLog(Path(sys.argv[1])).epochs("train").tolist())
"""

WRITE = """
import sys
from pathlib import Path
from memgate.errors import MemgateError
from memgate.log.writer import SampleLogWriter
try:
    SampleLogWriter.open(Path(sys.argv[1]))
except MemgateError as error:
    print(error)
"""


def other_process(script, path):
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_a_reader_does_not_disturb_the_writer_and_a_second_writer_is_refused(tmp_path):
    plan, path = layout(), tmp_path / "log.h5"
    writer = created(path, plan)
    writer.write(1, records(plan, 1))
    assert other_process(READ, path) == "[1]"
    assert "is open in another process" in other_process(WRITE, path)
    writer.write(2, records(plan, 2))
    assert other_process(READ, path) == "[1, 2]"
    writer.close()


def test_errors_are_sentences(tmp_path):
    with pytest.raises(MemgateError, match="does not exist"):
        SampleLog(tmp_path / "log.h5")
    (tmp_path / "log.h5").write_bytes(b"no hdf5")
    with pytest.raises(MemgateError, match="damaged or no HDF5"):
        SampleLog(tmp_path / "log.h5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(MemgateError, match="not a log of this version"):
        SampleLog(tmp_path / "other.h5")
    SampleLogWriter.create(tmp_path / "good.h5", layout(gates=("b2", "b3")))
    with (
        h5py.File(tmp_path / "good.h5", "r"),
        pytest.raises(MemgateError, match="is open elsewhere in this program.*close it there first"),
    ):
        SampleLog(tmp_path / "good.h5")
    log = SampleLog(tmp_path / "good.h5")
    for call, message in [
        (lambda: log.values("val", "loss"), "no split 'val'"),
        (lambda: log.values("train", "gate"), "has b2, b3"),
        (lambda: log.values("train", "routed", "b1"), "no gate 'b1'"),
    ]:
        with pytest.raises(MemgateError, match=message):
            call()


def test_a_disk_too_small_is_said_before_the_training(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(MemgateError, match=r"needs [\d.]+ kB and .* are free .*--log.every"):
        SampleLogWriter.create(tmp_path / "log.h5", layout())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_grow_is_said_before_hdf5_writes_to_it(tmp_path):
    """HDF5 would crash."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (100, 10_000, 25_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(MemgateError, match="File too large"):
                SampleLogWriter.create(tmp_path / "log.h5", layout())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gates", [(), ("b3",), tuple(f"b1u{number:04d}" for number in range(600))])
def test_hdf5_writes_no_more_than_was_checked(gates):
    plan, content = layout(gates=gates), io.BytesIO()
    write_log(content, plan, {"config.json": "0" * 64})
    written = len(content.getvalue()) - plan.bytes()
    assert 0.4 < written / written_bytes(plan, 1) <= 1


def test_unseen_samples_keep_their_nan_and_are_counted(tmp_path):
    plan = layout()
    rows = records(plan, 1)
    rows["train"].loss[3] = np.nan
    rows["train"].flags[:, 3] = 0
    writer = created(tmp_path / "log.h5", plan)
    writer.write(1, rows)
    writer.close()
    log = SampleLog(tmp_path / "log.h5")
    assert np.isnan(log.values("train", "loss")[1][0, 3])
    assert not log.values("train", "seen")[1][0, 3]
    with h5py.File(tmp_path / "log.h5", "r") as opened:
        handle: Any = opened
        assert handle["commit/train/seen"][0] == 39
        stored = handle["train/loss"][0]
        assert handle["commit/train/crc32"][0, plan.names().index("loss")] == zlib.crc32(stored.tobytes())


def test_a_log_of_an_older_version_is_one_sentence(tmp_path):
    created(tmp_path / "log.h5", layout()).close()
    unseal(tmp_path / "log.h5")
    with h5py.File(tmp_path / "log.h5", "a") as handle:
        del handle["train/open_set"]
    with pytest.raises(MemgateError, match="lacks the column open_set: an older version wrote it"):
        SampleLog(tmp_path / "log.h5").samples("train")
