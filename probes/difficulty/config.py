"""Options of the difficulty probe: which scores, votes of the prediction depth, steps of the curvature. No torch."""

from dataclasses import dataclass
from typing import Literal, get_args

from memgate.errors import MemgateError, require

PROBE = "difficulty"
"""Name of the probe and of its file."""

ScoreName = Literal["input_gradient_norm", "grand_last_layer", "grand", "prediction_depth", "input_curvature"]

SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
"""Every score of this probe; also the name of its variant and of its column."""

PREDICTION_DEPTH: ScoreName = "prediction_depth"
"""The score that counts layers of the network; the others are sizes of derivatives of the loss."""

CURVATURE: ScoreName = "input_curvature"
"""The score of a second derivative."""

LEAST_STEP = 1e-6
"""Smallest step of the curvature."""

O1 = "b3.1"
"""The unit whose output is o1 of B3: a sample that skips B3 keeps it, and the gate weighs what comes after."""


@dataclass(frozen=True)
class DifficultyConfig:
    """Scores to compute, the votes of the prediction depth, and the steps of the curvature."""

    scores: tuple[ScoreName, ...] = ("input_gradient_norm", "grand_last_layer", "prediction_depth")
    """input_gradient_norm: the loss's gradient by the pixels; grand_last_layer: by the last layer's weights; grand:
    by all of the trunk's (slow: several times the others together); prediction_depth: from which unit on a sample's
    neighbours have the class that the network predicts (Baldock et al. 2021); input_curvature: how much the gradient
    by the pixels changes around the image (Garg et al. 2024; slow: 11 gradients an image). Its mean over checkpoints
    is a score of its own: probe several, such as --every 5."""
    neighbours: int = 30
    """prediction_depth: how many vote (the paper's k)."""
    # One sample's depth depends on which samples vote, a group's hardly: of a ResNet-14 on 8,000 CIFAR-10 images,
    # 5,000 and all gave 62 % of the samples the same depth (rank correlation 0.85), and put 51 and 49 % into B3.
    support: int = 5000
    """prediction_depth: training samples that may be neighbours, chosen by hash; 0 for all."""
    directions: int = 10
    """input_curvature: random directions that are averaged (the paper's n)."""
    step: float = 1e-3
    """input_curvature: step along them in every pixel, which ranges from 0 to 1 (the paper's h)."""

    def __post_init__(self) -> None:
        require(bool(self.scores), f"scores names none: there are {', '.join(SCORES)}.")
        unknown = [score for score in self.scores if score not in SCORES]
        require(not unknown, f"scores {', '.join(unknown)!r} is unknown: there are {', '.join(SCORES)}.")
        require(self.neighbours >= 1, f"neighbours {self.neighbours} cannot vote: at least 1.")
        require(
            self.support >= 0, f"support {self.support} is no number of samples: 1 or more, or 0 for all."
        )

        require(self.directions >= 1, f"directions {self.directions} average nothing: at least 1.")
        # In float32 the gradients of a smaller step are equal up to rounding.
        require(
            LEAST_STEP <= self.step <= 1,
            f"step {self.step:g} is out of range: from {LEAST_STEP:g} to 1, of a pixel that ranges from 0 to 1.",
        )

    def check(self, train: int) -> None:
        """Refuse a support in which a training sample has fewer than k neighbours besides itself.

        Args:
            train: number of training samples.

        Raises:
            MemgateError: the support, or the training split, has no more than k samples.
        """
        if 0 < self.support <= min(self.neighbours, train):
            raise MemgateError(
                f"support {self.support} holds no {self.neighbours} neighbours of a sample of its own: "
                f"at least {self.neighbours + 1}, or fewer neighbours."
            )
        if train <= self.neighbours:
            raise MemgateError(
                f"{train} training samples hold no {self.neighbours} neighbours of one of them: at most "
                f"{train - 1} neighbours, or no prediction_depth among the scores."
            )
