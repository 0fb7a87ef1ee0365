"""Every score that memgate knows: its column, which way is harder, its range, and what it needs. No torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Score:
    """One number per sample that might tell corrupted samples from clean ones."""

    column: str
    """Its column in the table of scores; with several gates the gate's name follows the quantity."""
    title: str
    """Its name in a table for people."""
    needs: Literal["log", "gate", "checkpoint"]
    """``log``: any log; ``gate``: the log of a gated network, one column a gate; ``checkpoint``: the network."""
    direction: Literal[-1, 1]
    """+1: high is harder and more suspicious; -1: low is."""
    range: str
    """Smallest and largest value, and the unit."""
    meaning: str

    @property
    def suspicious(self) -> str:
        """Which end is harder, in a word."""
        return "high" if self.direction > 0 else "low"


PROBES: dict[str, Score] = {
    score.column: score
    for score in (
        Score("loss_mean", "mean loss (CSL)", "log", +1, "[0, inf) nats", "cumulative sample loss / E"),
        Score("loss_last", "last loss", "log", +1, "[0, inf) nats", "loss at the last epoch"),
        Score("aum", "mean margin (AUM)", "log", -1, "(-inf, inf) logits", "area under the margin"),
        Score("margin_last", "last margin", "log", -1, "(-inf, inf) logits", "margin at the last epoch"),
        Score("gate_mean", "mean gate value g", "gate", +1, "[0, 1]", "g over the epochs"),
        Score("gate_last", "last gate value g", "gate", +1, "[0, 1]", "g at the last epoch"),
        Score("entropy_mean", "mean gate entropy H", "gate", +1, "[0, ln K] nats", "H over the epochs"),
        Score("entropy_last", "last gate entropy H", "gate", +1, "[0, ln K] nats", "H at the last epoch"),
    )
}
"""Column of the table of scores to what it is, in the order of the report's table."""
