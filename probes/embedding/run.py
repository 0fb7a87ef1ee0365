"""Maps of a run's samples, by source and method, and the features from checkpoints that they need.

A result (variant ``SOURCE-METHOD`` of ``probes/embed.h5``) has the value ``position`` float32 [2, n]. Samples without
a vector, and those that were not drawn for t-SNE or UMAP, are not in ``sample_id``. ``config`` has ``source``,
``method``, ``settings`` (the options of the method), ``origin`` (file and number of components ``size`` of the
vectors, and what else they depend on), ``differ`` (components that differ between samples), ``components`` (of the
PCA), ``explained`` (share of the variance that they explain together), ``missing`` (samples of the split without a
vector) and ``left_out`` (samples with a vector that were not drawn).

Features are stored as they are taken, in ``probes/features.h5`` (variants ``features`` and ``o1``): ``vector`` float32
[d, n], with ``layer`` and ``network``, the digest of the network's weights, in ``config``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from memgate import console
from memgate.errors import MemgateError, require
from memgate.log.gate_vectors import epochs_text
from memgate.runs.run import Run
from memgate.training.checkpoint import read_model
from memgate.training.environment import choose_device
from memgate.training.evaluate import pixel_network
from probes.embedding.config import (
    FEATURES,
    FROM_CHECKPOINTS,
    PROBE,
    EmbedConfig,
    Source,
    layer_of,
    variant,
)
from probes.embedding.embed import map_of, work_of
from probes.embedding.neighbour_maps import umap_class
from probes.embedding.sources import check_source, feature_vectors, missing, source_epochs, source_vectors
from probes.embedding.vectors import Vectors
from probes.network.checkpoints import (
    CheckpointSamples,
    check_writable,
    checkpoint_samples,
    network_digest,
    versions_on,
)
from probes.network.features import features
from probes.network.plan import Plan, checkpoint_names
from probes.result import ProbeResult, load_results, save_results


def probe_run(
    run: Run, config: EmbedConfig, sources: Sequence[Source], plan: Plan, batch_size: int | None = None
) -> Iterator[ProbeResult]:
    """Maps of a run's samples, one for each epoch, split, source and method.

    Args:
        run: of any origin; features need checkpoints.
        config: methods and their settings.
        sources: what is mapped.
        plan: which epochs (of checkpoints, gate vectors or the log; ``last`` is the last of each) and splits; all
            samples, n = 0.
        batch_size: images in a pass; None for what suits the device.

    Yields:
        Each map, which is already in the run's ``probes/embed.h5``. One that is stored with the same settings and
        vectors is not computed again.

    Raises:
        MemgateError: the run has no vectors of a source, a setting does not fit the number of samples, UMAP is not
            installed, or see :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    require(plan.n == 0, f"n {plan.n} of the plan must be 0: maps take all samples (--most draws for t-SNE).")
    if "umap" in config.methods:
        umap_class()
    for source in sources:
        check_source(run, source)
    load_results(run, PROBE)
    log = run.sample_log()
    splits = tuple(dict.fromkeys(plan.splits)) or log.splits
    on_disk: list[Source] = [source for source in sources if source not in FROM_CHECKPOINTS]
    if on_disk:
        check_writable(run)
    versions = versions_on(choose_device(plan.device))
    for source in on_disk:
        for split in splits:
            for epoch in _epochs(run, source, split, plan):
                vectors = source_vectors(run, source, split, epoch)
                yield from _maps(run, source, split, (epoch, f"epoch_{epoch:03d}"), vectors, config, versions)
    taken: list[Source] = [source for source in sources if source in FROM_CHECKPOINTS]
    if not taken:
        return
    for samples in checkpoint_samples(run, plan, PROBE):
        for source, vectors in _taken(run, taken, samples, batch_size).items():
            at = samples.epoch, samples.checkpoint
            yield from _maps(run, source, samples.split, at, vectors, config, samples.versions)


