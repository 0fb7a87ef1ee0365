"""Difficulty scores of a run's samples from its checkpoints: gradient norms, prediction depth and curvature."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate import console
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from probes.difficulty.config import CURVATURE, PREDICTION_DEPTH, PROBE, DifficultyConfig
from probes.difficulty.curvature import input_curvature
from probes.difficulty.depth import SIDE, Support, prediction_depths
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples, probed_rows
from probes.network.layers import points
from probes.network.pixels import as_pixels
from probes.network.plan import Plan
from probes.result import ProbeResult, save_results

Scored = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""Values by name as they are stored, and the settings with which they were computed."""

GRADIENTS: Mapping[str, tuple[Callable[..., NDArray[np.float32]], str]] = {
    "input_gradient_norm": (input_gradient_norm, "pixels in [0, 1]"),
    "grand_last_layer": (grand_last_layer, "weights and bias of the head"),
    "grand": (grand, "parameters of the trunk"),
}
"""Score to its function, and to the variables by which it derives the loss."""


def probe_run(
    run: Run,
    config: DifficultyConfig,
    plan: Plan,
    batch_size: int | None = None,
) -> Iterator[ProbeResult]:
    """Scores of a run's samples, one result for each checkpoint, split and score.

    A training image is probed as it was trained on: corrupted, with its given label, and without augmentation.

    Args:
        run: a run with checkpoints.
        config: the scores and their settings.
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
    for samples in checkpoint_samples(run, plan, PROBE):
        for score in dict.fromkeys(config.scores):
            if score == PREDICTION_DEPTH:
                values, settings = _depth(samples, config, batch_size)
            elif score == CURVATURE:
                values, settings = _curvature(samples, config, batch_size)
            else:
                values, settings = _gradient(samples, score, batch_size)
            result = ProbeResult(
                probe=PROBE,
                split=samples.split,
                epoch=samples.epoch,
                variant=score,
                checkpoint=samples.checkpoint,
                sample_id=samples.images.sample_id,
                values=values,
                config=settings,
                versions=samples.versions,
            )
            [result] = save_results(run, PROBE, [result])
            yield result


def _gradient(samples: CheckpointSamples, score: str, batch_size: int | None) -> Scored:
    compute, by = GRADIENTS[score]
    with console.counter(len(samples.images), f"{score}, {samples.label}") as finished:
        norms = compute(
            pixel_network(samples.model, samples.inputs), samples.pixels, samples.images.labels,
            batch_size=batch_size, finished=finished,
        )  # fmt: skip
    return {score: norms}, {"norm": "L2", "of": "cross-entropy against the given label", "by": by}


def _curvature(samples: CheckpointSamples, config: DifficultyConfig, batch_size: int | None) -> Scored:
    with console.counter(len(samples.images), f"{CURVATURE}, {samples.label}") as finished:
        values = input_curvature(
            pixel_network(samples.model, samples.inputs), samples.pixels, samples.images.labels,
            directions=config.directions, step=config.step, sample_id=samples.images.sample_id,
            # Other directions at each checkpoint, so that a mean over checkpoints has less of their noise.
            seed=samples.epoch, batch_size=batch_size, finished=finished,
        )  # fmt: skip
    return {CURVATURE: values}, {
        "directions": config.directions, "step": config.step, "signs": "Rademacher, keyed by epoch and sample",
        "norm": "Frobenius", "of": "cross-entropy against the given label", "by": "pixels in [0, 1]",
    }  # fmt: skip


def _depth(samples: CheckpointSamples, config: DifficultyConfig, batch_size: int | None) -> Scored:
    voters = samples.inputs.subset("train", probed_rows(samples.inputs, "train", config.support))
    support = Support(as_pixels(voters.images), voters.labels)
    own = None
    if samples.split == "train":
        ids = voters.sample_id.tolist()
        row_of = dict(zip(ids, range(len(ids)), strict=True))
        own = np.array([row_of.get(number, -1) for number in samples.images.sample_id.tolist()])
    total = len(points(samples.model)) * (len(samples.images) + len(voters))
    with console.counter(total, f"{PREDICTION_DEPTH}, {samples.label}") as finished:
        depths = prediction_depths(
            pixel_network(samples.model, samples.inputs), samples.pixels, support, config.neighbours,
            own=own, batch_size=batch_size, finished=finished,
        )  # fmt: skip
    values = {
        PREDICTION_DEPTH: depths.depth,
        "prediction": depths.prediction,
        "knn_prediction": depths.knn_prediction,
    }
    return values, {
        "points": list(depths.points), "neighbours": config.neighbours, "support": len(voters),
        "side": SIDE, "distance": "euclidean", "votes": "given labels",
    }  # fmt: skip
