"""Critical samples of a run: over checkpoints and splits, on the corrupted images of the training."""

from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np

from memgate import console
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from probes.csr.config import MOST, NEIGHBOURS, PROBE, CsrConfig, check_neighbours
from probes.csr.critical import CriticalSamples, find_critical
from probes.csr.neighbours import STEPS, Neighbours, find_neighbours
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples
from probes.network.plan import Plan
from probes.result import ProbeResult, load_results, save_results


def probe_run(
    run: Run, config: CsrConfig, plan: Plan, batch_size: int | None = None, most: int = MOST
) -> Iterator[ProbeResult]:
    """Critical samples of a run, one result for each checkpoint and split.

    A training image is probed as it was trained on: corrupted, and without augmentation.

    Args:
        run: a run with checkpoints.
        config: the search.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.
        most: number of critical samples, the nearest to the boundary, for which a neighbour with another prediction is
            searched; 0 for none.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/csr.h5``; the neighbours are
        in ``probes/neighbours.h5``, under the same split, epoch and variant.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    check_neighbours(most)
    load_results(run, NEIGHBOURS)  # a damaged file is noticed before anything is computed
    for samples in checkpoint_samples(run, plan, PROBE):
        network = pixel_network(samples.model, samples.inputs)
        with console.counter(len(samples.images) * config.rounds, samples.label) as finished:
            critical = find_critical(
                network, samples.pixels, config,
                sample_id=samples.images.sample_id, batch_size=batch_size, finished=finished,
            )  # fmt: skip
        result = _result(critical, samples)
        [result] = save_results(run, PROBE, [result])
        if most:
            neighbours = find_neighbours(network, samples.pixels, critical, most=most, batch_size=batch_size)
            save_results(run, NEIGHBOURS, [_neighbours(neighbours, result, most)])
        yield result


def _result(critical: CriticalSamples, samples: CheckpointSamples) -> ProbeResult:
    """The search's result as it is stored; the columns are those of :class:`probes.csr.critical.CriticalSamples`."""
    return ProbeResult(
        probe=PROBE,
        split=samples.split,
        epoch=samples.epoch,
        variant=critical.config.method,
        checkpoint=samples.checkpoint,
        sample_id=critical.sample_id,
        values={
            "prediction": critical.prediction.astype(np.uint16),
            "critical_radius": critical.critical_radius,
            "critical": critical.critical,
            "first_hit_step": critical.first_hit_step.astype(np.int32),
        },
        config={**asdict(critical.config), "gradient_evaluations": critical.gradient_evaluations},
        versions=samples.versions,
    )


def _neighbours(neighbours: Neighbours, result: ProbeResult, most: int) -> ProbeResult:
    """The neighbours as they are stored: pictures [H, W, 3, m], since the last axis counts the samples."""
    return replace(
        result,
        probe=NEIGHBOURS,
        sample_id=result.sample_id[neighbours.row],
        values={
            "difference": np.ascontiguousarray(neighbours.difference.transpose(2, 3, 1, 0)),
            "distance": neighbours.distance,
            "prediction": result.values["prediction"][neighbours.row],
            "neighbour_prediction": neighbours.prediction.astype(np.uint16),
            "critical_radius": result.values["critical_radius"][neighbours.row],
        },
        config={"most": most, "radii": list(result.config["radii"]), "steps": STEPS},
    )
