"""Counterfactual routing of a run: over checkpoints and splits, with two linear read-outs as a second kind of cut.

Every network is cut after the first unit of its gated blocks, an ungated one of its last block. Of the last block,
``skip`` asks the network's own head about the pooled o1. An ungated network can be asked just so (the shapes agree),
only that its head never saw o1 while it was trained; a gated one's saw mixtures of o1 and o2. The read-outs are
trained anew for each checkpoint, one at the deepest o1 and one at the end, where the head reads: what the second
fits and the first does not was done after o1, without a frozen head or a refitting in between. Either cut of an
ungated network says how much "deeper is just better" explains, and is to be set beside the same cut of a gated one.
(Maini et al. 2023, "Can neural network memorization be localized?", found memorisation spread over the layers of
ungated networks.)
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from memgate import console
from memgate.config.run import ModelConfig
from memgate.models.backbones.resnet import pool
from memgate.models.macs import cost_of
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import Inputs
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from noise.choose import hash_order
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples
from probes.network.features import features
from probes.network.layers import PENULTIMATE, head_logits, trunk_of
from probes.network.pixels import as_pixels
from probes.network.plan import Plan
from probes.result import ProbeResult, save_results
from probes.routing.interventions import RouteAnswers, answers_along_routes
from probes.routing.readout import Readout, fit_readout, shuffled_hits
from probes.routing.routes import (
    PROBE,
    READOUT_END,
    READOUT_O1,
    SKIP,
    VARIANT,
    blocks_of,
    check_blocks,
    cut_point,
    cuts_of,
)

Features = dict[str, NDArray[np.float32]]
"""Point to pooled features [n, C]."""


@dataclass(frozen=True, eq=False)
class _Readouts:
    """The read-outs of a checkpoint."""

    at: dict[str, str]
    """Read-out to where it reads: o1 of the deepest cut, of the forward pass as learned, and what the head reads."""
    train: Features
    """What they read of all training samples."""
    trained: dict[str, Readout]
    shuffled: dict[str, int]
    """How many labels a read-out at o1 fits that were shuffled, and how many the most frequent label is right for."""


def probe_run(
    run: Run, plan: Plan, batch_size: int | None = None, control: Run | None = None
) -> Iterator[ProbeResult]:
    """Send the samples of a run along every route, checkpoint by checkpoint and split by split.

    Args:
        run: whose checkpoints.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.
        control: whose results this run's are to be set beside; kept with them, so that it can be done again.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/routing.h5``.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`; the gates are not over blocks; or
            batch_size is no number of images.
    """
    model = run.config.model
    check_blocks(run.name, model)
    readouts, trained = None, None
    for visit in checkpoint_samples(run, plan, PROBE):
        network = pixel_network(visit.model, visit.inputs)
        if readouts is None or trained != visit.epoch:
            readouts, trained = _trained(network, visit, cut_point(model), batch_size), visit.epoch
        result = _probe(run, network, readouts, visit, batch_size, control)
        save_results(run, PROBE, [result])
        yield result


def _trained(network: PixelNetwork, visit: CheckpointSamples, o1: str, batch_size: int | None) -> _Readouts:
    """The read-outs of a checkpoint, from all training samples, whichever are probed."""
    train = visit.inputs.train
    at = {READOUT_O1: o1, READOUT_END: PENULTIMATE}
    found = _features(network, train.images, f"read-out, epoch {visit.epoch}", tuple(at.values()), batch_size)
    order = hash_order(train.sample_id, "read-out", train.name, train.split)
    shuffled = {
        "hits": shuffled_hits(found[at[READOUT_O1]], train.labels[order]),
        "most_frequent": int(np.bincount(train.labels).max()),
    }
    trained = {name: fit_readout(found[point], train.labels, train.class_count) for name, point in at.items()}
    return _Readouts(at, found, trained, shuffled)


def _features(
    network: PixelNetwork, images: NDArray[np.uint8], label: str, at: tuple[str, ...], batch_size: int | None
) -> Features:
    """What the read-outs read of images uint8 [n, H, W, 3]."""
    pixels = as_pixels(images)
    trunk = trunk_of(network)
    # The last block's o1 as the head would have it, with the BatchNorm and ReLU before a Pre-ResNet's head.
    reduce = trunk.pooled if at[0].startswith(f"{list(trunk.blocks)[-1]}.") else pool
    with console.counter(len(images), label) as finished:
        return features(network, pixels, at, reduce=reduce, batch_size=batch_size, finished=finished)


def _probe(
    run: Run,
    network: PixelNetwork,
    readouts: _Readouts,
    visit: CheckpointSamples,
    batch_size: int | None,
    control: Run | None,
) -> ProbeResult:
    """One checkpoint and one split."""
    model, given = run.config.model, visit.images.labels
    clean = visit.inputs.samples(visit.split).clean_label[visit.rows].astype(np.int64)
    with console.counter(len(given), visit.label) as finished:
        found = answers_along_routes(
            network, model.gate_names, visit.pixels, given, clean, batch_size=batch_size, finished=finished
        )
    if visit.split == "train":
        inside = {point: values[visit.rows] for point, values in readouts.train.items()}
    else:
        at = tuple(readouts.at.values())
        inside = _features(network, visit.images.images, f"{visit.label}, o1", at, batch_size)
    if not model.gate_names and blocks_of(model):
        at_o1 = softmax(
            head_logits(network, torch.from_numpy(inside[readouts.at[READOUT_O1]])).numpy(), axis=1
        )
        found = found.joined(SKIP, at_o1, given, clean)
    for name, point in readouts.at.items():
        chance = readouts.trained[name].probabilities(inside[point])
        found = found.joined(name, chance, given, clean)
    return ProbeResult(
        probe=PROBE,
        split=visit.split,
        epoch=visit.epoch,
        variant=VARIANT,
        checkpoint=visit.checkpoint,
        sample_id=visit.images.sample_id,
        values=_columns(found, model, given, clean),
        config=_config(run, found, readouts, visit.inputs, control),
        versions=visit.versions,
    )


def _columns(
    found: RouteAnswers, model: ModelConfig, given: NDArray, clean: NDArray
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
    if model.gate_names:
        columns |= {"gate": found.gate, "routed": found.routed, "hard_routed": found.hard_routed}
    for cut in cuts_of(blocks_of(model)):
        whole, part = found.routes.index(cut.whole), found.routes.index(cut.part)
        columns[cut.memorised] = fits_given[whole] & ~fits_given[part]
        columns[cut.recovered] = wrong & fits_given[whole] & fits_clean[part]
    return columns


def _config(
    run: Run, found: RouteAnswers, readouts: _Readouts, inputs: Inputs, control: Run | None
) -> dict[str, Any]:
    """How the result came about, as plain JSON values."""
    model, train = run.config.model, inputs.train
    return {
        "routes": found.routes,
        "gates": model.gate_names,
        "blocks": blocks_of(model),
        "classes": train.class_count,
        "tap": model.gate.tap if model.gate_names else None,
        "curve": model.gate.curve if model.uses("curve") else None,
        "readouts": {
            name: {"point": readouts.at[name], **one.config} for name, one in readouts.trained.items()
        },
        "shuffled": {**readouts.shuffled, "samples": len(train)},
        "macs": asdict(cost_of(model, train.class_count, train.side)),
        "precision": "float32",
        "control": None if control is None else str(control.path.absolute()),
    }
