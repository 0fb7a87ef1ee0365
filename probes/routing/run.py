"""Counterfactual routing of a run: over checkpoints and splits, with two linear read-outs as a second kind of cut.

Every network is cut after the first unit of its gated blocks, an ungated one after that of its last block. ``skip`` of
the last block is the network's own head on the pooled o1. An ungated network has the same cut (the shapes agree), but
its head never received o1 in training; a gated network's head received mixtures of o1 and o2. The read-outs are
trained anew for each checkpoint, one at the deepest o1 and one at the head's input: what the second fits and the first
does not is computed after o1, without a frozen head or a refitting in between. Both cuts of an ungated network measure
how much "deeper is just better" explains, and are to be compared with the same cuts of a gated network.
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
from memgate.models.backbones.densenet import DenseNet
from memgate.models.backbones.trunk import pool
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
from probes.routing.interventions import RouteOutputs, outputs_along_routes
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
    """The trained read-outs of a checkpoint, and their features of the training samples."""

    at: dict[str, str]
    """Read-out to its layer: o1 of the deepest cut (in the forward pass as learned), and the head's input."""
    train: Features
    """Layer to features of all training samples."""
    trained: dict[str, Readout]
    shuffled: dict[str, int]
    """``hits``: shuffled labels that a read-out at o1 fits; ``most_frequent``: samples of the most frequent label."""


def probe_run(
    run: Run, plan: Plan, batch_size: int | None = None, control: Run | None = None
) -> Iterator[ProbeResult]:
    """Predictions of a run's samples along every route, one result for each checkpoint and split.

    Args:
        run: a run with checkpoints.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.
        control: the run with which the results are to be compared; its path is stored with them.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/routing.h5``.

    Raises:
        MemgateError: see :func:`probes.network.checkpoints.checkpoint_samples`; the gates are not over blocks; or
            batch_size is no number of images.
    """
    model = run.config.model
    check_blocks(run.name, model)
    readouts, trained = None, None
    for samples in checkpoint_samples(run, plan, PROBE):
        network = pixel_network(samples.model, samples.inputs)
        if readouts is None or trained != samples.epoch:
            readouts, trained = _trained(network, samples, cut_point(model), batch_size), samples.epoch
        result = _probe(run, network, readouts, samples, batch_size, control)
        [result] = save_results(run, PROBE, [result])
        yield result


def _trained(network: PixelNetwork, samples: CheckpointSamples, o1: str, batch_size: int | None) -> _Readouts:
    """The read-outs of a checkpoint, trained on all training samples."""
    train = samples.inputs.train
    at = {READOUT_O1: o1, READOUT_END: PENULTIMATE}
    features_at = _features(
        network, train.images, f"read-out, epoch {samples.epoch}", tuple(at.values()), batch_size
    )
    order = hash_order(train.sample_id, "read-out", train.name, train.split)
    shuffled = {
        "hits": shuffled_hits(features_at[at[READOUT_O1]], train.labels[order]),
        "most_frequent": int(np.bincount(train.labels).max()),
    }
    trained = {
        name: fit_readout(features_at[point], train.labels, train.class_count) for name, point in at.items()
    }
    return _Readouts(at, features_at, trained, shuffled)


def _features(
    network: PixelNetwork, images: NDArray[np.uint8], label: str, at: tuple[str, ...], batch_size: int | None
) -> Features:
    """Features for the read-outs, by layer, of images uint8 [n, H, W, 3]."""
    pixels = as_pixels(images)
    trunk = trunk_of(network)
    # The last block's o1 as the head's input: after the BatchNorm and ReLU before a Pre-ResNet's head. Those of a
    # DenseNet are for the maps of all layers.
    as_head = at[0].startswith(f"{list(trunk.blocks)[-1]}.") and not isinstance(trunk, DenseNet)
    reduce = trunk.pooled if as_head else pool
    with console.counter(len(images), label) as finished:
        return features(network, pixels, at, reduce=reduce, batch_size=batch_size, finished=finished)


def _probe(
    run: Run,
    network: PixelNetwork,
    readouts: _Readouts,
    samples: CheckpointSamples,
    batch_size: int | None,
    control: Run | None,
) -> ProbeResult:
    """The result of one checkpoint and one split."""
    model, given = run.config.model, samples.images.labels
    clean = samples.inputs.samples(samples.split).clean_label[samples.rows].astype(np.int64)
    with console.counter(len(given), samples.label) as finished:
        outputs = outputs_along_routes(
            network, model.gate_names, samples.pixels, given, clean, batch_size=batch_size, finished=finished
        )
    if samples.split == "train":
        values = {point: array[samples.rows] for point, array in readouts.train.items()}
    else:
        at = tuple(readouts.at.values())
        values = _features(network, samples.images.images, f"{samples.label}, o1", at, batch_size)
    if not model.gate_names and blocks_of(model):
        at_o1 = softmax(
            head_logits(network, torch.from_numpy(values[readouts.at[READOUT_O1]])).numpy(), axis=1
        )
        outputs = outputs.with_route(SKIP, at_o1, given, clean)
    for name, point in readouts.at.items():
        chance = readouts.trained[name].probabilities(values[point])
        outputs = outputs.with_route(name, chance, given, clean)
    return ProbeResult(
        probe=PROBE,
        split=samples.split,
        epoch=samples.epoch,
        variant=VARIANT,
        checkpoint=samples.checkpoint,
        sample_id=samples.images.sample_id,
        values=_columns(outputs, model, given, clean),
        config=_config(run, outputs, readouts, samples.inputs, control),
        versions=samples.versions,
    )


def _columns(
    outputs: RouteOutputs, model: ModelConfig, given: NDArray, clean: NDArray
) -> dict[str, NDArray[Any]]:
    """The result's columns: [R, n] a row for each route, [G, n] a row for each gate, or [n]."""
    fits_given, fits_clean, wrong = outputs.prediction == given, outputs.prediction == clean, given != clean
    columns: dict[str, NDArray[Any]] = {
        "prediction": outputs.prediction.astype(np.uint16),
        "p_given": outputs.p_given,
        "p_clean": outputs.p_clean,
        "fits_given": fits_given,
        "fits_clean": fits_clean,
        "wrong_label": wrong,
    }
    if model.gate_names:
        columns |= {"gate": outputs.gate, "routed": outputs.routed, "hard_routed": outputs.hard_routed}
    for cut in cuts_of(blocks_of(model)):
        whole, part = outputs.routes.index(cut.whole), outputs.routes.index(cut.part)
        columns[cut.memorised] = fits_given[whole] & ~fits_given[part]
        columns[cut.recovered] = wrong & fits_given[whole] & fits_clean[part]
    return columns


def _config(
    run: Run, outputs: RouteOutputs, readouts: _Readouts, inputs: Inputs, control: Run | None
) -> dict[str, Any]:
    """Settings of the result, as plain JSON values."""
    model, train = run.config.model, inputs.train
    return {
        "routes": outputs.routes,
        "gates": model.gate_names,
        "blocks": blocks_of(model),
        "classes": train.class_count,
        "tap": model.gate.tap if model.gate_names else None,
        "curve": model.gate.curve if model.uses("curve") else None,
        "readouts": {
            name: {"point": readouts.at[name], **readout.config} for name, readout in readouts.trained.items()
        },
        "shuffled": {**readouts.shuffled, "samples": len(train)},
        "macs": asdict(cost_of(model, train.class_count, train.side)),
        "precision": "float32",
        "control": None if control is None else str(control.path.absolute()),
    }
