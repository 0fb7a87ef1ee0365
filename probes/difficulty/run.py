"""Scores from a checkpoint that look inside the network: gradients and prediction depth, over a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.errors import require
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from probes.difficulty.depth import SIDE, DepthConfig, Support, prediction_depths
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm
from probes.difficulty.table import PREDICTION_DEPTH, PROBE
from probes.network.checkpoints import CheckpointSamples, Plan, checkpoint_samples, probed_rows
from probes.network.features import points
from probes.network.pixels import as_pixels
from probes.result import ProbeResult, save_results

Found = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Values as they are stored, and how they were computed."""

GRADIENTS: Mapping[str, tuple[Callable[..., NDArray[np.float32]], str]] = {
    "input_gradient_norm": (input_gradient_norm, "pixels in [0, 1]"),
    "grand_last_layer": (grand_last_layer, "weights and bias of the head"),
    "grand": (grand, "parameters of the trunk"),
}
"""Score to its function, and by what it derives the loss."""

SCORES = (*GRADIENTS, PREDICTION_DEPTH)
"""Every score of this probe; also the name of its variant and of its column."""


def probe_run(
    run: Run,
    scores: Sequence[str],
    plan: Plan,
    depth: DepthConfig | None = None,
    batch_size: int | None = None,
) -> Iterator[ProbeResult]:
    """Compute scores of a run, checkpoint by checkpoint, split by split, score by score.

    A training image is probed as it was trained on: corrupted, with its given label, and without augmentation.

    Args:
        run: whose checkpoints.
        scores: some of :data:`SCORES`.
        plan: which checkpoints, splits and samples.
        depth: of the votes for the prediction depth.
        batch_size: images in a pass; None for what suits the device and the score.

    Yields:
        One result for each checkpoint, split and score, which is already in the run's ``probes/difficulty.h5``.

    Raises:
        MemgateError: there is no such score, the training split is too small for the votes, the network has
            diverged, or see :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    require(bool(scores), f"scores names none: there are {', '.join(SCORES)}.")
    unknown = [score for score in scores if score not in SCORES]
    require(not unknown, f"scores {', '.join(unknown)!r} is unknown: there are {', '.join(SCORES)}.")
    depth = depth or DepthConfig()
    if PREDICTION_DEPTH in scores:
        depth.check(len(run.sample_log().samples("train")))
    for visit in checkpoint_samples(run, plan, PROBE):
        for score in dict.fromkeys(scores):
            if score == PREDICTION_DEPTH:
                values, config = _depth(visit, depth, batch_size)
            else:
                values, config = _gradient(visit, score, batch_size)
            result = ProbeResult(
                probe=PROBE,
                split=visit.split,
                epoch=visit.epoch,
                variant=score,
                checkpoint=visit.checkpoint,
                sample_id=visit.images.sample_id,
                values=values,
                config=config,
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


def _depth(visit: CheckpointSamples, config: DepthConfig, batch_size: int | None) -> Found:
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
