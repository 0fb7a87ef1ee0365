"""The format memgate-log/2: datasets of ``log.h5``, and the records that are written and read.

Every dataset is allocated in full and contiguously when the file is made. Writing an epoch then never changes the
file's metadata, so that a process killed at any moment leaves a readable log, and the seal of all that never changes
(:mod:`memgate.log.seal`) stays valid.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memgate.errors import require
from noise.manifest.manifest import Manifest, causes

SCHEMA = "memgate-log/2"

UNSEALED = "memgate-log/1"
"""The format of version 0.1.0, which is still read: it has no seal, and its commit rows have no checksum."""

UNSEEN_CLASS = 65_535
"""Predicted class (uint16) where there is none: of a sample that was not seen, or whose logits have no softmax. Hence
the largest number of classes."""


@dataclass(frozen=True)
class LoggedQuantity:
    """Type and meaning of one logged quantity."""

    dtype: str
    """Type on disk, as numpy writes it."""
    per_gate: bool
    """Whether each gate has a row of its own."""
    meaning: str
    """Unit, range, and which direction is harder."""


QUANTITIES: dict[str, LoggedQuantity] = {
    "gate": LoggedQuantity("f4", True, "gate value g; in [0, 1] but for curve 'identity', where it is H"),
    "entropy": LoggedQuantity(
        "f4", True, "gate entropy H in nats; in [0, ln K], of two-way gates in [0, ln 2]; NaN: none"
    ),
    "gate_pred": LoggedQuantity("u2", True, "class that the gate's classifier predicts; 65535: none"),
    "flags": LoggedQuantity("u1", True, "bits of FLAGS; only 'routed' differs between gates"),
    "loss": LoggedQuantity("f4", False, "cross-entropy against the given label in nats; high is harder"),
    "margin": LoggedQuantity(
        "f4", False, "logit of the given label minus the largest other logit; low is harder"
    ),
    "p_given": LoggedQuantity("f4", False, "softmax probability of the given label; low is harder"),
    "el2n": LoggedQuantity("f4", False, "|softmax - one-hot given label|_2, in [0, sqrt 2]; high is harder"),
    "out_entropy": LoggedQuantity("f4", False, "entropy of the network's softmax in nats"),
    "pred": LoggedQuantity(
        "u2", False, "predicted class; 65535: none, since the logits have no softmax (NaN)"
    ),
    "macs": LoggedQuantity(
        "f4",
        False,
        "multiply-accumulates that the sample needs as its gates decide; in logs of gates that close",
    ),
    "phi": LoggedQuantity(
        "f4",
        False,
        "log p - log(1 - p) of the given label: its logit minus the log-sum-exp of the others; low is harder",
    ),
}

OPTIONAL = ("macs", "phi")
"""Quantities that only some logs have: ``macs`` where gates close, ``phi`` in runs of a subset."""

MEMORISATION = ("gate", "entropy", "flags", "p_given", "phi")
"""Quantities of a log that keeps only what estimates of memorisation need."""

FLAGS = {"seen": 1, "correct_given": 2, "correct_clean": 4, "routed": 8, "trained": 16}
"""Bits of ``flags``. ``routed`` (g > 0.5) is decided once, by the model, in its own precision. ``trained``: the run
is trained on the sample, set in the split ``train`` of a run of a subset only, and unknown elsewhere."""
PER_GATE = ("gate", "entropy", "gate_pred", "routed")
"""Quantities and flags with one row per gate."""

DECIDED_BY = {"routed": "gate", "correct_given": "pred", "correct_clean": "pred", "trained": "phi"}
"""Flag to the quantity that decides it: where that has no value (a NaN from a recorded or diverged network), the flag
is unknown. Its bit is then 0, which must not be read as skipped or wrong: ask ``known`` of a record or a snapshot.
A log with ``phi`` may lack ``pred``, see :func:`decider`."""

COMMIT = {"done": "u1", "crc32": "u4", "unix_time": "f8", "seen": "u4", "row_crc32": "u4"}
"""Datasets of ``/commit/<split>`` with their types, one row per epoch; ``crc32`` has one column per quantity, and
``row_crc32`` is :func:`row_checksum`, or 0 where no epoch is committed."""

STORED_MODES = {"eval": "sweep", "online": "online"}
"""Log mode to its name in files. The training split's values are from an evaluation pass over the images without
augmentation (``eval``), or from the augmented training pass itself (``online``)."""

SAMPLE_COLUMNS = {
    "sample_id": "i8",
    "given_label": "u2",
    "clean_label": "u2",
    "label_op": "i2",
    "image_op": "i2",
    "open_set": "u1",
}
"""Columns of :class:`Samples` with their types on disk."""


UNKNOWN = "unknown"
"""Cause of a sample of which it is not known whether it is corrupted."""


@dataclass(frozen=True)
class Samples:
    """Samples of a split: arrays [N] in the order of the log's last axis."""

    sample_id: np.ndarray
    """Ids in the data set."""
    given_label: np.ndarray
    """Labels that the network is trained with."""
    clean_label: np.ndarray
    """Labels before the corruption."""
    label_op: np.ndarray
    """0, or k where the k-th corruption of the run's manifest was applied to the label."""
    image_op: np.ndarray
    """0, or k where the k-th corruption of the run's manifest was applied to the image."""
    open_set: np.ndarray
    """1 where the image is one of another data set, else 0."""
    truth_known: ClassVar[bool] = True
    """Whether it is known which samples are corrupted (:attr:`memgate.runs.outline.Outline.truth_known`)."""

    def __len__(self) -> int:
        return len(self.sample_id)

    @property
    def cause(self) -> np.ndarray:
        """Cause [N] of each sample's corruption, one of :data:`noise.manifest.manifest.CAUSES`; ``clean`` for none.

        A label is corrupted where it differs from the clean one: a corruption may draw the clean label again.
        """
        return causes(self.given_label != self.clean_label, self.image_op > 0, self.open_set > 0)

    def can_know(self, name: str) -> bool:
        """Whether a quantity or flag can have a value: none about clean labels can where these are not known."""
        return name != "correct_clean" or self.truth_known

    def take(self, places: NDArray[np.integer] | slice) -> "Samples":
        """The samples at some places, in the order of ``places``."""
        return type(self)(**{name: column[places] for name, column in vars(self).items()})

    @classmethod
    def clean(cls, sample_id: np.ndarray, labels: np.ndarray) -> "Samples":
        """Samples without corruption, as in a test or validation split."""
        none = np.zeros(len(sample_id), np.int16)
        return cls(sample_id, labels, labels, none, none, none)

    @classmethod
    def of(cls, manifest: Manifest) -> "Samples":
        """The samples of a corrupted split, from its manifest."""
        return cls(**{column: getattr(manifest, column) for column in SAMPLE_COLUMNS})


