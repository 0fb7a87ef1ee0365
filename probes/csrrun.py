"""Critical samples of a run: over checkpoints and splits, on the images that the network was given."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from memgate import console
from memgate.runs import Run
from probes.csr import CriticalSamples, find_critical
from probes.csrconfig import CsrConfig
from probes.csrtable import PROBE
from probes.network import pixel_network
from probes.result import ProbeResult, save_results
from probes.visits import Plan, Visit, visits


def probe_run(
    run: Run, config: CsrConfig, plan: Plan, batch_size: int | None = None
) -> Iterator[ProbeResult]:
    """Find the critical samples of a run, checkpoint by checkpoint and split by split.

    A training image is probed as it was trained on: corrupted, and without augmentation.

    Args:
        run: whose checkpoints.
        config: the search.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/csr.h5``.

    Raises:
        MemgateError: see :func:`probes.visits.visits`.
    """
    for visit in visits(run, plan, PROBE):
        with console.counter(len(visit.images) * config.rounds, visit.label) as finished:
            found = find_critical(
                pixel_network(visit.model, visit.inputs), visit.pixels, config,
                sample_id=visit.images.sample_id, batch_size=batch_size, finished=finished,
            )  # fmt: skip
        result = _result(found, visit)
        save_results(run, PROBE, [result])
        yield result


def _result(found: CriticalSamples, visit: Visit) -> ProbeResult:
    """The search's result as it is stored; the columns are those of :class:`probes.csr.CriticalSamples`."""
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
