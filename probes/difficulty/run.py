"""Scores from a checkpoint that look inside the network: gradients and prediction depth, over a run."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from probes.difficulty.config import PREDICTION_DEPTH, PROBE, DifficultyConfig
from probes.difficulty.depth import SIDE, Support, prediction_depths
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples, probed_rows
from probes.network.layers import points
from probes.network.pixels import as_pixels
from probes.network.plan import Plan
from probes.result import ProbeResult, save_results

Found = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Values as they are stored, and how they were computed."""

GRADIENTS: Mapping[str, tuple[Callable[..., NDArray[np.float32]], str]] = {
    "input_gradient_norm": (input_gradient_norm, "pixels in [0, 1]"),
    "grand_last_layer": (grand_last_layer, "weights and bias of the head"),
    "grand": (grand, "parameters of the trunk"),
}
"""Score to its function, and by what it derives the loss."""


def probe_run(
    run: Run,
    config: DifficultyConfig,
    plan: Plan,
    batch_size: int | None = None,
) -> Iterator[ProbeResult]:
    """Compute scores of a run, checkpoint by checkpoint, split by split, score by score.

    A training image is probed as it was trained on: corrupted, with its given label, and without augmentation.

    Args:
        run: whose checkpoints.
        config: the scores, and the votes of the prediction depth.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device and the score.

    Yields:
        One result for each checkpoint, split and score, which is already in the run's ``probes/difficulty.h5``.

    Raises:
        MemgateError: the training split is too small for the votes, the network has
            diverged, or see :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    if PREDICTION_DEPTH in config.scores:
        config.check(len(run.sample_log().samples("train")))
    for visit in checkpoint_samples(run, plan, PROBE):
        for score in dict.fromkeys(config.scores):
            if score == PREDICTION_DEPTH:
                values, settings = _depth(visit, config, batch_size)
            else:
                values, settings = _gradient(visit, score, batch_size)
            result = ProbeResult(
                probe=PROBE,
                split=visit.split,
                epoch=visit.epoch,
                variant=score,
                checkpoint=visit.checkpoint,
                sample_id=visit.images.sample_id,
                values=values,
                config=settings,
                versions=visit.versions,
            )
            save_results(run, PROBE, [result])
            yield result


def _gradient(visit: CheckpointSamples, score: str, batch_size: int | None) -> Found:
    compute, by = GRADIENTS[score]
    with console.counter(len(visit.images), f"{score}, {visit.label}") as finished:
        norms = compute(
            pixel_network(visit.model, visit.inputs), visit.pixels, visit.images.labels,
            batch_size=batch_size, finished=finished,
        )  # fmt: skip
    return {score: norms}, {"norm": "L2", "of": "cross-entropy against the given label", "by": by}


def _depth(visit: CheckpointSamples, config: DifficultyConfig, batch_size: int | None) -> Found:
    voters = visit.inputs.subset("train", probed_rows(visit.inputs, "train", config.support))
    support = Support(as_pixels(voters.images), voters.labels)
    own = None
    if visit.split == "train":
        ids = voters.sample_id.tolist()
        place = dict(zip(ids, range(len(ids)), strict=True))
        own = np.array([place.get(number, -1) for number in visit.images.sample_id.tolist()])
    total = len(points(visit.model)) * (len(visit.images) + len(voters))
    with console.counter(total, f"{PREDICTION_DEPTH}, {visit.label}") as finished:
        found = prediction_depths(
            pixel_network(visit.model, visit.inputs), visit.pixels, support, config.neighbours,
            own=own, batch_size=batch_size, finished=finished,
        )  # fmt: skip
    values = {
        PREDICTION_DEPTH: found.depth,
        "prediction": found.prediction,
        "knn_prediction": found.knn_prediction,
    }
    return values, {
        "points": list(found.points), "neighbours": config.neighbours, "support": len(voters),
        "side": SIDE, "distance": "euclidean", "votes": "given labels",
    }  # fmt: skip