class UnjudgedSamples(Samples):
    """Samples of which it is not known whether they are corrupted; ``clean_label`` holds the given labels."""

    truth_known: ClassVar[bool] = False

    @property
    def cause(self) -> np.ndarray:
        """:data:`UNKNOWN` [N]."""
        return np.full(len(self), UNKNOWN)


@dataclass(frozen=True)
class LogLayout:
    """Splits, gates and epochs of a log, fixed before the first epoch."""

    splits: dict[str, Samples]
    """Name of a split to its samples."""
    gates: tuple[str, ...]
    """Names of the gates, in the order of the axis G."""
    epochs: tuple[int, ...]
    """Epochs that get a row, counted from 1 (epoch e is the network after e passes)."""
    mode: str
    """``eval`` or ``online``, a key of STORED_MODES."""
    class_names: tuple[str, ...]
    """Names of the K classes."""
    macs: bool = False
    """Whether the log has the MACs of each sample, which differ where gates close."""
    phi: bool = False
    """Whether the log has ``phi``, as that of a run of a subset."""
    reduced: bool = False
    """Whether the log has only the quantities of :data:`MEMORISATION`."""

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        require(
            classes <= UNSEEN_CLASS,
            f"The data has {classes:,} classes, and a log holds at most {UNSEEN_CLASS:,}: leave some out.",
        )
        for split, samples in self.splits.items():
            for name, dtype in SAMPLE_COLUMNS.items():
                column = getattr(samples, name)
                require(
                    bool((column.astype(dtype) == column).all()),
                    f"{name} of {split} holds {column.min()} to {column.max()}, which a log cannot hold "
                    f"({np.dtype(dtype).name}).",
                )

    def shape(self, split: str, name: str) -> tuple[int, ...]:
        """Shape of one dataset: [E, G, N] per gate, else [E, N]; flags keep one row without a gate."""
        samples, rows = len(self.splits[split]), len(self.epochs)
        if not QUANTITIES[name].per_gate:
            return rows, samples
        return rows, max(len(self.gates), 1 if name == "flags" else 0), samples

    def names(self) -> list[str]:
        """Names of the quantities of this log; without gates, those of gates are left out."""
        return [
            name
            for name, quantity in QUANTITIES.items()
            if (self.gates or not quantity.per_gate or name == "flags")
            and (name not in OPTIONAL or getattr(self, name))
            and (not self.reduced or name in MEMORISATION)
        ]

    def bytes(self) -> int:
        """Size of all datasets in bytes."""
        return sum(
            int(np.prod(self.shape(split, name))) * np.dtype(QUANTITIES[name].dtype).itemsize
            for split in self.splits
            for name in self.names()
        )


