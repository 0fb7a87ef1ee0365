"""Every score that memgate knows: its column, which way is harder, its range, and what it needs. No torch."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bound = float | Literal["-ln K", "ln K", "E", "L"]
"""End of a range: a number, or what follows from K classes, E planned epochs or L points of the network."""


@dataclass(frozen=True)
class Score:
    """One number per sample that might tell corrupted samples from clean ones."""

    column: str
    """Its column in the table of scores; with several gates the gate's name follows the quantity."""
    title: str
    """Its name in a table for people."""
    needs: Literal["log", "gate", "checkpoint", "file"]
    """``log``: any log; ``gate``: the log of a gated network, one column a gate; ``checkpoint``: the network;
    ``file``: somebody else's, joined by the user."""
    direction: Literal[-1, 1]
    """+1: high is harder and more suspicious; -1: low is."""
    low: Bound
    """Smallest value; -inf where there is none."""
    high: Bound
    """Largest value; inf where there is none."""
    unit: str
    """Of the values; empty for a share or a norm."""
    meaning: str
    """What it is, and whose."""
    never: Literal["", "learned", "learned to stay", "skipped"] = ""
    """Where the number is the time or the count of something that may never happen: what. A sample that was seen
    and lacks the number then ranks as harder than every other (Toneva's sort); else the missing are left out."""
    probe: Literal["", "csr", "difficulty"] = ""
    """For ``checkpoint``: whose results in the run's ``probes/<probe>.h5`` hold it."""

    @property
    def suspicious(self) -> str:
        """Which end is harder, in a word."""
        return harder(self.direction)

    @property
    def range(self) -> str:
        """Smallest and largest value, and the unit."""
        left = "(" if self.low == -math.inf else "["
        right = ")" if self.high == math.inf else "]"
        return f"{left}{_text(self.low)}, {_text(self.high)}{right} {self.unit}".rstrip()

    def bounds(self, classes: int, epochs: int) -> tuple[float, float]:
        """Smallest and largest value in numbers; inf for L, which only the network knows.

        Args:
            classes: K.
            epochs: E, how many were planned.
        """
        known = {"-ln K": -math.log(classes), "ln K": math.log(classes), "E": float(epochs), "L": math.inf}
        low, high = (known[end] if isinstance(end, str) else end for end in (self.low, self.high))
        return low, high

    def suspicion(self, values: ArrayLike, seen: ArrayLike) -> NDArray[np.float64]:
        """The score turned so that high is harder.

        Args:
            values: [N] numbers; NaN is missing.
            seen: [N] bool, whether the log has the sample at all.

        Returns:
            [N]; inf for a seen sample without the number where :attr:`never` says so, NaN where it is missing.
        """
        turned = np.asarray(values, np.float64) * self.direction
        never = np.isnan(turned) & np.asarray(seen, bool) & bool(self.never)
        return np.where(never, np.inf, turned)


def harder(direction: int) -> str:
    """Which end of a number is harder, in a word: high for +1, low for -1."""
    return "high" if direction > 0 else "low"


def _text(bound: Bound) -> str:
    return bound if isinstance(bound, str) else f"{bound:.3g}"


INF = math.inf
CARTOGRAPHY = "dataset cartography, Swayamdipta et al. 2020"
TONEVA = "Toneva et al. 2019"

