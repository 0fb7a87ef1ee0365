"""Critical samples of a run: over checkpoints and splits, on the images that the network was given."""

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
    """Find the critical samples of a run, checkpoint by checkpoint and split by split.

    A training image is probed as it was trained on: corrupted, and without augmentation.

    Args:
        run: whose checkpoints.
        config: the search.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.
        most: of how many of the nearest critical samples a neighbour with another prediction is looked for.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/csr.h5``; the neighbours are
        in ``probes/neighbours.h5``, under the same split, epoch and variant.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    check_neighbours(most)
    load_results(run, NEIGHBOURS)  # a damaged file is noticed before anything is computed
    for visit in checkpoint_samples(run, plan, PROBE):
        network = pixel_network(visit.model, visit.inputs)
        with console.counter(len(visit.images) * config.rounds, visit.label) as finished:
            found = find_critical(
                network, visit.pixels, config,
                sample_id=visit.images.sample_id, batch_size=batch_size, finished=finished,
            )  # fmt: skip
        result = _result(found, visit)
        save_results(run, PROBE, [result])
        if most:
            beyond = find_neighbours(network, visit.pixels, found, most=most, batch_size=batch_size)
            save_results(run, NEIGHBOURS, [_neighbours(beyond, result, most)])
        yield result


def _result(found: CriticalSamples, visit: CheckpointSamples) -> ProbeResult:
    """The search's result as it is stored; the columns are those of :class:`probes.csr.critical.CriticalSamples`."""
    return ProbeResult(
        probe=PROBE,
        split=visit.split,
        epoch=visit.epoch,
        variant=found.config.method,
        checkpoint=visit.checkpoint,
        sample_id=found.sample_id,
        values={
            "prediction": found.prediction.astype(np.uint16),
            "critical_radius": found.critical_radius,
            "critical": found.critical,
            "first_hit_step": found.first_hit_step.astype(np.int32),
        },
        config={**asdict(found.config), "gradient_evaluations": found.gradient_evaluations},
        versions=visit.versions,
    )


def _neighbours(found: Neighbours, result: ProbeResult, most: int) -> ProbeResult:
    """The neighbours as they are stored: pictures [H, W, 3, m], since the last axis counts the samples."""
    return replace(
        result,
        probe=NEIGHBOURS,
        sample_id=result.sample_id[found.row],
        values={
            "difference": np.ascontiguousarray(found.difference.transpose(2, 3, 1, 0)),
            "distance": found.distance,
            "prediction": result.values["prediction"][found.row],
            "neighbour_prediction": found.prediction.astype(np.uint16),
            "critical_radius": result.values["critical_radius"][found.row],
        },
        config={"most": most, "radii": list(result.config["radii"]), "steps": STEPS},
    )
