"""Counterfactual routing of a run: over checkpoints and splits, with a read-out at o1 as a second cut.

The read-out is the control. It is trained anew for each checkpoint, and for every network, gated or not, at the same
place: B3's o1, the output of its first unit. What an ungated network fits and the read-out at its o1 does not, was
done by the layers after o1 without any gate: that much "deeper is just better" explains. (Maini et al. 2023, "Can
neural network memorization be localized?", found it spread over the layers of ungated networks.) In a gated network
it also tells what ``skip`` loses because the head was trained on mixtures of o1 and o2 from what is not in o1 at all.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memgate import console
from memgate.inputs import Inputs
from memgate.models.cost import cost_of
from memgate.runs import Run
from noise.choose import hash_order
from probes.features import features
from probes.network import PixelNetwork, pixel_network
from probes.readout import Readout, fit_readout, shuffled_hits
from probes.result import ProbeResult, save_results
from probes.routes import LEARNED, PROBE, READOUT, VARIANT, cuts_of
from probes.routing import RouteAnswers, answers_along_routes
from probes.visits import Plan, Visit, visits

POINT = "b3.1"
"""Where the read-out reads: B3's o1, of the forward pass as learned, pooled as the head would have it."""


def probe_run(run: Run, plan: Plan, batch_size: int | None = None) -> Iterator[ProbeResult]:
    """Send the samples of a run along every route, checkpoint by checkpoint and split by split.

    Args:
        run: whose checkpoints.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/routing.h5``.

    Raises:
        MemgateError: see :func:`probes.visits.visits`; or batch_size is no number of images.
    """
    readout, trained = None, None
    for visit in visits(run, plan, PROBE):
        network = pixel_network(visit.model, visit.inputs)
        if readout is None or trained != visit.epoch:
            readout, trained = _trained(network, visit, batch_size), visit.epoch
        result = _probe(run, network, readout, visit, batch_size)
        save_results(run, PROBE, [result])
        yield result


def _trained(network: PixelNetwork, visit: Visit, batch_size: int | None) -> Readout:
    """The read-out of a checkpoint, from all training samples, whichever are probed."""
    train = visit.inputs.train
    at_o1 = _at_o1(network, train.images, f"read-out, epoch {visit.epoch}", batch_size)
    found = fit_readout(at_o1, train.labels, train.class_count)
    order = hash_order(train.sample_id, "read-out", train.name, train.split)
    return replace(found, config={**found.config, "shuffled_hits": shuffled_hits(at_o1, train.labels[order])})


def _at_o1(
    network: PixelNetwork, images: NDArray[np.uint8], label: str, batch_size: int | None
) -> NDArray[np.float32]:
    """Pooled o1 of B3 [n, C] of images uint8 [n, H, W, 3]."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    with console.counter(len(images), label) as finished:
        return features(network, pixels, [POINT], batch_size=batch_size, finished=finished)[POINT]


def _probe(
    run: Run, network: PixelNetwork, readout: Readout, visit: Visit, batch_size: int | None
) -> ProbeResult:
    """One checkpoint and one split."""
    gates, given, clean = run.config.model.gate_names, visit.images.labels, _clean_labels(visit)
    with console.counter(len(given), visit.label) as finished:
        found = answers_along_routes(
            network, gates, visit.pixels, given, clean, batch_size=batch_size, finished=finished
        )
    at_o1 = _at_o1(network, visit.images.images, f"{visit.label}, o1", batch_size)
    found = found.joined(READOUT, readout.probabilities(at_o1), given, clean)
    return ProbeResult(
        probe=PROBE,
        split=visit.split,
        epoch=visit.epoch,
        variant=VARIANT,
        checkpoint=visit.checkpoint,
        sample_id=visit.images.sample_id,
        values=_columns(found, gates, given, clean),
        config=_config(run, found, readout, visit.inputs),
        versions=visit.versions,
    )


def _clean_labels(visit: Visit) -> NDArray[np.int64]:
    """Clean labels [n] of the probed samples, which stand in the split's own order."""
    samples = visit.inputs.samples(visit.split)
    return samples.clean_label[np.isin(samples.sample_id, visit.images.sample_id)].astype(np.int64)


def _columns(
    found: RouteAnswers, gates: tuple[str, ...], given: NDArray, clean: NDArray
) -> dict[str, NDArray[Any]]:
    """The result's columns: [R, n] a row for each route, [G, n] a row for each gate, or [n]."""
    fits_given, fits_clean, wrong = found.prediction == given, found.prediction == clean, given != clean
    columns: dict[str, NDArray[Any]] = {
        "prediction": found.prediction.astype(np.uint16),
        "p_given": found.p_given,
        "p_clean": found.p_clean,
        "fits_given": fits_given,
        "fits_clean": fits_clean,
        "wrong_label": wrong,
    }
    if gates:
        columns |= {"gate": found.gate, "routed": found.routed, "hard_routed": found.hard_routed}
    learned = fits_given[found.routes.index(LEARNED)]
    for route, (memorised, recovered) in cuts_of(gates).items():
        row = found.routes.index(route)
        columns[memorised] = learned & ~fits_given[row]
        columns[recovered] = wrong & learned & fits_clean[row]
    return columns


def _config(run: Run, found: RouteAnswers, readout: Readout, inputs: Inputs) -> dict[str, Any]:
    """How the result came about, as plain JSON values."""
    model, train = run.config.model, inputs.train
    return {
        "routes": found.routes,
        "gates": model.gate_names,
        "tap": model.gate.tap if model.gate_names else None,
        "curve": model.gate.curve if model.gate_names else None,
        "readout": {"point": POINT, **readout.config},
        "macs": asdict(cost_of(model, train.class_count, train.images.shape[1])),
        "precision": "float32",
    }
