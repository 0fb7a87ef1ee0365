"""Files of gate vectors: what was packed is read, and damage, kills and files of other runs are sentences."""

import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log import gate_vector_files, guard
from memgate.log.format import LogLayout, Samples
from memgate.log.gate_vector_files import SplitVectors, VectorLayout, keep, write_gate_vectors
from memgate.log.gate_vectors import GateVectors, kept_epochs
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from noise.files.atomic import remove_leftovers

GATES = {"b1u01": 1, "b1u02": 7, "b2u01": 16, "b3u01": 640}
SPLITS = {"train": np.arange(45) * 3, "test": np.arange(11)[::-1].copy()}
LAYOUT = VectorLayout(GATES, SPLITS, epochs=(2, 4))

Patterns = dict[str, dict[str, NDArray[np.bool_]]]


def patterns(epoch: int, layout: VectorLayout = LAYOUT) -> Patterns:
    """Made-up patterns, split to gate to bool [N, C]."""
    draw = np.random.default_rng(epoch)
    return {
        split: {gate: draw.random((len(ids), count)) < 0.5 for gate, count in layout.gates.items()}
        for split, ids in layout.splits.items()
    }


def packed(of: Mapping[str, Mapping[str, NDArray[np.bool_]]]) -> dict[str, SplitVectors]:
    return {
        split: SplitVectors(
            {gate: np.packbits(values, axis=1) for gate, values in gates.items()},
            np.ones((len(gates), len(next(iter(gates.values())))), bool),
        )
        for split, gates in of.items()
    }


def write(folder: Path, epoch: int, log: str = "", layout: VectorLayout = LAYOUT) -> Path:
    write_gate_vectors(folder, layout, epoch, log, packed(patterns(epoch, layout)))
    return folder / f"gates_epoch_{epoch:03d}.h5"


def read(vectors: GateVectors) -> Patterns:
    return {
        split: {gate: vectors.patterns(split, gate) for gate in vectors.gates} for split in vectors.splits
    }


def assert_same(one: Patterns, other: Patterns) -> None:
    assert [(split, list(gates)) for split, gates in one.items()] == [
        (split, list(gates)) for split, gates in other.items()
    ]
    for split, gates in one.items():
        for gate, values in gates.items():
            np.testing.assert_array_equal(values, other[split][gate])


def log_beside(folder: Path, seed: int = 0, splits: Mapping[str, NDArray[np.int64]] = SPLITS) -> str:
    """Identity of a log in a folder, made for these sample ids."""
    samples = {split: Samples.clean(ids, (ids + seed) % 3) for split, ids in splits.items()}
    SampleLogWriter.create(
        folder / "log.h5", LogLayout(samples, tuple(GATES), (1, 2, 3, 4), "eval", ("a", "b", "c"))
    )
    return SampleLog(folder / "log.h5").identity


def test_what_was_written_is_read(tmp_path: Path) -> None:
    for epoch in LAYOUT.epochs:
        write(tmp_path, epoch)
    assert kept_epochs(tmp_path) == (2, 4)
    assert GateVectors.open(tmp_path).epoch == 4
    vectors, expected = GateVectors.open(tmp_path, 2), patterns(2)
    assert (vectors.epoch, vectors.gates, vectors.splits) == (2, GATES, {"train": 45, "test": 11})
    assert_same(read(vectors), expected)
    whole = np.concatenate(list(expected["train"].values()), axis=1)
    np.testing.assert_array_equal(vectors.patterns("train"), whole)
    np.testing.assert_array_equal(vectors.patterns("train", part=slice(7, 8)), whole[7:8])
    places = np.array([30, 2, 2])
    np.testing.assert_array_equal(
        vectors.patterns("train", "b3u01", places), expected["train"]["b3u01"][places]
    )
    for channel in (0, 7, 8, 639):
        one = expected["train"]["b3u01"][:, channel]
        np.testing.assert_array_equal(vectors.filter("train", "b3u01", channel), one)
        np.testing.assert_array_equal(vectors.filter("train", "b3u01", channel, slice(3, 9)), one[3:9])