LOG = (
    Score("loss_mean", "mean loss (CSL)", "log", +1, 0, INF, "nats",
          "cumulative sample loss / E; Ravikumar et al. 2025"),
    Score("loss_last", "last loss", "log", +1, 0, INF, "nats", "loss at the last epoch"),
    Score("loss_gmm_mean", "GMM of mean loss", "log", -1, 0, 1, "",
          "probability of the lower of two normal components; DivideMix, Li et al. 2020"),
    Score("loss_gmm_last", "GMM of last loss", "log", -1, 0, 1, "",
          "the same of the last epoch's losses, as DivideMix has it"),
    Score("aum", "mean margin (AUM)", "log", -1, -INF, INF, "logits",
          "area under the margin: given logit - largest other; Pleiss et al. 2020"),
    Score("margin_last", "last margin", "log", -1, -INF, INF, "logits", "margin at the last epoch"),
    Score("confidence", "confidence", "log", -1, 0, 1, "", f"mean p(given label); {CARTOGRAPHY}"),
    Score("variability", "variability", "log", +1, 0, 0.5, "",
          f"standard deviation of p(given label), where high is ambiguous and not hard; {CARTOGRAPHY}"),
    Score("correctness", "correctness", "log", -1, 0, 1, "",
          f"share of epochs that predict the given label; {CARTOGRAPHY}"),
    Score("p_given_last", "last self-confidence", "log", -1, 0, 1, "",
          "p(given label) at the last epoch; cleanlab's, who ask for probabilities out of sample"),
    Score("normalised_margin_last", "last normalised margin", "log", -1, 0, 1, "",
          "(1 + p(given label) - largest other p) / 2 at the last epoch; cleanlab's, likewise"),
    Score("el2n_mean", "mean EL2N", "log", +1, 0, math.sqrt(2), "",
          "|softmax - one-hot given label|_2 over the epochs; Paul et al. 2021"),
    Score("el2n_last", "last EL2N", "log", +1, 0, math.sqrt(2), "", "EL2N at the last epoch"),
    Score("el2n_early", "early EL2N", "log", +1, 0, math.sqrt(2), "",
          "EL2N once 10 % of the planned epochs are done; Paul et al. 2021, who average over runs too"),
    Score("signed_entropy_mean", "signed entropy (SEI)", "log", -1, "-ln K", "ln K", "nats",
          "mean output entropy, negative where the given label is not predicted; arXiv 2605.31090"),
    Score("out_entropy_mean", "mean output entropy", "log", +1, 0, "ln K", "nats",
          "the same without the sign, which does not know the label"),
    Score("forgetfulness", "forgetting events", "log", +1, 0, "E", "events",
          f"changes from right to wrong; {TONEVA}, whose sort puts the never learned above all counts; the order can "
          "turn round where training is short or all is memorised", "learned"),
    Score("first_learned_epoch", "first learned", "log", +1, 1, "E", "epoch",
          f"first epoch that predicts the given label; {TONEVA}; the never learned rank last", "learned"),
    Score("stable_learned_epoch", "learned to stay", "log", +1, 1, "E", "epoch",
          f"first epoch from which it is right to the end; {TONEVA}; wrong at the end ranks last",
          "learned to stay"),
)  # fmt: skip
"""Scores from any log."""

GATE = (
    Score("gate_mean", "mean gate value g", "gate", +1, 0, 1, "", "g over the epochs"),
    Score("gate_last", "last gate value g", "gate", +1, 0, 1, "", "g at the last epoch"),
    Score("gate_max", "largest gate value g", "gate", +1, 0, 1, "", "largest g of any epoch"),
    Score("entropy_mean", "mean gate entropy H", "gate", +1, 0, "ln K", "nats", "H over the epochs"),
    Score("entropy_last", "last gate entropy H", "gate", +1, 0, "ln K", "nats", "H at the last epoch"),
    Score("gate_signed_entropy_mean", "signed gate entropy", "gate", -1, "-ln K", "ln K", "nats",
          "mean H, negative where the gate's classifier does not predict the given label"),
    Score("routed_share", "share of epochs routed", "gate", +1, 0, 1, "", "epochs with g > 0.5 / epochs seen"),
    Score("routed_epochs", "epochs routed", "gate", +1, 0, "E", "epochs", "epochs with g > 0.5"),
    Score("route_flips", "route flips", "gate", +1, 0, "E", "flips",
          "changes between routed and skipped; many is undecided"),
    Score("first_skip_epoch", "first epoch skipped", "gate", +1, 1, "E", "epoch",
          "first epoch with g <= 0.5; those never sent past the block rank last", "skipped"),
)  # fmt: skip
"""Scores from the log of a gated network, a column for each gate."""

CHECKPOINT = (
    Score("critical_radius", "critical radius", "checkpoint", -1, 0, INF, "grey levels",
          "first-order distance to the decision boundary; 'memgate probe csr'", probe="csr"),
    Score("input_gradient_norm", "input-gradient norm", "checkpoint", +1, 0, INF, "",
          "norm of the loss's gradient at the image", probe="difficulty"),
    Score("grand", "GraNd", "checkpoint", +1, 0, INF, "",
          "norm of the loss's gradient in all weights; Paul et al. 2021", probe="difficulty"),
    Score("grand_last_layer", "GraNd of the last layer", "checkpoint", +1, 0, INF, "",
          "the same in the last layer's weights, in closed form", probe="difficulty"),
    Score("prediction_depth", "prediction depth", "checkpoint", +1, 0, "L", "points",
          "first of the network's L points (stem, units, pooled) from which on k-NN agrees with the prediction, "
          "L for none; Baldock et al. 2021", probe="difficulty"),
)  # fmt: skip
"""Scores from a trained network, where a probe has been asked for them."""

SCORES: dict[str, Score] = {score.column: score for score in (*LOG, *GATE, *CHECKPOINT)}
"""Column of the table of scores to what it is, in the order of the tables for people."""