def _epochs(run: Run, source: Source, split: str, plan: Plan) -> list[int]:
    """Epochs of a plan at which a source that is read from files is mapped, in the order of the plan."""
    known = source_epochs(run, source, split)
    require(bool(known), missing(run, source, split))
    chosen = []
    if plan.every is not None:
        require(plan.every >= 1, f"every {plan.every} is no distance between epochs: 1 or more.")
        chosen = [epoch for epoch in known if epoch % plan.every == 0]
        if not chosen:
            raise MemgateError(
                f"{run.name} has {'g' if source == 'trajectories' else 'gate vectors'} of {epochs_text(known)}: none "
                f"is a multiple of {plan.every}."
            )
    for name in plan.checkpoints:
        if name == "last":
            chosen.append(known[-1])
        elif name.isascii() and name.isdecimal():
            require(int(name) in known, missing(run, source, split, known, int(name)))
            chosen.append(int(name))
        else:
            checkpoint_names(run, Plan((name,)))
            epoch = read_model(run, name, torch.device("cpu"))[1]
            require(epoch in known, missing(run, source, split, known, epoch))
            chosen.append(epoch)
    return list(dict.fromkeys(chosen))


def _taken(
    run: Run, sources: Sequence[Source], samples: CheckpointSamples, batch_size: int | None
) -> dict[Source, Vectors]:
    """The features of a checkpoint by source, stored; those that are stored of the same network are read."""
    digest = network_digest(samples.model)
    layers = {source: layer_of(source, run.name, run.config.model) for source in sources}
    results = {
        result.variant: result
        for result in load_results(run, FEATURES)
        if (result.split, result.epoch) == (samples.split, samples.epoch)
        and result.config["network"] == digest
        and np.array_equal(result.sample_id, samples.images.sample_id)
    }
    wanted = [source for source in sources if source not in results]
    if wanted:
        network = pixel_network(samples.model, samples.inputs)
        with console.counter(len(samples.rows), f"{samples.label}: features") as finished:
            names = list(dict.fromkeys(layers[source] for source in wanted))
            values = features(network, samples.pixels, names, batch_size=batch_size, finished=finished)
        new = [
            ProbeResult(
                probe=FEATURES,
                split=samples.split,
                epoch=samples.epoch,
                variant=source,
                checkpoint=samples.checkpoint,
                sample_id=samples.images.sample_id,
                values={"vector": np.ascontiguousarray(values[layers[source]].T)},
                config={"layer": layers[source], "network": digest},
                versions=samples.versions,
            )
            for source in wanted
        ]
        results |= {result.variant: result for result in save_results(run, FEATURES, new)}
    return {source: feature_vectors(run, results[source]) for source in sources}


def _maps(
    run: Run,
    source: Source,
    split: str,
    at: tuple[int, str],
    vectors: Vectors,
    config: EmbedConfig,
    versions: dict[str, Any],
) -> Iterator[ProbeResult]:
    """The maps of some vectors by every method, each stored before the next is computed.

    Args:
        run: to which they belong.
        source: of the vectors.
        split: of the samples.
        at: epoch, and the name of the checkpoint.
        vectors: of the samples.
        config: methods and their settings.
        versions: stored with the result.
    """
    for method in dict.fromkeys(config.methods):
        asked = {
            "source": source,
            "method": method,
            "settings": config.settings(method),
            "origin": dict(vectors.origin),
            "missing": vectors.missing,
        }
        key = split, at[0], variant(source, method)
        stored = [
            one
            for one in load_results(run, PROBE)
            if one.key == key and asked.items() <= dict(one.config).items()
        ]
        if stored:
            yield stored[0]
            continue
        label = f"{split}, epoch {at[0]}: {source} by {method}"
        with console.counter(work_of(len(vectors), method, config), label) as finished:
            made = map_of(vectors, method, config, finished)
        result = ProbeResult(
            probe=PROBE,
            split=split,
            epoch=at[0],
            variant=key[2],
            checkpoint=at[1],
            sample_id=made.vectors.sample_id,
            values={"position": np.ascontiguousarray(made.position.T)},
            config={
                **asked,
                "differ": vectors.size - made.components.constant,
                "components": len(made.components.explained),
                "explained": float(made.components.explained.sum()),
                "left_out": len(vectors) - len(made.vectors),
            },
            versions=versions,
        )
        [result] = save_results(run, PROBE, [result])
        yield result
