"""Catalogue of the scores: column, direction, range, source and requirements of each. No torch.

Example:
    >>> import probes
    >>> aum = probes.SCORES["aum"]
    >>> aum.title, aum.direction, aum.range
    ('mean margin (AUM)', -1, '(-inf, inf) logits')
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bound = float | Literal["-ln K", "ln K", "ln C", "E", "L"]
"""End of a range: a number, or an expression in K classes, C choices of the gate (K; 2 of a two-way gate), E planned
epochs or L points of the network."""


@dataclass(frozen=True)
class Score:
    """Definition of one score: a number per sample that may separate corrupted from clean samples."""

    column: str
    """Column in the table of scores; with several gates the gate's name follows the quantity."""
    title: str
    """Name in printed tables and pages."""
    needs: Literal["log", "gate", "macs", "checkpoint", "group", "file"]
    """Source of the values. ``log``: any log; ``gate``: the log of a gated network, a column for each gate;
    ``macs``: the log of a network whose gates close, so that samples need different numbers of MACs;
    ``checkpoint``: a probe of the network; ``group``: models of random subsets (:mod:`probes.scores.of_group`);
    ``file``: an external file that the user joins."""
    direction: Literal[-1, 1]
    """+1: high is harder and more suspicious; -1: low is."""
    low: Bound
    """Smallest value; -inf where there is none."""
    high: Bound
    """Largest value; inf where there is none."""
    unit: str
    """Unit of the values; empty for a share or a norm."""
    meaning: str
    """Definition and literature source."""
    never: Literal["", "learned", "learned to stay", "skipped"] = ""
    """The event that the score counts or times, if it may never happen. A sample that was seen and has no value then
    ranks as harder than all others (as in Toneva's sort); for other scores missing values are left out."""
    probe: Literal["", "csr", "difficulty"] = ""
    """For ``checkpoint``: the probe that stores it in the run's ``probes/<probe>.h5``."""
    mean_of: str = ""
    """For ``checkpoint``: the stored value whose mean over all probed checkpoints this is; empty for a value of the
    latest one."""

    @property
    def observed(self) -> str:
        """Column that is missing where the event of :attr:`never` could not be observed in any epoch."""
        return {"": "epochs_logged", "skipped": "route_flips"}.get(self.never, "correctness")

    @property
    def suspicious(self) -> str:
        """``high`` or ``low``: the harder end of the range."""
        return harder(self.direction)

    @property
    def range(self) -> str:
        """Smallest and largest value and unit as text, such as ``[-ln K, ln K] nats``, for gates of any kind."""
        return self._range("ln K (two-way gates: ln 2)")

    def range_of(self, two_way: bool) -> str:
        """The range as text for a run whose gates are two-way, or are not."""
        return self._range("ln 2" if two_way else "ln K")

    def _range(self, choices: str) -> str:
        left = "(" if self.low == -math.inf else "["
        right = ")" if self.high == math.inf else "]"
        low, high = (choices if end == "ln C" else _text(end) for end in (self.low, self.high))
        return f"{left}{low}, {high}{right} {self.unit}".rstrip()

    def bounds(self, classes: int, epochs: int, two_way: bool = False) -> tuple[float, float]:
        """Smallest and largest value as numbers, for instance for the axis of a plot; inf for L.

        Args:
            classes: number of classes K.
            epochs: number of planned epochs E.
            two_way: whether the gates choose between two (:attr:`memgate.runs.outline.Outline.gate_is_two_way`).

        Example:
            >>> import probes
            >>> probes.SCORES["routed_epochs"].bounds(classes=10, epochs=160)
            (0.0, 160.0)
        """
        known = {"-ln K": -math.log(classes), "ln K": math.log(classes), "E": float(epochs), "L": math.inf}
        known["ln C"] = math.log(2 if two_way else classes)
        low, high = (known[end] if isinstance(end, str) else end for end in (self.low, self.high))
        return float(low), float(high)

    def suspicion(self, values: ArrayLike, seen: ArrayLike) -> NDArray[np.float64]:
        """The score [N] turned so that high is harder.

        Args:
            values: [N] values of the score; NaN is missing.
            seen: [N] bool, whether the sample was seen in any epoch; of an event, whether it could be observed in any
                (:attr:`observed`).

        Returns:
            [N]; NaN is missing. With :attr:`never`, a seen sample without a value has inf.
        """
        turned = np.asarray(values, np.float64) * self.direction
        never = np.isnan(turned) & np.asarray(seen, bool) & bool(self.never)
        return np.where(never, np.inf, turned)


