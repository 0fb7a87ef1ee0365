"""Critical samples of a run: over checkpoints and splits, on the images that the network was given."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memgate import console
from memgate.environment import choose_device, describe
from memgate.errors import MemgateError
from memgate.inputs import Inputs, inputs_of
from memgate.runs import Run
from noise.choose import hash_order
from probes.csr import CriticalSamples, find_critical
from probes.csrconfig import CsrConfig
from probes.csrtable import PROBE
from probes.network import load_network
from probes.result import ProbeResult, load_results, save_results


def probe_run(
    run: Run,
    config: CsrConfig,
    *,
    checkpoints: Sequence[str] = ("last",),
    every: int | None = None,
    splits: Sequence[str] = (),
    n: int = 1000,
    batch_size: int | None = None,
    device: str = "auto",
) -> Iterator[ProbeResult]:
    """Find the critical samples of a run, checkpoint by checkpoint and split by split.

    A training image is probed as it was trained on: corrupted, and without augmentation.

    Args:
        run: whose checkpoints.
        config: the search.
        checkpoints: ``last``, ``best`` or numbers of epochs; two that hold the same epoch are probed once.
        every: also each kept epoch that this divides.
        splits: which; () for all that the run has.
        n: samples of each split: the first of a hash order, the same for every checkpoint and method; 0 for all.
        batch_size: images in a pass; None for what suits the device.
        device: ``auto``, ``cpu`` or ``cuda``.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/csr.h5``.

    Raises:
        MemgateError: no such checkpoint or split, or the data, a checkpoint or the results' file is damaged.
    """
    if n < 0:
        raise MemgateError(f"n {n} is no number of samples: 1 or more, or 0 for all.")
    names = _checkpoint_names(run, checkpoints, every)
    log, where = run.log(), choose_device(device)
    for split in splits:
        log.samples(split)
    load_results(run, PROBE)  # a damaged file is noticed before anything is computed
    inputs, done = inputs_of(run), set()
    for name in names:
        network, epoch = load_network(run, name, inputs, where)
        if epoch in done:
            continue
        done.add(epoch)
        for split in dict.fromkeys(splits) or log.splits:
            rows = probed_rows(inputs, split, n)
            images = inputs.image_set(split).subset(rows)
            pixels = torch.from_numpy(images.images).permute(0, 3, 1, 2)
            label = f"{split}, epoch {epoch}"
            with console.counter(len(rows) * config.rounds, label) as finished:
                found = find_critical(
                    network, pixels, config,
                    sample_id=images.sample_id, batch_size=batch_size, finished=finished,
                )  # fmt: skip
            result = _result(found, split, epoch, run.checkpoint(name).stem, describe(where))
            save_results(run, PROBE, [result])
            yield result


def probed_rows(inputs: Inputs, split: str, n: int) -> NDArray[np.int64]:
    """Rows of a split that are probed, rising: nested in n, and the same in a corrupted copy of a split."""
    original = inputs.clean_images(split)
    order = hash_order(original.sample_id, "probe", original.name, original.split)
    return np.sort(order[: n or None])


def _checkpoint_names(run: Run, checkpoints: Sequence[str], every: int | None) -> list[str]:
    """What is to be probed, in the order asked for; all of it exists."""
    names = list(checkpoints)
    if every is not None:
        if every < 1:
            raise MemgateError(f"every {every} is no distance between epochs: 1 or more.")
        kept = run.checkpoint_epochs
        due = [str(epoch) for epoch in kept if epoch % every == 0]
        if not due:
            raise MemgateError(
                f"{run.name} keeps no checkpoint whose epoch {every} divides: it keeps "
                f"{', '.join(map(str, kept)) or 'none but last'} (--train.checkpoint-every sets which)."
            )
        names = due + names
    for name in names:
        run.checkpoint(name)
    return names


def _result(
    found: CriticalSamples, split: str, epoch: int, checkpoint: str, environment: dict[str, Any]
) -> ProbeResult:
    """The search's result as it is stored; the columns are those of :class:`probes.csr.CriticalSamples`."""
    versions = ("memgate", "python", "packages", "git_revision", "device", "device_name")
    return ProbeResult(
        probe=PROBE,
        split=split,
        epoch=epoch,
        variant=found.config.method,
        checkpoint=checkpoint,
        sample_id=found.sample_id,
        values={
            "prediction": found.prediction.astype(np.uint16),
            "critical_radius": found.critical_radius,
            "critical": found.critical,
            "first_hit_step": found.first_hit_step.astype(np.int32),
        },
        config={**asdict(found.config), "gradient_evaluations": found.gradient_evaluations},
        versions={name: environment[name] for name in versions},
    )
