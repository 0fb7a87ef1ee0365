"""What a Recorder checks of a batch before any of it is kept: each mistake is one sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from memgate import console
from memgate.config.run import UNSEEN_CLASS
from memgate.errors import MemgateError, require
from memgate.log.format import EpochRecord
from memgate.log.reader import SampleLog
from memgate.models import Forward
from memgate.models.entropy import entropy
from memgate.models.forward import Gate
from memgate.recorder.labels import as_array
from memgate.training.sample_buffer import SampleBuffer

Gates = Tensor | ArrayLike | Mapping[str, Tensor | ArrayLike] | None
"""Values of one gate, or name to values."""

ONLY = "gate"
"""Name of a gate that was given without one."""


@dataclass(frozen=True)
class RecordedBatch:
    """A batch whose shapes fit, on the device of its logits, each sample once."""

    index: Tensor
    """Distinct positions in the split, int64 [b]."""
    labels: Tensor
    """Given labels, int64 [b]."""
    forward: Forward
    """What the network said of them."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates."""
        return tuple(gate.name for gate in self.forward.gates)

    @property
    def classes(self) -> int:
        """K."""
        return self.forward.logits.shape[1]

    def check(self, known: Tensor, remedy: str = "") -> None:
        """Compare with the labels [b] that are known of these samples, -1 where none is.

        It waits for the device once. ``remedy`` is said of a label that is another than the known one.

        Raises:
            MemgateError: a label is out of range or another than the known one, or a gate value is not in [0, 1].
        """
        wrong = [(self.labels < 0) | (self.labels >= self.classes), (known >= 0) & (known != self.labels)]
        wrong += [(gate.value < 0) | (gate.value > 1) for gate in self.forward.gates]
        outside, others, *beyond = torch.stack(wrong).any(dim=1).tolist()
        if outside:
            label = self.labels[wrong[0]][0].item()
            raise MemgateError(f"labels hold {label}: the logits have {self.classes} classes, from 0.")
        if others:
            at, before, now = (values[wrong[1]][0].item() for values in (self.index, known, self.labels))
            raise MemgateError(
                f"Sample {at} has the label {now}, and had {before} before: index must be the sample's position in "
                f"the data set, not in the shuffled order, and its label always the same.{remedy}"
            )
        for gate, found in zip(self.forward.gates, beyond, strict=True):
            require(not found, f"gate {gate.name} has values outside [0, 1]: give g, and H by gate_logits.")


def checked_batch(
    index: Tensor | ArrayLike,
    logits: Tensor | ArrayLike,
    labels: Tensor | ArrayLike,
    values: Mapping[str, Tensor | ArrayLike],
    gate_logits: Mapping[str, Tensor | ArrayLike],
    count: int,
) -> RecordedBatch:
    """A batch, of which a sample that comes twice keeps its last values.

    Args:
        index: positions in the split [b].
        logits: [b, K].
        labels: given labels [b].
        values: gate to its g [b] or [b, 1].
        gate_logits: gate to its classifier's logits [b, K], where it has one.
        count: samples of the split.

    Raises:
        MemgateError: a shape does not fit, a position is out of range, or a sample has two labels.
    """
    rows = as_array(index.detach().cpu() if isinstance(index, Tensor) else index, "index")
    require(
        rows.ndim == 1 and rows.dtype.kind in "iu",
        f"index is {rows.dtype}{list(rows.shape)} and must be a list of whole numbers [b].",
    )
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise MemgateError(f"index {outside[0]} is out of range: the split has the samples 0 to {count - 1}.")
    size, logits = len(rows), _tensor(logits, "logits")
    device = logits.device
    require(
        logits.ndim == 2 and len(logits) == size and 2 <= logits.shape[1] <= UNSEEN_CLASS,
        f"logits are {list(logits.shape)} and must be [{size}, K], a row for each index and K classes, at least 2.",
    )
    given = _tensor(labels, "labels").to(device)
    require(
        given.shape == (size,) and not given.is_floating_point() and not given.is_complex(),
        f"labels are {given.dtype}{list(given.shape)} and must be {size} integers.",
    )
    unknown = [name for name in gate_logits if name not in values]
    require(
        not unknown, f"gate_logits name {', '.join(unknown)}, and gate has {', '.join(values) or 'none'}."
    )
    gates = [_gate(name, value, gate_logits.get(name), logits) for name, value in values.items()]
    # The last of several: np.unique gives the first, so from behind.
    kept = size - 1 - np.unique(rows[::-1], return_index=True)[1]
    take = torch.from_numpy(kept).to(device)
    if len(kept) < size:
        last = given[take][torch.from_numpy(np.searchsorted(rows[kept], rows)).to(device)]
        twice = rows[(last != given).cpu().numpy()]
        require(
            len(twice) == 0,
            f"Sample {twice[:1].tolist()} comes twice in a batch, with different labels: index must be its position "
            "in the data set.",
        )
    return RecordedBatch(
        torch.from_numpy(rows[kept].astype(np.int64)).to(device),
        given[take].long(),
        Forward(logits[take], tuple(_taken(gate, take) for gate in gates)),
    )


