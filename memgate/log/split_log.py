"""One split of a log as arrays by name, and as a table with a row per sample and epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log.format import (
    FLAGS,
    OPTIONAL,
    PER_GATE,
    QUANTITIES,
    SAMPLE_COLUMNS,
    Samples,
    has_value,
)
from memgate.log.reader import SampleLog
from memgate.log.table import table_columns

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ARRAYS = (*SAMPLE_COLUMNS, "cause")
"""Arrays [N] about the samples."""


@dataclass(frozen=True, eq=False)
class SplitLog:
    """Arrays of one split by name, each read from the disk when it is asked for: what :meth:`Run.log` returns.

    E is the number of logged epochs, G of gates, N of samples. Epochs are fixed when the object is made, so all
    arrays have one E while a training goes on. Samples are in the order of the log (``log["sample_id"]``).

    | name | shape | value |
    |---|---|---|
    | gate | [E, G, N] | g, float32 in [0, 1] (curve ``identity``: H) |
    | entropy | [E, G, N] | gate entropy H in nats, float32; NaN for gates without one |
    | routed | [E, G, N] | bool, g > 0.5 |
    | gate_pred | [E, G, N] | class that the gate's classifier predicts |
    | loss, el2n, out_entropy | [E, N] | float32; high is harder |
    | margin, p_given | [E, N] | float32; low is harder |
    | pred | [E, N] | predicted class |
    | phi | [E, N] | log p - log(1 - p) of the given label, float32, low is harder; only in runs of a subset |
    | trained | [E, N] | bool, whether the run is trained on the sample; only in runs of a subset, split ``train`` |
    | macs | [E, N] | multiply-accumulates that the sample needs, float32; only where gates close |
    | seen | [E, N] | bool, whether the epoch has values of the sample |
    | correct_given, correct_clean | [E, N] | bool, whether the prediction is the given, the clean label |
    | sample_id, given_label, clean_label, label_op, image_op, open_set, cause | [N] | columns of ``samples`` |

    A value that is missing (``seen`` is false, or the network gave NaN) is NaN in floats and 65535 in classes. Flags
    have no such value: ``routed`` is false and unknown where ``gate`` is NaN, ``correct_given`` and ``correct_clean``
    where ``pred`` is 65535 (in a log with ``phi``, where ``p_given`` is NaN). A run with ``--log.quantities
    memorisation`` has no other values than these: all its losses are NaN, for example. :meth:`to_frame` has NA there.

    Example:
        >>> log = run.log("train")
        >>> log.gates
        ('b2', 'b3')
        >>> log["gate"].shape == (len(log.epochs), 2, len(log.samples))
        True
        >>> bool(log["correct_given"].any())
        True
    """

    reader: SampleLog
    """The log that is read."""
    split: str
    """Name of the split."""
    epochs: NDArray[np.int32]
    """[E] rising epoch numbers, counted from 1; epoch e is the network after e passes."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates in the order of the axis G; empty for a network without gates."""
        return self.reader.gates

    @cached_property
    def samples(self) -> Samples:
        """The samples [N] in the order of the axis N: ids, labels, what was done to them."""
        return self.reader.samples(self.split)

    def keys(self) -> tuple[str, ...]:
        """The names of the arrays that this log has."""
        quantities = [name for name in (*QUANTITIES, *FLAGS) if name != "flags"]
        # What a log leaves out, as a reduced one does, has a name: its values are missing.
        optional = [name for name in self.reader.absent(self.split) if name in (*OPTIONAL, "trained")]
        absent = (*(() if self.gates else PER_GATE), *optional)
        return (*SAMPLE_ARRAYS, *(name for name in quantities if name not in absent))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One array, see the class for its shape.

        Raises:
            MemgateError: the log has no array of this name.
        """
        if name not in self.keys():
            raise MemgateError(
                f"The log of {self.reader.path.parent.name} has no array {name!r}: it has {', '.join(self.keys())}."
            )
        if name in SAMPLE_ARRAYS:
            return getattr(self.samples, name)
        if name not in PER_GATE:
            return self._values(name, None)
        return np.stack([self._values(name, gate) for gate in self.gates], axis=1)

    def _values(self, name: str, gate: str | None) -> NDArray[Any]:
        """One quantity or flag [E, N] at the epochs of this object."""
        epochs, values = self.reader.values(self.split, name, gate)
        kept = np.isin(epochs, self.epochs)
        return values if kept.all() else values[kept]

    def to_frame(self, quantities: Sequence[str] | None = None) -> "pd.DataFrame":
        """A table [E * N rows], one row per sample and epoch, by rising epoch and then by rising ``sample_id``.

        Columns are named as in ``memgate export --shape long``: ``sample_id``, ``epoch``, then one per quantity, of
        several gates one per gate (``gate_b2``, ``gate_b3``). Missing values are NaN or NA.

        Args:
            quantities: names of arrays with an epoch axis, in the order of the columns. None: those of the export.

        Raises:
            MemgateError: the log has no such quantity.

        Example:
            >>> frame = run.log("train").to_frame(["gate", "loss"])
            >>> list(frame)
            ['sample_id', 'epoch', 'gate_b2', 'gate_b3', 'loss']
        """
        import pandas as pd  # half a second, which readers of arrays need not wait for

        order = np.argsort(self.samples.sample_id, kind="stable")
        columns: dict[str, Any] = {
            "sample_id": np.tile(self.samples.sample_id[order].astype(np.int64), len(self.epochs)),
            "epoch": np.repeat(self.epochs.astype(np.int32), len(order)),
        }
        chosen = table_columns(self.gates, self._checked(quantities), absent=self.reader.absent(self.split))
        for name, (quantity, gate) in chosen.items():
            values = self._values(quantity, gate)[:, order].ravel()
            if quantity == "seen":
                values = _nullable(values, np.zeros(len(values), bool))
            elif values.dtype.kind != "f":
                known = has_value(self._values(self.reader.decider(quantity), gate))[:, order].ravel()
                values = _nullable(values, ~known)
            columns[name] = values
        return pd.DataFrame(columns)

    def _checked(self, quantities: Sequence[str] | None) -> Sequence[str] | None:
        """The same names.

        Raises:
            MemgateError: one of them is no array with an epoch axis.
        """
        known = [name for name in self.keys() if name not in SAMPLE_ARRAYS]
        for name in quantities or ():
            if name not in known:
                raise MemgateError(
                    f"quantities={name!r} is no quantity of this log: take some of {', '.join(known)}."
                )
        return quantities


def open_split(reader: SampleLog, split: str) -> SplitLog:
    """The arrays of one split at the epochs that are whole now.

    Raises:
        MemgateError: the log has no such split.
    """
    return SplitLog(reader, split, reader.epochs(split))


def _nullable(values: NDArray[Any], missing: NDArray[np.bool_]) -> Any:
    """Flags or classes as a pandas array (boolean or UInt16) with NA where they are missing."""
    import pandas as pd

    kind = pd.arrays.BooleanArray if values.dtype == bool else pd.arrays.IntegerArray
    return kind(values, missing.copy())