def test_a_vector_that_is_not_known_is_marked(tmp_path: Path) -> None:
    vectors = packed(patterns(2))
    vectors["train"].known[1, [0, 44]] = False
    write_gate_vectors(tmp_path, LAYOUT, 2, "", vectors)
    read_again = GateVectors.open(tmp_path)
    assert np.flatnonzero(~read_again.known("train", "b1u02")).tolist() == [0, 44]
    assert read_again.known("train", "b1u02", slice(40, 45)).tolist() == [True] * 4 + [False]
    assert read_again.known("train", "b1u01").all()
    assert read_again.known("test", "b1u02").all()


def test_any_reader_of_hdf5_can_unpack_them(tmp_path: Path) -> None:
    """The format's own words, without memgate."""
    with h5py.File(write(tmp_path, 2), "r") as opened:
        handle: Any = opened
        rows = np.unpackbits(handle["train/patterns/b1u02"][:], axis=1)[:, :7]
        assert (handle.attrs["epoch"], handle["train"].attrs["samples"]) == (2, 45)
    np.testing.assert_array_equal(rows, patterns(2)["train"]["b1u02"])


@pytest.mark.parametrize(
    "gates", [{"b1u01": 1}, {f"b1u{unit:02d}": 16 for unit in range(108)}, GATES], ids=["1", "108", "4"]
)
def test_the_planned_size_is_the_file_s_within_the_metadata(tmp_path: Path, gates: dict[str, int]) -> None:
    layout = VectorLayout(gates, {**SPLITS, "test_corrupted": np.arange(9)}, (2,))
    size = write(tmp_path, 2, layout=layout).stat().st_size
    assert layout.vector_bytes() < size <= layout.bytes()
    assert layout.bytes() - layout.vector_bytes() <= 4096 + 3 * (4096 + 512 * (len(gates) + 1))


def test_equal_vectors_give_equal_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    before = path.read_bytes()
    path.unlink()
    assert write(tmp_path, 2).read_bytes() == before


def test_no_flipped_byte_gives_other_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> str:
        raise AssertionError("no child is needed for a file with a seal")

    monkeypatch.setattr(guard, "_problem", unreachable)
    path = write(tmp_path, 2)
    content, expected = path.read_bytes(), patterns(2)
    draw, refused = np.random.default_rng(0), 0
    for offset in [*range(120), *draw.integers(0, len(content), 280).tolist()]:
        path.write_bytes(
            content[:offset] + bytes([content[offset] ^ 1 << offset % 8]) + content[offset + 1 :]
        )
        try:
            assert_same(read(GateVectors.open(tmp_path, 2)), expected)
        except MemgateError:
            refused += 1
    assert refused > 350


@pytest.mark.parametrize("kept", [0, 1, 7, 500, 4096, 0.5, 0.999])
def test_a_cut_file_is_a_sentence(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path, 2)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(
        MemgateError, match=r"gates_epoch_002.h5 (is damaged|has the format).* put back a copy"
    ):
        GateVectors.open(tmp_path, 2)


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")], ids=["folder", "FIFO", "link"]
)
def test_what_is_no_file_is_a_sentence_and_not_another_epoch(tmp_path: Path, make: Any) -> None:
    write(tmp_path, 2)
    make(tmp_path / "gates_epoch_004.h5")
    with pytest.raises(MemgateError, match=r"gates_epoch_004.h5 "):
        GateVectors.open(tmp_path)
    keep(tmp_path, 2)


def test_damage_after_the_file_was_opened_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    vectors = GateVectors.open(tmp_path, 2)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(MemgateError, match="is damaged"):
        vectors.patterns("train", "b1u01")


def test_a_lost_seal_is_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    content = path.read_bytes()
    path.write_bytes(content[content.index(b"\x89HDF") :])
    with pytest.raises(MemgateError, match="is damaged"):
        GateVectors.open(tmp_path, 2)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("before", [False, True], ids=["new", "again"])