def _tensor(values: Tensor | ArrayLike, what: str) -> Tensor:
    """Numbers of any kind as a tensor; raises MemgateError where they are none."""
    if isinstance(values, Tensor):
        return values.detach()
    found = as_array(values, what)
    require(found.dtype.kind in "biuf", f"{what} are {found.dtype}{list(found.shape)} and must be numbers.")
    return torch.from_numpy(found.copy())  # torch warns of arrays that it may not write to


def named(gates: Gates) -> dict[str, Tensor | ArrayLike]:
    """Gate to its values."""
    if isinstance(gates, Mapping):
        return {str(name): value for name, value in gates.items()}
    return {} if gates is None else {ONLY: gates}


def in_order(
    values: dict[str, Tensor | ArrayLike], names: tuple[str, ...] | None
) -> dict[str, Tensor | ArrayLike]:
    """The gates of a batch in the order of the first batch, whose ``names`` all batches must have.

    Raises:
        MemgateError: they are others, or one cannot be the name of a column.
    """
    names = tuple(values) if names is None else names
    require(
        set(names) == set(values),
        f"gate has {', '.join(values) or 'no gate'}, and the first batch had {', '.join(names) or 'none'}: give the "
        "same gates with each batch of each split.",
    )
    for name in names:
        require(
            re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is not None,
            f"gate {name!r} cannot be a column's name: letters, digits, '.', '_' and '-' only.",
        )
    return {name: values[name] for name in names}


def _gate(name: str, value: Tensor | ArrayLike, own: Tensor | ArrayLike | None, logits: Tensor) -> Gate:
    size = len(logits)
    value = _tensor(value, f"gate {name}")
    own = None if own is None else _tensor(own, f"gate_logits of {name}")
    require(
        value.shape in ((size,), (size, 1)) and not value.is_complex(),
        f"gate {name} is {value.dtype}{list(value.shape)} and must be {size} numbers: give the mean where a gate has "
        "several values.",
    )
    require(
        own is None or own.shape == logits.shape,
        f"gate_logits of {name} are {list(own.shape) if own is not None else []} and must be {list(logits.shape)}.",
    )
    g = value.reshape(size).to(logits.device).float()
    read = None if own is None else own.to(logits.device)
    return Gate(name, g, None if read is None else entropy(read), read)


def _taken(gate: Gate, rows: Tensor) -> Gate:
    h, own = (None if part is None else part[rows] for part in (gate.entropy, gate.logits))
    return Gate(gate.name, gate.value[rows], h, own)


class RecordedSplit:
    """The labels of a split, as far as they are known, and the values of the epoch that is going on."""

    @torch.inference_mode(False)
    def __init__(self, given: NDArray[np.int64], clean: NDArray[np.int64] | None) -> None:
        """Start without values; a given label of -1 is not known yet, clean labels of None are the given ones."""
        self.given = torch.from_numpy(given.copy())
        self.clean = self.given if clean is None else torch.from_numpy(clean.copy())
        self.buffer: SampleBuffer | None = None

    def move(self, device: torch.device) -> None:
        """Keep the labels on a device; the first batch of an epoch says where."""
        if self.buffer is None and self.given.device != device:
            same = self.clean is self.given
            self.given = self.given.to(device)
            self.clean = self.given if same else self.clean.to(device)

    def add(self, batch: RecordedBatch) -> None:
        """Put a checked batch in its rows."""
        if self.buffer is None:
            self.buffer = SampleBuffer(self.given, self.clean, batch.gates)
        self.given[batch.index] = batch.labels  # the buffer reads them from here
        self.buffer.update(batch.index, batch.forward)

    @property
    def pending(self) -> int:
        """Samples of the epoch that is going on."""
        return 0 if self.buffer is None else int((self.buffer.flags[0] > 0).sum())

    def closed(self) -> EpochRecord | None:
        """The epoch's values, which then are forgotten; None where no sample of the split was seen."""
        if self.buffer is None:
            return None
        record, self.buffer = self.buffer.record(), None
        return record


def splits_of(log: SampleLog) -> dict[str, RecordedSplit]:
    """Split to its labels as a log has them, without values."""
    found = {split: log.samples(split) for split in log.splits}
    return {
        split: RecordedSplit(samples.given_label.astype(np.int64), samples.clean_label.astype(np.int64))
        for split, samples in found.items()
    }


def drop_pending(splits: Mapping[str, RecordedSplit]) -> None:
    """Forget the epoch that is going on, and say so."""
    for split, known in splits.items():
        if known.pending:
            console.warn(
                f"{known.pending} samples of {split} came after the last end_epoch() and are not recorded: call it "
                "after the last batch of each epoch."
            )
            known.buffer = None
