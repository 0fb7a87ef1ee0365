"""The columns of the summary table that are computed from the log: name to the function that computes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.log.format import FLAGS, has_value
from probes.dynamics import events, reductions
from probes.dynamics.snapshot import Snapshot

EARLY = 0.1
"""Share of the planned epochs after which "early" EL2N is taken."""

QUARTILES = (0.25, 0.75)
"""Quantiles of a loss trace whose distance is LT-IQR."""


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

    def known(self, name: str, gate: str | None = None) -> NDArray:
        """[E, n] whether a quantity or flag has a value, see :meth:`probes.dynamics.snapshot.Snapshot.known`."""
        known = has_value(self.read(self.snapshot.log.decider(name), gate))
        return known & self.snapshot.samples.can_know(name)

    def flag(self, name: str, gate: str | None = None) -> tuple[NDArray, NDArray]:
        """A flag [E, n] and whether it is known [E, n]: the pair that reductions and events take."""
        return self.read(name, gate), self.known(name, gate)

    def last(self, name: str, gate: str | None = None) -> NDArray:
        """A logged quantity or flag at the last epoch in which each sample was seen, [n]; NaN where it is missing."""
        values = self.read(name, gate)
        if values.dtype.kind != "f":  # a float that is missing is NaN already
            values = np.where(self.known(name, gate), values, np.float32(np.nan))
        return reductions.last(values, self.seen)

    def mean(self, name: str, gate: str | None = None) -> NDArray:
        """Mean of a logged quantity over the epochs seen, or of a flag over those in which it is known, [n]."""
        counted = self.known(name, gate) if name in FLAGS else self.seen
        return reductions.mean(self.read(name, gate), counted)

    def gate_signed_entropy(self, gate: str) -> NDArray:
        """[E, n] H of a gate, negative where its own classifier does not predict the given label; NaN without one."""
        agrees = self.read("gate_pred", gate) == self.snapshot.samples.given_label[self.part]
        return reductions.signed(self.read("entropy", gate), agrees, self.known("gate_pred", gate))


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
        reductions.mean(
            reductions.signed(b.read("out_entropy"), b.read("correct_given"), b.known("correct_given")),
            b.seen,
        )
    ),
    "confidence": lambda b: floats(b.mean("p_given")),
    "variability": lambda b: floats(reductions.std(b.read("p_given"), b.seen)),
    "correctness": lambda b: floats(b.mean("correct_given")),
    "forgetfulness": lambda b: _integers(events.forgetfulness(*b.flag("correct_given"))),
    "first_learned_epoch": lambda b: _integers(
        events.first_learned_epoch(*b.flag("correct_given"), b.epochs)
    ),
    "stable_learned_epoch": lambda b: _integers(
        events.stable_learned_epoch(*b.flag("correct_given"), b.epochs)
    ),
    "threshold_closeness": lambda b: floats(reductions.threshold_closeness(b.mean("p_given"))),
    "loss_iqr": lambda b: floats(reductions.quantile_range(b.read("loss"), b.seen, *QUARTILES)),
}
"""Columns of any log, in the order of the table; the columns of the gates follow ``correct_clean_last``."""

MACS_COLUMNS: dict[str, Callable[[Chunk], Any]] = {
    "macs_last": lambda b: floats(b.last("macs")),
    "macs_mean": lambda b: floats(b.mean("macs")),
}
"""Columns of logs that have MACs; they follow those of the gates."""

GATE_COLUMNS: dict[str, Callable[[Chunk, str], Any]] = {
    "gate_last": lambda b, gate: floats(b.last("gate", gate)),
    "gate_mean": lambda b, gate: floats(b.mean("gate", gate)),
    "gate_std": lambda b, gate: floats(reductions.std(b.read("gate", gate), b.seen)),
    "gate_max": lambda b, gate: floats(reductions.largest(b.read("gate", gate), b.seen)),
    "routed_last": lambda b, gate: _bools(b.last("routed", gate)),
    "routed_share": lambda b, gate: floats(b.mean("routed", gate)),
    "routed_epochs": lambda b, gate: _integers(reductions.routed_epochs(*b.flag("routed", gate))),
    "first_skip_epoch": lambda b, gate: _integers(events.first_skip_epoch(*b.flag("routed", gate), b.epochs)),
    "last_skip_epoch": lambda b, gate: _integers(events.last_skip_epoch(*b.flag("routed", gate), b.epochs)),
    "route_flips": lambda b, gate: _integers(events.changes(*b.flag("routed", gate))),
    "entropy_last": lambda b, gate: floats(b.last("entropy", gate)),
    "entropy_mean": lambda b, gate: floats(b.mean("entropy", gate)),
    "gate_signed_entropy_mean": lambda b, gate: floats(reductions.mean(b.gate_signed_entropy(gate), b.seen)),
}
"""Columns of each gate, under the names that they have in a run with one gate."""