def harder(direction: int) -> str:
    """The harder end of a score: ``high`` for direction +1, ``low`` for -1."""
    return "high" if direction > 0 else "low"


def _text(bound: Bound) -> str:
    return bound if isinstance(bound, str) else f"{bound:.3g}"


INF = math.inf
CARTOGRAPHY = "dataset cartography, Swayamdipta et al. 2020"
TONEVA = "Toneva et al. 2019"
SHAPING = '"more features for difficult examples": batch-shaped gates, Ehteshami Bejnordi et al. 2020'

LOG = (
    Score("loss_mean", "mean loss (CSL)", "log", +1, 0, INF, "nats",
          "mean loss over the epochs: cumulative sample loss / E; Ravikumar et al. 2025"),
    Score("loss_iqr", "loss range (LT-IQR)", "log", +1, 0, INF, "nats",
          "interquartile range of the loss over the epochs, quantiles 0.25 and 0.75; Pollock et al. 2024 (arXiv "
          "2411.05743), who take it in the training passes and find samples by it that membership inference breaks"),
    Score("loss_last", "last loss", "log", +1, 0, INF, "nats", "loss at the last epoch"),
    Score("loss_gmm_mean", "GMM of mean loss", "log", -1, 0, 1, "",
          "probability that the mean loss is of the lower of two normal components; DivideMix, Li et al. 2020"),
    Score("loss_gmm_last", "GMM of last loss", "log", -1, 0, 1, "",
          "probability that the last loss is of the lower of two normal components, as in DivideMix"),
    Score("aum", "mean margin (AUM)", "log", -1, -INF, INF, "logits",
          "area under the margin: mean of given logit - largest other logit; Pleiss et al. 2020, who take it in the "
          "training passes; in a log of mode eval it is of evaluation passes"),
    Score("margin_last", "last margin", "log", -1, -INF, INF, "logits", "margin at the last epoch"),
    Score("confidence", "confidence", "log", -1, 0, 1, "", f"mean p(given label); {CARTOGRAPHY}"),
    Score("variability", "variability", "log", +1, 0, 0.5, "",
          f"standard deviation of p(given label) over the epochs; high means ambiguous; {CARTOGRAPHY}"),
    Score("correctness", "correctness", "log", -1, 0, 1, "",
          f"share of epochs in which the given label is predicted; {CARTOGRAPHY}"),
    Score("p_given_last", "last self-confidence", "log", -1, 0, 1, "",
          "p(given label) at the last epoch; cleanlab, which expects out-of-sample probabilities"),
    Score("normalised_margin_last", "last normalised margin", "log", -1, 0, 1, "",
          "(1 + p(given label) - largest other p) / 2 at the last epoch; cleanlab, out-of-sample likewise"),
    Score("el2n_mean", "mean EL2N", "log", +1, 0, math.sqrt(2), "",
          "mean |softmax - one-hot given label|_2 over the epochs; Paul et al. 2021"),
    Score("el2n_last", "last EL2N", "log", +1, 0, math.sqrt(2), "", "EL2N at the last epoch"),
    Score("el2n_early", "early EL2N", "log", +1, 0, math.sqrt(2), "",
          "EL2N after 10 % of the planned epochs; Paul et al. 2021, who also average over runs"),
    Score("signed_entropy_mean", "signed entropy (SEI)", "log", -1, "-ln K", "ln K", "nats",
          "mean output entropy, negative where the given label is not predicted; arXiv 2605.31090"),
    Score("out_entropy_mean", "mean output entropy", "log", +1, 0, "ln K", "nats",
          "mean entropy of the network's softmax; does not depend on the given label"),
    Score("forgetfulness", "forgetting events", "log", +1, 0, "E", "events",
          f"changes from correct to wrong; {TONEVA}, who count in the training passes; in a log of mode eval it is in "
          "evaluation passes; never learned samples rank last; the direction can be reversed in short trainings or "
          "where all samples are memorised", "learned"),
    Score("first_learned_epoch", "first learned", "log", +1, 1, "E", "epoch",
          f"first epoch that predicts the given label; {TONEVA}; never learned samples rank last", "learned"),
    Score("stable_learned_epoch", "learned to stay", "log", +1, 1, "E", "epoch",
          f"first epoch from which the given label is always predicted; {TONEVA}; samples wrong at the end rank last",
          "learned to stay"),
)  # fmt: skip
"""Scores from any log."""

