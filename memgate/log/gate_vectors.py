"""Reads ``gates_epoch_NNN.h5``: which channels were open for each sample after one epoch, a bit per channel.

The format memgate-gates/1 has a dataset for each gate, [N, ceil(C / 8)] bytes. All samples of one filter are then one
short read, where HDF5 would read nearly all of one matrix of all gates; one sample's pattern is a row per gate. Both
are measured by benchmarks/gate_vectors.py. A seal (:mod:`memgate.log.seal`) covers the whole file.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from memgate.log.guard import CheckedFile, text
from memgate.log.reader import SampleLog

SCHEMA = "memgate-gates/1"

REMEDY = "put back a copy of it, or remove it and do without this epoch."
"""Remedy for a file that cannot be used."""

DAMAGED = "is damaged ({}): " + REMEDY
"""The sentence about a file that cannot be read."""

Part = slice | NDArray[np.integer]
"""Which samples: a part of the log's order, or places in it in any order."""

EVERYTHING = slice(None)

_NAME = re.compile(r"gates_epoch_(\d{3,9})\.h5")


def vector_path(folder: Path, epoch: int) -> Path:
    """Path of the file of an epoch in a run's folder, whether it exists or not."""
    return folder / f"gates_epoch_{epoch:03d}.h5"


def is_vector_file(name: str) -> bool:
    """Whether a file in a run's folder has the name of gate vectors."""
    return _NAME.fullmatch(name) is not None


def kept_epochs(folder: Path) -> tuple[int, ...]:
    """Epochs whose gate vectors are in a run's folder, rising; by the names, also of what is no file."""
    numbers = (_NAME.fullmatch(path.name) for path in folder.glob("gates_epoch_*.h5"))
    epochs = {int(number[1]) for number in numbers if number}
    return tuple(epoch for epoch in sorted(epochs) if os.path.lexists(vector_path(folder, epoch)))


