"""Checks of a batch before any of it is recorded: each mistake is one sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from memgate.errors import MemgateError, require
from memgate.log.format import UNSEEN_CLASS
from memgate.models import Forward
from memgate.models.entropy import masked_entropy
from memgate.models.forward import Gate
from memgate.recorder.labels import as_array

Gates = Tensor | ArrayLike | Mapping[str, Tensor | ArrayLike] | None
"""Values of a single gate, or gate name to values."""

ONLY = "gate"
"""Name of a gate that was given without one."""


def titled(name: str) -> str:
    """A gate in a message: ``gate b3``; ``gate`` for the one without a name."""
    return "gate" if name == ONLY else f"gate {name}"


@dataclass(frozen=True)
class RecordedBatch:
    """A batch with fitting shapes, on the device of its logits; each sample occurs once."""

    index: Tensor
    """Distinct positions in the split, int64 [b]."""
    labels: Tensor
    """Given labels, int64 [b]."""
    forward: Forward
    """The network's output and its gates, b rows each."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates."""
        return tuple(gate.name for gate in self.forward.gates)

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return self.forward.logits.shape[1]

    def check(self, known: Tensor, remedy: str = "") -> None:
        """Check labels and gate values; waits for the device once.

        Args:
            known: labels [b] that these samples had before, -1 where there is none.
            remedy: sentence appended to the message where a label differs from the known one.

        Raises:
            MemgateError: a label is out of range or differs from the known one, or a gate value is not in [0, 1].
        """
        wrong = [(self.labels < 0) | (self.labels >= self.classes), (known >= 0) & (known != self.labels)]
        wrong += [(gate.value < 0) | (gate.value > 1) for gate in self.forward.gates]
        out_of_range, changed, *bad_gates = torch.stack(wrong).any(dim=1).tolist()
        if out_of_range:
            label = self.labels[wrong[0]][0].item()
            raise MemgateError(f"labels hold {label}: the logits have {self.classes} classes, from 0.")
        if changed:
            sample, before, now = (values[wrong[1]][0].item() for values in (self.index, known, self.labels))
            raise MemgateError(
                f"Sample {sample} has the label {now}, and had {before} before: index must be the sample's position "
                f"in the data set, not in the shuffled order, and its label always the same.{remedy}"
            )
        for gate, bad in zip(self.forward.gates, bad_gates, strict=True):
            require(not bad, f"{titled(gate.name)} has values outside [0, 1]: give g, and H by gate_logits.")


def checked_batch(
    index: Tensor | ArrayLike,
    logits: Tensor | ArrayLike,
    labels: Tensor | ArrayLike,
    values: Mapping[str, Tensor | ArrayLike],
    gate_logits: Mapping[str, Tensor | ArrayLike],
    count: int,
) -> RecordedBatch:
    """The batch with each sample once; of a sample that occurs twice, the last values are kept.

    Args:
        index: positions in the split [b].
        logits: [b, K].
        labels: given labels [b].
        values: gate name to gate values g [b] or [b, 1].
        gate_logits: gate name to the logits [b, K] of the gate's own classifier, for gates that have one.
        count: number of samples of the split.

    Raises:
        MemgateError: a shape does not fit, a position is out of range, or a sample has two labels.
    """
    rows = _checked_index(index, count)
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
    # np.unique finds first occurrences; on the reversed index these are the last ones.
    last = size - 1 - np.unique(rows[::-1], return_index=True)[1]
    keep = torch.from_numpy(last).to(device)
    if len(last) < size:
        last_label = given[keep][torch.from_numpy(np.searchsorted(rows[last], rows)).to(device)]
        contradicting = rows[(last_label != given).cpu().numpy()]
        require(
            len(contradicting) == 0,
            f"Sample {contradicting[:1].tolist()} comes twice in a batch, with different labels: index must be its "
            "position in the data set.",
        )
    return RecordedBatch(
        torch.from_numpy(rows[last].astype(np.int64)).to(device),
        given[keep].long(),
        Forward(logits[keep], tuple(_gate_rows(gate, keep) for gate in gates)),
    )


def _checked_index(index: Tensor | ArrayLike, count: int) -> NDArray[np.integer]:
    """The index as integers [b] on the CPU; raises MemgateError where one is not below ``count``."""
    rows = as_array(index.detach().cpu() if isinstance(index, Tensor) else index, "index")
    require(
        rows.ndim == 1 and rows.dtype.kind in "iu",
        f"index is {rows.dtype}{list(rows.shape)} and must be a list of whole numbers [b].",
    )
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise MemgateError(f"index {outside[0]} is out of range: the split has the samples 0 to {count - 1}.")
    return rows


def _tensor(values: Tensor | ArrayLike, what: str) -> Tensor:
    """The values as a tensor without gradient; raises MemgateError where they are not numbers."""
    if isinstance(values, Tensor):
        return values.detach()
    array = as_array(values, what)
    require(array.dtype.kind in "biuf", f"{what} are {array.dtype}{list(array.shape)} and must be numbers.")
    return torch.from_numpy(array.copy())  # a copy, because torch warns of read-only arrays


def named(gates: Gates) -> dict[str, Tensor | ArrayLike]:
    """Gate name to its values; empty for None."""
    if isinstance(gates, Mapping):
        return {str(name): value for name, value in gates.items()}
    return {} if gates is None else {ONLY: gates}


def in_order(
    values: dict[str, Tensor | ArrayLike], names: tuple[str, ...] | None
) -> dict[str, Tensor | ArrayLike]:
    """Gate name to its values, in the order of ``names``, the gates of the first batch (None: this is the first).

    Raises:
        MemgateError: the gates differ from those of the first batch, or a name cannot be used as a column name.
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
    """The gate on the device of ``logits``, from its values and its own classifier's logits, if it has one."""
    size, gate = len(logits), titled(name)
    value = _tensor(value, gate)
    own = None if own is None else _tensor(own, f"gate_logits of {gate}")
    require(
        value.shape in ((size,), (size, 1)) and not value.is_complex(),
        f"{gate} is {value.dtype}{list(value.shape)} and must be {size} numbers: give the mean where a gate has "
        "several values.",
    )
    require(
        own is None or own.shape == logits.shape,
        f"gate_logits of {gate} are {list(own.shape) if own is not None else []} and must be {list(logits.shape)}.",
    )
    g = value.reshape(size).to(logits.device).float()
    own = None if own is None else own.to(logits.device)
    return Gate(name, g, None if own is None else masked_entropy(own), own)


def _gate_rows(gate: Gate, rows: Tensor) -> Gate:
    """The gate of the given rows [b] only."""
    h, own = (None if values is None else values[rows] for values in (gate.entropy, gate.logits))
    return Gate(gate.name, gate.value[rows], h, own)