def test_a_kill_at_any_moment_leaves_the_old_file_or_none(
    tmp_path: Path, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        write(tmp_path, 2)
    size = len(gate_vector_files._content(LAYOUT, 2, "", packed(patterns(99))))

    for written in (0, 1, 600, size // 2, size - 1, size):

        def stopped(path: Path, write: Any, written: int = written) -> None:
            """As atomic_write of a process that is killed before the new file gets its name."""
            content = io.BytesIO()
            write(content)
            (path.parent / f".{path.name}.0123abcd.tmp").write_bytes(content.getvalue()[:written])
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(gate_vector_files, "atomic_write", stopped)
            with pytest.raises(Killed):
                write_gate_vectors(tmp_path, LAYOUT, 2, "", packed(patterns(99)))
        assert kept_epochs(tmp_path) == ((2,) if before else ())
        if before:
            assert_same(read(GateVectors.open(tmp_path, 2)), patterns(2))
    write_gate_vectors(tmp_path, LAYOUT, 2, "", packed(patterns(99)))
    assert_same(read(GateVectors.open(tmp_path, 2)), patterns(99))
    remove_leftovers(tmp_path)  # as every training does when it begins
    assert [path.name for path in tmp_path.iterdir()] == ["gates_epoch_002.h5"]


def test_a_full_disk_is_an_error_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 2)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_gate_vectors(tmp_path, LAYOUT, 2, "", packed(patterns(99)))
    assert_same(read(GateVectors.open(tmp_path, 2)), patterns(2))
    assert [path.name for path in tmp_path.iterdir()] == ["gates_epoch_002.h5"]


def test_a_file_of_another_run_is_refused(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for seed, folder in enumerate((mine, other)):
        folder.mkdir()
        write(folder, 2, log_beside(folder, seed))
    assert_same(read(GateVectors.open(mine, 2)), patterns(2))
    shutil.copy(other / "gates_epoch_002.h5", mine)
    with pytest.raises(MemgateError, match="of another run than the log.h5 beside it: put back"):
        GateVectors.open(mine, 2)


def test_vectors_in_another_order_than_the_log_are_refused(tmp_path: Path) -> None:
    identity = log_beside(tmp_path, splits={**SPLITS, "test": SPLITS["test"][::-1]})
    write(tmp_path, 2, identity)
    with pytest.raises(MemgateError, match="of another run"):
        GateVectors.open(tmp_path, 2)


def test_a_file_under_the_name_of_another_epoch_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 2).rename(tmp_path / "gates_epoch_003.h5")
    with pytest.raises(MemgateError, match="holds the gate vectors of epoch 2: give it back its name"):
        GateVectors.open(tmp_path, 3)


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MemgateError, match=r"has no gate vectors: .*--log.gates last or every:N"):
        GateVectors.open(tmp_path)
    for epoch in (2, 4, 1000):
        write(tmp_path, epoch)
    (tmp_path / "gates_epoch_7.h5").write_bytes(b"")  # not a name that memgate gives
    with pytest.raises(
        MemgateError, match=r"has gate vectors of the epochs 2, 4 and 1000, not of 7: take a kept"
    ):
        GateVectors.open(tmp_path, 7)
    vectors = GateVectors.open(tmp_path, 2)
    for call, message in [
        (lambda: vectors.patterns("val"), "no split 'val': it has train, test"),
        (lambda: vectors.patterns("train", "b9u01"), "no gate 'b9u01': it has b1u01, "),
        (
            lambda: vectors.filter("train", "b1u02", 7),
            "the channels 0 to 6 of the gate b1u02, and no channel 7",
        ),
        (lambda: vectors.filter("train", "b1u02", -1), "no channel -1"),
    ]:
        with pytest.raises(MemgateError, match=message):
            call()


def test_epochs_that_are_trained_again_are_dropped(tmp_path: Path) -> None:
    for epoch in (2, 4, 6):
        write(tmp_path, epoch)
    keep(tmp_path, 4)
    assert kept_epochs(tmp_path) == (2, 4)


def test_a_disk_too_small_is_said_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    LAYOUT.check_space(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage._replace(free=LAYOUT.bytes())
    )  # for two, one fits
    with pytest.raises(MemgateError, match=r"2 epochs need 44.3 kB and 22.1 kB are free.*--log.gates last"):
        LAYOUT.check_space(tmp_path)