@dataclass(frozen=True)
class EpochRecord:
    """Values of one epoch of one split, see :data:`QUANTITIES`.

    ``gate``, ``entropy`` and ``gate_pred`` are [G, N], ``flags`` [max(G, 1), N], the rest [N]. A sample that the epoch
    did not see has NaN in every float, 65535 in every class and no bit in ``flags``.
    """

    gate: np.ndarray
    entropy: np.ndarray
    gate_pred: np.ndarray
    flags: np.ndarray
    loss: np.ndarray
    margin: np.ndarray
    p_given: np.ndarray
    el2n: np.ndarray
    out_entropy: np.ndarray
    pred: np.ndarray
    macs: np.ndarray | None = None
    """None in a log without MACs."""
    phi: np.ndarray | None = None
    """None in a log without it."""

    def flag(self, name: str) -> np.ndarray:
        """One bit of ``flags`` as bool: ``routed`` [G, N], any other [N]."""
        bits = (self.flags & FLAGS[name]) > 0
        return bits[: len(self.gate)] if name == "routed" else bits[0]

    def known(self, name: str) -> np.ndarray:
        """Whether each sample has a value of a quantity or flag, bool [G, N] or [N] as its values."""
        if name == "trained":  # a split that the run is not trained on has none of these bits
            return self.flag("seen") & self.flag("trained").any()
        values = getattr(self, decider(name, phi=self.phi is not None))
        return np.zeros(len(self.loss), bool) if values is None else has_value(values)


def decider(name: str, *, phi: bool) -> str:
    """The quantity that decides a flag in a log, see :data:`DECIDED_BY`; a quantity decides itself.

    Args:
        name: of a quantity or flag.
        phi: whether the log has ``phi``; it may then lack ``pred``, and ``p_given`` has a value where that has one.
    """
    quantity = DECIDED_BY.get(name, name)
    return "p_given" if phi and name != "pred" and quantity == "pred" else quantity


def missing_values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a quantity that are all missing, in its type on disk: NaN, or 65535 for classes."""
    dtype = np.dtype(QUANTITIES[name].dtype)
    return np.full(shape, UNSEEN_CLASS if dtype.kind == "u" else np.nan, dtype)


def has_value(values: np.ndarray) -> np.ndarray:
    """Whether each of the logged numbers is one: not NaN, of classes not 65535; bool of the same shape."""
    return values != UNSEEN_CLASS if values.dtype.kind == "u" else ~np.isnan(values)


def row_checksum(split: str, epoch: int, checksums: NDArray[np.uint32], unix_time: float, seen: int) -> int:
    """Checksum in [1, 2^32) of a row of ``/commit/<split>``, which binds it to its split and epoch.

    Args:
        split: name of the split.
        epoch: counted from 1.
        checksums: the row of ``crc32`` [Q].
        unix_time: when the epoch was written.
        seen: number of samples that it has seen.
    """
    parts = (f"{split}/{epoch}".encode(), *(np.asarray(value, f"<{COMMIT[name]}").tobytes() for name, value in (
        ("crc32", checksums), ("unix_time", unix_time), ("seen", seen)
    )))  # fmt: skip
    return zlib.crc32(b"".join(parts)) or 1


def marked(commit: Mapping[str, Any]) -> np.ndarray:
    """Whether each row of ``/commit/<split>`` is marked as committed, rightly or not: bool [E]."""
    done = commit["done"][:] != 0
    return done | (commit["row_crc32"][:] != 0) if "row_crc32" in commit else done


def logged_epochs(epochs: int, every: int) -> tuple[int, ...]:
    """The epochs that are logged: the multiples of ``every``, and the last."""
    return tuple(epoch for epoch in range(1, epochs + 1) if epoch % every == 0 or epoch == epochs)


def places_of(sample_id: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Indices [n] of ``ids`` in ``sample_id``, in the order of ``ids``.

    Args:
        sample_id: [N] in any order.
        ids: [n], all among ``sample_id``, each once.
    """
    order = np.argsort(sample_id, kind="stable")
    return order[np.searchsorted(sample_id, ids, sorter=order)]