def packed_bytes(bits: int) -> int:
    """Bytes that hold so many bits."""
    return -(-bits // 8)


def ids_digest(sample_id: NDArray[np.integer]) -> str:
    """SHA-256 of sample ids [N] as little-endian int64, in the order of the log."""
    return hashlib.sha256(sample_id.astype("<i8").tobytes()).hexdigest()


def epochs_text(epochs: Sequence[int]) -> str:
    """Epochs in words: ``epoch 3``, ``the epochs 3, 6 and 9``; of many the first, the last and their number."""
    if len(epochs) == 1:
        return f"epoch {epochs[0]}"
    if len(epochs) > 12:
        return f"{len(epochs)} epochs, {epochs[0]}, {epochs[1]}, {epochs[2]} to {epochs[-1]}"
    return f"the epochs {', '.join(map(str, epochs[:-1]))} and {epochs[-1]}"


class GateVectors:
    """The binary vectors of all gates of all samples after one epoch, read gate by gate.

    Whether a channel is open is known where the network gave a number. In the log mode ``online`` the vectors of the
    training split are those of the training pass, with the noise of its gates.

    Example:
        >>> import numpy as np
        >>> from memgate.log.gate_vector_files import SplitVectors, VectorLayout, write_gate_vectors
        >>> patterns = np.array([[1, 0, 1], [0, 0, 1]], bool)  # two samples, three channels
        >>> layout = VectorLayout({"b1u01": 3}, {"train": np.array([4, 7])}, epochs=(2,))
        >>> packed = SplitVectors({"b1u01": np.packbits(patterns, axis=1)}, known=np.ones((1, 2), bool))
        >>> write_gate_vectors(tmp_path, layout, 2, "", {"train": packed})
        >>> vectors = GateVectors.open(tmp_path, epoch=2)
        >>> vectors.gates, vectors.splits
        ({'b1u01': 3}, {'train': 2})
        >>> vectors.patterns("train", "b1u01").astype(int).tolist()
        [[1, 0, 1], [0, 0, 1]]
    """

    path: Path
    epoch: int
    """After which the network had these vectors, counted from 1."""
    gates: dict[str, int]
    """Name of a gate to its number of channels C, in the order of the forward pass."""
    splits: dict[str, int]
    """Name of a split to its number of samples N, in the order of the log."""
    log: str
    """Identity of the log of the run (:attr:`memgate.log.reader.SampleLog.identity`)."""

    def __init__(self, path: Path) -> None:
        """Read epoch, gates and splits of a file, and compare it with the log beside it, where there is one.

        Raises:
            MemgateError: the file is missing, damaged, of another format, or does not belong to that log.
        """
        self.path = path
        self._file = CheckedFile(path, SCHEMA, DAMAGED, "does not exist.", REMEDY)
        with self._file.opened() as handle:
            self.epoch = int(handle.attrs["epoch"])
            self.log = text(handle.attrs["log"])
            self.gates = {name: int(count) for name, count in json.loads(text(handle.attrs["gates"])).items()}
            names = json.loads(text(handle.attrs["splits"]))
            self.splits = {split: int(handle[split].attrs["samples"]) for split in names}
            self._ids = {split: text(handle[split].attrs["sample_id_sha256"]) for split in names}
            for split in names:
                self._check_shapes(handle[split], self.splits[split])
        require(
            path.name == vector_path(path.parent, self.epoch).name,
            f"{path} holds the gate vectors of epoch {self.epoch}: give it back its name, "
            f"{vector_path(path.parent, self.epoch).name}.",
        )
        if (path.parent / "log.h5").exists():
            self._check_log(SampleLog(path.parent / "log.h5"))

    @classmethod
    def open(cls, folder: Path, epoch: int | None = None) -> "GateVectors":
        """The gate vectors of an epoch of a run.

        Args:
            folder: of the run.
            epoch: counted from 1. None: the last whose vectors were kept.

        Raises:
            MemgateError: no vectors of the epoch were kept, or their file cannot be used.
        """
        kept = kept_epochs(folder)
        if not kept:
            raise MemgateError(
                f"{folder} has no gate vectors: train a network with hard gates with --log.gates last or every:N."
            )
        epoch = kept[-1] if epoch is None else epoch
        require(
            epoch in kept,
            f"{folder} has gate vectors of {epochs_text(kept)}, not of {epoch}: take a kept epoch, or train again "
            "with another --log.gates, such as every:10.",
        )
        return cls(vector_path(folder, epoch))

    def patterns(self, split: str, gate: str | None = None, part: Part = EVERYTHING) -> NDArray[np.bool_]:
        """Whether each channel was open: bool [N, C]; false where it is not known.

        Args:
            split: a key of ``splits``.
            gate: a key of ``gates``. None: all gates side by side in their order, which takes one byte per channel and
                sample.
            part: the samples to read, N of them.

        Raises:
            MemgateError: there is no such split or gate, or the file was damaged since.
        """
        chosen = [self._known_gate(gate)] if gate is not None else [*self.gates]
        with self._group(split) as group:
            count = len(np.arange(self.splits[split])[part])
            patterns = np.empty((count, sum(self.gates[name] for name in chosen)), bool)
            begin = 0
            for name in chosen:
                packed, channels = _rows(group["patterns"][name], part), self.gates[name]
                patterns[:, begin : begin + channels] = np.unpackbits(packed, axis=1, count=channels)
                begin += channels
        return patterns

    def filter(self, split: str, gate: str, channel: int, part: Part = EVERYTHING) -> NDArray[np.bool_]:
        """Whether one channel was open for each sample: bool [N]; arguments as in :meth:`patterns`.

        Args:
            split: a key of ``splits``.
            gate: a key of ``gates``.
            channel: number of the channel, from 0.
            part: the samples to read, N of them.
        """
        channels = self.gates[self._known_gate(gate)]
        require(
            0 <= channel < channels,
            f"{self.path} has the channels 0 to {channels - 1} of the gate {gate}, and no channel {channel}.",
        )
        return (self.packed(split, gate, part)[:, channel // 8] >> (7 - channel % 8) & 1).astype(bool)

    def packed(self, split: str, gate: str, part: Part = EVERYTHING) -> NDArray[np.uint8]:
        """The vectors as they are stored: uint8 [N, ceil(C / 8)], channel 0 in the highest bit of the first byte."""
        with self._group(split) as group:
            return _rows(group["patterns"][self._known_gate(gate)], part)

    def known(self, split: str, gate: str, part: Part = EVERYTHING) -> NDArray[np.bool_]:
        """Whether it is known which channels were open: bool [N], false where the pass gave NaN or no value."""
        row = list(self.gates).index(self._known_gate(gate))
        with self._group(split) as group:
            return np.unpackbits(group["known"][row], count=self.splits[split]).astype(bool)[part]

    @contextmanager
    def _group(self, split: str) -> Iterator[Any]:
        """The group of a split in the open file."""
        require(split in self.splits, f"{self.path} has no split {split!r}: it has {', '.join(self.splits)}.")
        with self._file.opened() as handle:
            yield handle[split]

    def _known_gate(self, gate: str) -> str:
        """The same name of a gate, if the file has it."""
        require(gate in self.gates, f"{self.path} has no gate {gate!r}: it has {', '.join(self.gates)}.")
        return gate

    def _check_shapes(self, group: Any, samples: int) -> None:
        """Raise ValueError where a dataset of a split is not as the attributes say."""
        expected = {f"patterns/{name}": (samples, packed_bytes(count)) for name, count in self.gates.items()}
        expected["known"] = (len(self.gates), packed_bytes(samples))
        for name, shape in expected.items():
            if group[name].shape != shape or group[name].dtype != np.uint8:
                raise ValueError(f"{name} is {group[name].dtype} {group[name].shape} and not uint8 {shape}")

    def _check_log(self, log: SampleLog) -> None:
        """Raise MemgateError where the file was not written together with a log."""
        belongs = self.log == log.identity and all(
            split in log.splits and digest == ids_digest(log.samples(split).sample_id)
            for split, digest in self._ids.items()
        )
        require(
            belongs,
            f"{self.path} holds gate vectors of another run than the log.h5 beside it: put back the file of this run, "
            "or remove it.",
        )


def _rows(dataset: Any, part: Part) -> NDArray[np.uint8]:
    """Rows of a dataset [N, B]; places in any order are taken from all of it, as HDF5 reads rising ones only."""
    return dataset[part] if isinstance(part, slice) else dataset[()][part]
