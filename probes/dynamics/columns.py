"""The columns of the summary table that are computed from the log: name to the function that computes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probes.dynamics import events, reductions
from probes.dynamics.snapshot import Snapshot

EARLY = 0.1
"""Share of the planned epochs after which "early" EL2N is taken."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk of n samples with all epochs; arrays that were read are kept."""

    snapshot: Snapshot
    part: slice
    """Positions of the samples in the log."""
    _kept: dict[tuple[str, str | None], NDArray] = field(default_factory=dict)

    def read(self, name: str, gate: str | None = None) -> NDArray:
        """A logged quantity or flag [E, n], see :meth:`probes.dynamics.snapshot.Snapshot.values`."""
        if (name, gate) not in self._kept:
            self._kept[name, gate] = self.snapshot.values(name, gate, self.part)
        return self._kept[name, gate]

    @property
    def seen(self) -> NDArray:
        """[E, n] whether the sample was seen in the epoch."""
        return self.read("seen")

    @property
    def epochs(self) -> NDArray:
        """[E] epoch numbers."""
        return self.snapshot.epochs

    def last(self, name: str, gate: str | None = None) -> NDArray:
        """A logged quantity or flag at the last epoch in which each sample was seen, [n]."""
        return reductions.last(self.read(name, gate), self.seen)

    def mean(self, name: str, gate: str | None = None) -> NDArray:
        """Mean of a logged quantity or flag over the epochs seen, [n]."""
        return reductions.mean(self.read(name, gate), self.seen)

    def gate_agrees(self, gate: str) -> NDArray:
        """[E, n] whether the gate's own classifier predicts the given label."""
        return self.read("gate_pred", gate) == self.snapshot.samples.given_label[self.part]


def floats(values: NDArray) -> NDArray:
    """Values as float32, the precision of the log."""
    return values.astype(np.float32)


def _integers(values: NDArray) -> Any:
    """Whole numbers, NaN for missing, as nullable Int32."""
    missing = np.isnan(values)
    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int32), missing)


def _bools(values: NDArray) -> Any:
    """0 and 1, NaN for missing, as nullable boolean."""
    missing = np.isnan(values)
    return pd.arrays.BooleanArray(np.where(missing, 0, values).astype(bool), missing)


def _normalised_margin(chunk: Chunk) -> NDArray:
    return reductions.normalised_margin(chunk.last("p_given"), chunk.last("loss"), chunk.last("margin"))


def _early_el2n(chunk: Chunk) -> NDArray:
    early = EARLY * chunk.snapshot.log.planned[-1]
    return reductions.first_from(chunk.read("el2n"), chunk.seen, chunk.epochs, early)


LOG_COLUMNS: dict[str, Callable[[Chunk], Any]] = {
    "epochs_logged": lambda b: reductions.count(b.seen).astype(np.int32),
    "pred_last": lambda b: _integers(b.last("pred")),
    "correct_given_last": lambda b: _bools(b.last("correct_given")),
    "correct_clean_last": lambda b: _bools(b.last("correct_clean")),
    "loss_last": lambda b: floats(b.last("loss")),
    "loss_mean": lambda b: floats(b.mean("loss")),
    "margin_last": lambda b: floats(b.last("margin")),
    "aum": lambda b: floats(b.mean("margin")),
    "p_given_last": lambda b: floats(b.last("p_given")),
    "normalised_margin_last": lambda b: floats(_normalised_margin(b)),
    "el2n_last": lambda b: floats(b.last("el2n")),
    "el2n_mean": lambda b: floats(b.mean("el2n")),
    "el2n_early": lambda b: floats(_early_el2n(b)),
    "out_entropy_mean": lambda b: floats(b.mean("out_entropy")),
    "signed_entropy_mean": lambda b: floats(
        reductions.signed_mean(b.read("out_entropy"), b.read("correct_given"), b.seen)
    ),
    "confidence": lambda b: floats(b.mean("p_given")),
    "variability": lambda b: floats(reductions.std(b.read("p_given"), b.seen)),
    "correctness": lambda b: floats(b.mean("correct_given")),
    "forgetfulness": lambda b: _integers(events.forgetfulness(b.read("correct_given"), b.seen)),
    "first_learned_epoch": lambda b: _integers(
        events.first_learned_epoch(b.read("correct_given"), b.seen, b.epochs)
    ),
    "stable_learned_epoch": lambda b: _integers(
        events.stable_learned_epoch(b.read("correct_given"), b.seen, b.epochs)
    ),
    "threshold_closeness": lambda b: floats(reductions.threshold_closeness(b.mean("p_given"))),
}
"""Columns of any log, in the order of the table; the columns of the gates follow ``correct_clean_last``."""

GATE_COLUMNS: dict[str, Callable[[Chunk, str], Any]] = {
    "gate_last": lambda b, gate: floats(b.last("gate", gate)),
    "gate_mean": lambda b, gate: floats(b.mean("gate", gate)),
    "gate_std": lambda b, gate: floats(reductions.std(b.read("gate", gate), b.seen)),
    "gate_max": lambda b, gate: floats(reductions.largest(b.read("gate", gate), b.seen)),
    "routed_last": lambda b, gate: _bools(b.last("routed", gate)),
    "routed_share": lambda b, gate: floats(b.mean("routed", gate)),
    "routed_epochs": lambda b, gate: _integers(reductions.routed_epochs(b.read("routed", gate), b.seen)),
    "first_skip_epoch": lambda b, gate: _integers(
        events.first_skip_epoch(b.read("routed", gate), b.seen, b.epochs)
    ),
    "last_skip_epoch": lambda b, gate: _integers(
        events.last_skip_epoch(b.read("routed", gate), b.seen, b.epochs)
    ),
    "route_flips": lambda b, gate: _integers(events.changes(b.read("routed", gate), b.seen)),
    "entropy_last": lambda b, gate: floats(b.last("entropy", gate)),
    "entropy_mean": lambda b, gate: floats(b.mean("entropy", gate)),
    "gate_signed_entropy_mean": lambda b, gate: floats(
        reductions.signed_mean(b.read("entropy", gate), b.gate_agrees(gate), b.seen)
    ),
}
"""Columns of each gate, under the names that they have in a run with one gate."""