GATE = (
    Score("gate_mean", "mean gate value g", "gate", +1, 0, 1, "", "mean g over the epochs"),
    Score("gate_last", "last gate value g", "gate", +1, 0, 1, "", "g at the last epoch"),
    Score("gate_max", "largest gate value g", "gate", +1, 0, 1, "", "largest g over the epochs"),
    Score("entropy_mean", "mean gate entropy H", "gate", +1, 0, "ln C", "nats", "mean H over the epochs"),
    Score("entropy_last", "last gate entropy H", "gate", +1, 0, "ln C", "nats", "H at the last epoch"),
    Score("gate_signed_entropy_mean", "signed gate entropy", "gate", -1, "-ln K", "ln K", "nats",
          "mean H, negative where the gate's classifier does not predict the given label; missing for a gate without "
          "a classifier"),
    Score("routed_share", "share of epochs routed", "gate", +1, 0, 1, "", "epochs with g > 0.5 / epochs with a route"),
    Score("routed_epochs", "epochs routed", "gate", +1, 0, "E", "epochs", "epochs with g > 0.5"),
    Score("route_flips", "route flips", "gate", +1, 0, "E", "flips",
          "changes between routed and skipped; high means undecided"),
    Score("first_skip_epoch", "first epoch skipped", "gate", +1, 1, "E", "epoch",
          "first epoch with g <= 0.5; samples that never skip the block rank last", "skipped"),
)  # fmt: skip
"""Scores from the log of a gated network, a column for each gate."""

MACS = (
    Score("macs_mean", "mean MACs", "macs", +1, 0, INF, "MACs",
          f"mean number of multiply-accumulates that the sample needs over the epochs; {SHAPING}"),
    Score("macs_last", "last MACs", "macs", +1, 0, INF, "MACs",
          "multiply-accumulates that the sample needs at the last epoch"),
)  # fmt: skip
"""Scores from the log of a network whose gates close."""

CHECKPOINT = (
    Score("critical_radius", "critical radius", "checkpoint", -1, 0, INF, "grey levels",
          "first-order distance to the decision boundary; 'memgate probe csr'", probe="csr"),
    Score("input_gradient_norm", "input-gradient norm", "checkpoint", +1, 0, INF, "",
          "norm of the loss gradient with respect to the image", probe="difficulty"),
    Score("grand", "GraNd", "checkpoint", +1, 0, INF, "",
          "norm of the loss gradient with respect to all weights of the trunk, not of the gates; Paul et al. 2021",
          probe="difficulty"),
    Score("grand_last_layer", "GraNd of the last layer", "checkpoint", +1, 0, INF, "",
          "norm of the loss gradient with respect to the last layer's weights", probe="difficulty"),
    Score("prediction_depth", "prediction depth", "checkpoint", +1, 0, "L", "points",
          "first of the network's L points (stem, units, pooled) from which k-NN always agrees with the prediction, "
          "L if there is none; Baldock et al. 2021", probe="difficulty"),
    Score("input_curvature", "input curvature", "checkpoint", +1, 0, INF, "",
          "Frobenius norm of the loss's second derivative with respect to the image; Garg et al. 2024 (arXiv "
          "2307.05831), who average it over the epochs", probe="difficulty"),
    Score("input_curvature_mean", "mean input curvature", "checkpoint", +1, 0, INF, "",
          "mean of the input curvature over the probed checkpoints, two or more; Garg et al. 2024, over all epochs",
          probe="difficulty", mean_of="input_curvature"),
)  # fmt: skip
"""Scores from a trained network, available after a probe has computed them."""

SCORES: dict[str, Score] = {score.column: score for score in (*LOG, *GATE, *MACS, *CHECKPOINT)}
"""Column of the table of scores to its definition, in the order of printed tables."""
