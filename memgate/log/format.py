"""The format memgate-log/1: which datasets ``log.h5`` has, and the records that go in and come out.

Every dataset is allocated in full and contiguously when the file is made, so that writing an epoch never
touches the file's metadata: that is what lets the log survive a kill at any moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noise.manifest.manifest import Manifest, causes

SCHEMA = "memgate-log/1"


@dataclass(frozen=True)
class LoggedQuantity:
    """One logged quantity: its type on disk, and whether each gate has a row of its own."""

    dtype: str
    per_gate: bool
    meaning: str


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
    "pred": LoggedQuantity("u2", False, "predicted class"),
}

FLAGS = {"seen": 1, "correct_given": 2, "correct_clean": 4, "routed": 8}
"""Bits of ``flags``. ``routed`` (g > 0.5) is decided once, by the model, in its own arithmetic."""

PER_GATE = ("gate", "entropy", "gate_pred", "routed")
"""Quantities and flags that each gate has for itself."""

TABLE_QUANTITIES = (
    "gate", "entropy", "routed",
    "loss", "margin", "p_given", "el2n", "out_entropy", "pred", "correct_given", "correct_clean",
)  # fmt: skip
"""Quantities and flags of a table of samples and epochs, in the order of its columns; those of the gates first."""

COMMIT = {"done": "u1", "crc32": "u4", "unix_time": "f8", "seen": "u4"}
"""Datasets of ``/commit/<split>``, a row per epoch; ``crc32`` has a column per quantity."""

STORED_MODES = {"eval": "sweep", "online": "online"}
"""How the training split's values were obtained, to its name in files of this format: ``eval`` is an evaluation pass
over the images as they are, ``online`` the augmented training pass itself."""

SAMPLE_COLUMNS = {
    "sample_id": "i8",
    "given_label": "u2",
    "clean_label": "u2",
    "label_op": "i2",
    "image_op": "i2",
    "open_set": "u1",
}


@dataclass(frozen=True)
class Samples:
    """Who the columns of a split are: one row per sample, in the order of the log's last axis.

    ``label_op`` and ``image_op`` are 0 for none and k for the k-th corruption of the run's manifest;
    ``open_set`` is 1 where the image is one of another data set.
    """

    sample_id: np.ndarray
    given_label: np.ndarray
    clean_label: np.ndarray
    label_op: np.ndarray
    image_op: np.ndarray
    open_set: np.ndarray

    def __len__(self) -> int:
        return len(self.sample_id)

    @property
    def cause(self) -> np.ndarray:
        """What is wrong with each sample: one of :data:`noise.manifest.manifest.CAUSES`, [N].

        A label is corrupted where it differs from the clean one: an operation may draw the clean one again.
        """
        return causes(self.given_label != self.clean_label, self.image_op > 0, self.open_set > 0)

    def take(self, places: NDArray[np.integer] | slice) -> "Samples":
        """The samples at some places, in the order of ``places``."""
        return Samples(**{name: column[places] for name, column in vars(self).items()})

    @classmethod
    def clean(cls, sample_id: np.ndarray, labels: np.ndarray) -> "Samples":
        """Samples to which nothing was done (a test or validation split)."""
        none = np.zeros(len(sample_id), np.int16)
        return cls(sample_id, labels, labels, none, none, none)

    @classmethod
    def of(cls, manifest: Manifest) -> "Samples":
        """The samples of a corrupted split."""
        return cls(**{column: getattr(manifest, column) for column in SAMPLE_COLUMNS})


@dataclass(frozen=True)
class LogLayout:
    """What a log will hold, known before the first epoch."""

    splits: dict[str, Samples]
    gates: tuple[str, ...]
    epochs: tuple[int, ...]
    """The epochs that get a row, counted from 1 (epoch e is the state after e passes)."""
    mode: str
    """``eval`` or ``online``, a key of STORED_MODES: how the values of the training split were obtained."""
    class_names: tuple[str, ...]

    def shape(self, split: str, name: str) -> tuple[int, ...]:
        """Shape of one dataset: [E, G, N] per gate, else [E, N]; flags keep one row without a gate."""
        samples, rows = len(self.splits[split]), len(self.epochs)
        if not QUANTITIES[name].per_gate:
            return rows, samples
        return rows, max(len(self.gates), 1 if name == "flags" else 0), samples

    def names(self) -> list[str]:
        """The quantities this log has; an ungated network logs no gate."""
        return [name for name, q in QUANTITIES.items() if self.gates or not q.per_gate or name == "flags"]

    def bytes(self) -> int:
        """Size of all datasets in bytes."""
        return sum(
            int(np.prod(self.shape(split, name))) * np.dtype(QUANTITIES[name].dtype).itemsize
            for split in self.splits
            for name in self.names()
        )


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one split: a row for each logged quantity.

    ``gate``, ``entropy`` and ``gate_pred`` are [G, N], ``flags`` [max(G, 1), N], the rest [N]. A sample that
    was not seen has NaN in every float, 65535 in every class and no bit in ``flags``.
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

    def flag(self, name: str) -> np.ndarray:
        """One bit of ``flags`` as bool: ``routed`` [G, N], any other [N]."""
        bits = (self.flags & FLAGS[name]) > 0
        return bits[: len(self.gate)] if name == "routed" else bits[0]


def table_columns(
    gates: Sequence[str], quantities: Sequence[str] | None = None
) -> dict[str, tuple[str, str | None]]:
    """Column name to (quantity, gate or None): ``gate`` with one gate, ``gate_b2`` and ``gate_b3`` with several.

    Args:
        gates: names of the gates in the log.
        quantities: keys of QUANTITIES and FLAGS in the order of the columns. None: :data:`TABLE_QUANTITIES`.
    """
    columns: dict[str, tuple[str, str | None]] = {}
    for quantity in TABLE_QUANTITIES if quantities is None else quantities:
        if quantity not in PER_GATE:
            columns[quantity] = (quantity, None)
            continue
        for gate in gates:
            columns[quantity if len(gates) == 1 else f"{quantity}_{gate}"] = (quantity, gate)
    return columns


def logged_epochs(epochs: int, every: int) -> tuple[int, ...]:
    """The epochs that are logged: every so many, and always the last."""
    return tuple(epoch for epoch in range(1, epochs + 1) if epoch % every == 0 or epoch == epochs)


def places_of(sample_id: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Where samples stand, in the order of ``ids``; all of these must be among ``sample_id``, each once: int [n].

    Args:
        sample_id: [N] in any order.
        ids: [n].
    """
    order = np.argsort(sample_id, kind="stable")
    return order[np.searchsorted(sample_id, ids, sorter=order)]
