"""Configuration of the losses that keep gates of channels conditional, and few of them open. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from memgate.config.checks import LEAST_SHAPE, MOST_EPOCHS, MOST_SHAPE, check_types, in_range
from memgate.errors import require

SPARSITY_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "channel-gate": (
        "shaping", "shaping_schedule", "shaping_until", "prior", "l0", "l0_from", "l0_until", "update",
    ),
    "convnet-aig": ("rate", "target_rates"),
    "skipnet": ("reinforce", "skip_reward"),
    "fbs": ("l1",),
    "gater": ("gate_l1",),
}  # fmt: skip
"""Gated network to the options of :class:`SparsityConfig` that it uses."""

LOSSES: Mapping[str, tuple[str, ...]] = {
    "channel-gate": ("shaping", "l0"),
    "convnet-aig": ("rate",),
    "skipnet": ("reinforce",),
    "fbs": ("l1",),
    "gater": ("gate_l1",),
}
"""Gated network to the names of its sparsity losses, each with the weight of that name in :class:`SparsityConfig`."""

START, END = 0.2, 0.6
"""Shares of the epochs at which batch shaping ends and L0 starts, and at which L0 has its full weight: 100 and 300 of
500 epochs (batch-shaping paper, section 5)."""


@dataclass(frozen=True)
class SparsityConfig:
    """Losses on gates that are open or closed, and their weights over the epochs.

    Defaults are those of the batch-shaping paper (Ehteshami Bejnordi et al. 2020, sections 4.2, 4.3 and 5), and of the
    authors' codes of the networks that it compares with.

    Example:
        >>> from memgate import SparsityConfig
        >>> SparsityConfig(l0=0.1).resolved(epochs=500).l0_from
        100
    """

    shaping: float = 0.75
    """channel-gate: weight lambda of batch shaping, which keeps each gate open for some samples and closed for others;
    0 for none."""
    shaping_schedule: Literal["linear", "constant"] = "linear"
    """channel-gate: lambda falls linearly to 0, or is constant over the whole training."""
    shaping_until: int | None = None
    """channel-gate: epoch after which lambda is 0. None: a fifth of the epochs (paper: 100 of 500)."""
    prior: tuple[float, float] = (0.6, 0.4)
    """channel-gate: a and b, above 0, of the Beta distribution that each gate's probabilities are to have over a
    batch; its mean a / (a + b) is the share of open gates (paper: 0.6 0.4)."""
    l0: float = 0.05
    """channel-gate: weight gamma of the mean probability of an open gate; 0 for none (paper: 0 0.01 0.02 0.05 0.1 0.15
    0.2)."""
    l0_from: int | None = None
    """channel-gate: epoch after which gamma rises from 0. None: a fifth of the epochs (paper: 100 of 500)."""
    l0_until: int | None = None
    """channel-gate: epoch from which gamma has its full weight. None: three fifths of the epochs (paper: 300)."""
    update: Literal["epoch", "step"] = "epoch"
    """channel-gate: when the weights change: at the start of each epoch, or at each batch."""
    rate: float = 2.0
    """convnet-aig: weight of the squared distance between each unit's target rate and the share of the batch that
    takes it, mean over the units; 0 for none (authors' code: 2)."""
    target_rates: tuple[float, ...] = (0.6,)
    """convnet-aig: share of the samples, in [0, 1], that is to take a unit: one number, or one for each unit (authors'
    code: 0.6)."""
    reinforce: float = 1.28
    """skipnet, --model.gate.stage reinforce: weight of the expected reward, mean over the samples; 0 leaves the gates
    without a gradient (authors' code: 0.01 times the sum over 128 samples)."""
    skip_reward: float = 0.1
    """skipnet, --model.gate.stage reinforce: reward, in nats, of a sample that skips all units; each skipped unit has
    its share (authors' code: 0.1)."""
    l1: float = 1e-8
    """fbs: weight of the sum of all saliencies of a sample, mean over the samples; 0 for none (paper: 1e-8)."""

    gate_l1: float = 0.1
    """gater: weight lambda of the gates' weights, mean over filters and samples; 0 for none. The paper does not state
    its lambda: try 0 0.01 0.03 0.1 0.3 1."""

    def __post_init__(self) -> None:
        check_types(self, "sparsity.")
        for flag in ("shaping", "l0", "rate", "reinforce", "skip_reward", "l1", "gate_l1"):
            weight = getattr(self, flag)
            require(
                0 <= weight < math.inf,
                f"--sparsity.{flag.replace('_', '-')} {weight} must be a number from 0 (none), such as 0.05.",
            )
        require(
            all(LEAST_SHAPE <= value <= MOST_SHAPE for value in self.prior),
            f"--sparsity.prior {self.prior[0]:g} {self.prior[1]:g} is out of range: two numbers from {LEAST_SHAPE} to "
            f"{MOST_SHAPE:g}, such as 0.6 0.4.",
        )
        require(
            bool(self.target_rates) and all(0 <= rate <= 1 for rate in self.target_rates),
            f"--sparsity.target-rates {' '.join(f'{rate:g}' for rate in self.target_rates)} must be shares of the "
            "samples in [0, 1], such as 0.6: one for all units, or one for each.",
        )
        in_range("--sparsity.shaping-until", self.shaping_until, 1, MOST_EPOCHS)
        in_range("--sparsity.l0-from", self.l0_from, 0, MOST_EPOCHS)
        in_range("--sparsity.l0-until", self.l0_until, 1, MOST_EPOCHS)
        require(
            self.shaping_schedule == "linear" or self.shaping_until is None,
            f"--sparsity.shaping-until {self.shaping_until} does nothing with --sparsity.shaping-schedule constant: "
            "leave one of them out.",
        )
        start, end = self.l0_from, self.l0_until
        require(
            start is None or end is None or start < end,
            f"--sparsity.l0-until {end} is not after --sparsity.l0-from {start}: the weight rises between the two "
            "epochs, so take a later end or an earlier start.",
        )

    def changed(self) -> dict[str, Any]:
        """Name to value of the options that differ from their default."""
        values = {option.name: (getattr(self, option.name), option.default) for option in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}

    def resolved(self, epochs: int) -> "SparsityConfig":
        """The same losses with the epochs of their schedules in place of None.

        Args:
            epochs: of the whole training.

        Raises:
            MemgateError: L0 would end before it starts, or start after the last epoch.
        """
        start, end = round(START * epochs), max(round(END * epochs), round(START * epochs) + 1)
        given_start, given_end = self.l0_from, self.l0_until
        require(
            given_end is not None or given_start is None or given_start < end,
            f"--sparsity.l0-from {given_start} is not before epoch {end}, at which L0 has its full weight: take an "
            f"earlier start, or add --sparsity.l0-until (default: three fifths of {epochs} epochs).",
        )
        require(
            given_start is not None or given_end is None or start < given_end,
            f"--sparsity.l0-until {given_end} is not after epoch {start}, from which L0 rises: take a later end, or "
            f"add --sparsity.l0-from (default: a fifth of {epochs} epochs).",
        )
        require(
            not self.l0 or given_start is None or given_start < epochs,
            f"--sparsity.l0-from {given_start} leaves none of the {epochs} epochs for L0: take an earlier start or "
            "more epochs, or --sparsity.l0 0 for no such loss.",
        )
        until = self.shaping_until
        if until is None and self.shaping_schedule == "linear":
            until = max(start, 1)
        return replace(
            self,
            shaping_until=until,
            l0_from=start if given_start is None else given_start,
            l0_until=end if given_end is None else given_end,
        )
