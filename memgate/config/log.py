"""Configuration of the log: which epochs are logged, how, and with which vectors of the gates."""

import re
from dataclasses import dataclass
from typing import Literal

from memgate.config.checks import MOST_EPOCHS, check_types, in_range
from memgate.errors import require

MOST_VECTOR_FILES = 10_000
"""Most epochs whose gate vectors are kept: each is a file."""


@dataclass(frozen=True)
class LogConfig:
    """When and how the values of every sample are logged.

    Example:
        >>> from memgate import LogConfig
        >>> LogConfig(every=5, gates="every:10").mode
        'eval'
    """

    every: int = 1
    """Evaluate and log every N epochs and after the last; best.pt is the best of these."""
    mode: Literal["eval", "online"] = "eval"
    """Training split. eval: an evaluation pass over the images without augmentation; online: the values of the
    training pass, augmented and in training mode, at no extra cost. Other splits always get an evaluation pass."""
    tensorboard: bool = False
    """Write scalars and histograms of g for TensorBoard (needs the extra: pip install -e '.[tensorboard]')."""
    gates: str = "auto"
    """Networks whose gates open or close: epochs after which each sample's whole vector of open channels is kept, in
    gates_epoch_NNN.h5. none; last: the last epoch; every:N: every N epochs and the last. auto: last (other networks:
    none)."""
    quantities: Literal["all", "memorisation"] = "all"
    """Values of each sample to log. all; memorisation: only what estimates of memorisation need (flags, p_given, phi,
    and gate and entropy where there are gates), a third to a half of the disk. The others are then missing."""

    def __post_init__(self) -> None:
        check_types(self, "log.")
        in_range("--log.every", self.every, 1, MOST_EPOCHS)
        require(
            self.gates in ("auto", "none", "last")
            or re.fullmatch(r"every:[1-9]\d{0,5}", self.gates) is not None,
            f"--log.gates {self.gates[:40]!r} is none of auto, none, last and every:N, such as every:50.",
        )
        step = self.vector_step or self.every
        require(
            step % self.every == 0,
            f"--log.gates {self.gates} needs the values of these epochs, and --log.every {self.every} leaves some of "
            f"them out: take a multiple of {self.every}, such as every:{self.every * -(-step // self.every)}.",
        )

    @property
    def vector_step(self) -> int | None:
        """N of ``every:N``; None for the other values of ``gates``."""
        return int(self.gates.removeprefix("every:")) if self.gates.startswith("every:") else None

    def vector_epochs(self, epochs: int) -> tuple[int, ...]:
        """Epochs of a resolved configuration whose gate vectors are kept, rising.

        Args:
            epochs: of the training; the last is always among them.
        """
        if self.gates in ("auto", "none"):  # auto: of a run from before there were gate vectors
            return ()
        step = self.vector_step or epochs
        return tuple(sorted({*range(step, epochs + 1, step), epochs}))
