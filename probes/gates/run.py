"""Patterns of gates that open and close, over a run's checkpoints and splits, and answers along forced routes.

A result (variant ``patterns`` of ``probes/gates.h5``) has these values of n samples, F filters and R routes. The rows
of [R, n] are ``config["routes"]``; the first is ``learned``:

- ``pattern`` uint8 [ceil(F / 8), n]: ``numpy.packbits`` over filters. Filter f is open for sample i where
  ``pattern[f // 8, i] >> (7 - f % 8) & 1``. Filters are counted gate after gate, as in ``config["gates"]`` (gate to
  its number of filters).
- ``macs`` float64 [R, n]: multiply-accumulates of the sample with the route's pattern; only where gates close parts
  (``ModelConfig.hard_gates``).
- ``prediction`` uint16, ``p_given``, ``p_clean``, ``margin`` float32 [R, n]: predicted class, softmax probability of
  the given and of the clean label, logit of the given label minus the largest other one.
- ``donor`` int64 [2, n]: ids of the samples whose patterns were used in ``same class`` and ``other class``. Where
  there is no such sample it is -1, and the route's numbers are NaN and its class 65535. Only with forced routes.

What is computed beside the features is in :mod:`probes.gates.analyses`.

``config`` also has ``always``, ``rare``, ``threshold`` (None for gates that decide themselves), ``seed``, ``classes``,
``analyses`` (missing without them, and in results of former versions) and ``macs`` (None, or ``always`` needed,
``total`` with everything open, ``ungated`` without the gates). What filters do is computed from ``pattern`` by
:class:`probes.gates.stored.GatesResult`: frequencies, categories, information.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memgate import console
from memgate.models.macs import SampleCost, sample_cost
from memgate.runs.run import Run
from memgate.training.evaluate import pixel_network
from probes.gates.analyses import analysed, analyses
from probes.gates.config import (
    ALL_OPEN,
    FORCED,
    LEARNED,
    OTHER_CLASS,
    PROBE,
    RARE_CLOSED,
    SAME_CLASS,
    VARIANT,
    GatesConfig,
    check_threshold,
    gate_sizes,
)
from probes.gates.cost import Hardness
from probes.gates.donors import NONE, donors
from probes.gates.passes import Labels, Wanted, cost_of_patterns, forced_answers, own_patterns
from probes.gates.patterns import rare_filters, unpacked
from probes.gates.stored import GatesResult
from probes.network.checkpoints import CheckpointSamples, checkpoint_samples
from probes.network.features import features
from probes.network.layers import PENULTIMATE
from probes.network.plan import Plan
from probes.result import ProbeResult, save_results

Sizes = Mapping[str, int]
HardnessOf = Callable[[str, NDArray[np.int64], int], Sequence[Hardness]]
"""From a split, ids of samples [n] and an epoch to scores of these samples up to this epoch."""


def probe_run(
    run: Run,
    config: GatesConfig,
    plan: Plan,
    batch_size: int | None = None,
    hardness_of: HardnessOf = lambda _split, _ids, _epoch: (),
) -> Iterator[ProbeResult]:
    """Patterns and answers of a run's samples, one result for each checkpoint and split.

    Args:
        run: a run with checkpoints.
        config: thresholds, and whether routes are forced.
        plan: which checkpoints, splits and samples.
        batch_size: images in a pass; None for what suits the device.
        hardness_of: scores that linear probes predict, such as :func:`probes.scores.hardness.hardness_of`; none by
            default.

    Yields:
        One result for each checkpoint and split, which is already in the run's ``probes/gates.h5``.

    Raises:
        MemgateError: the network has no gates in its units, a threshold does nothing for it, or see
            :func:`probes.network.checkpoints.checkpoint_samples`.
    """
    model = run.config.model
    sizes = gate_sizes(run.name, model)
    check_threshold(config, run.name, model)
    cost, log = None, run.sample_log()
    for samples in checkpoint_samples(run, plan, PROBE):
        if cost is None and model.hard_gates:
            cost = sample_cost(model, samples.inputs.train.class_count, samples.inputs.train.side)
        result = _probe(samples, sizes, config, cost, batch_size)
        if config.analyses:
            hardness = hardness_of(result.split, result.sample_id, result.epoch)
            result = _with_analyses(samples, GatesResult.of(log, result), hardness, config, batch_size)
        [result] = save_results(run, PROBE, [result])
        yield result


def _probe(
    samples: CheckpointSamples,
    sizes: Sizes,
    config: GatesConfig,
    cost: SampleCost | None,
    batch_size: int | None,
) -> ProbeResult:
    """The result of one checkpoint and one split."""
    network = pixel_network(samples.model, samples.inputs)
    given = samples.images.labels
    clean = samples.inputs.samples(samples.split).clean_label[samples.rows]
    labels = Labels(given.astype(np.int64), clean.astype(np.int64))
    # Gates that mix have nothing that could be opened or closed alone.
    forced = FORCED if config.routes and cost is not None else ()
    with console.counter(len(given) * (1 + len(forced)), samples.label) as finished:
        packed, learned = own_patterns(
            network, sizes, samples.pixels, labels,
            threshold=config.threshold, batch_size=batch_size, finished=finished,
        )  # fmt: skip
        routes = _Routes(sizes, packed, config, samples.images.sample_id, labels.given)
        answers = {LEARNED: learned}
        for name in forced:
            answer = forced_answers(
                network,
                sizes,
                samples.pixels,
                labels,
                routes.wanted(name),
                batch_size=batch_size,
                finished=finished,
            )
            answers[name] = answer.without(routes.missing(name))
    values: dict[str, NDArray[Any]] = {"pattern": packed}
    if cost is not None:
        values["macs"] = np.stack([routes.macs(cost, name) for name in answers])
    for column in vars(learned):
        values[column] = np.stack([getattr(answer, column) for answer in answers.values()])
    if forced:
        values["donor"] = routes.donor_id
    return ProbeResult(
        probe=PROBE,
        split=samples.split,
        epoch=samples.epoch,
        variant=VARIANT,
        checkpoint=samples.checkpoint,
        sample_id=samples.images.sample_id,
        values=values,
        config={
            "gates": dict(sizes),
            "routes": list(answers),
            "always": config.always,
            "rare": config.rare,
            "threshold": config.threshold if cost is None else None,
            "seed": config.seed,
            "classes": samples.inputs.train.class_count,
            "macs": None
            if cost is None
            else {"always": cost.always, "total": cost.total, "ungated": cost.ungated},
            "precision": "float32",
        },
        versions=samples.versions,
    )


def _with_analyses(
    samples: CheckpointSamples,
    view: GatesResult,
    hardness: Sequence[Hardness],
    config: GatesConfig,
    batch_size: int | None,
) -> ProbeResult:
    """A result with the analyses of :mod:`probes.gates.analyses`."""
    result = view.result
    packed = result.values["pattern"]
    chosen = analysed(packed, view.count, result.sample_id, config)
    with console.counter(len(chosen.places), f"{samples.label}, features") as finished:
        layers = features(
            pixel_network(samples.model, samples.inputs),
            samples.pixels[torch.from_numpy(chosen.places)],
            [PENULTIMATE],
            batch_size=batch_size,
            finished=finished,
        )
    values, settings = analyses(
        packed, view.count, layers[PENULTIMATE], view.samples, chosen, hardness, config
    )
    return replace(result, values={**result.values, **values}, config={**result.config, "analyses": settings})


class _Routes:
    """The patterns of every route, made for a batch at a time."""

    def __init__(
        self,
        sizes: Sizes,
        packed: NDArray[np.uint8],
        config: GatesConfig,
        sample_id: NDArray[np.int64],
        given: NDArray[np.int64],
    ) -> None:
        self.sizes, self.packed, self.filters = sizes, packed, sum(sizes.values())
        self.sample_id, self.donor = sample_id, donors(sample_id, given, config.seed)
        self.rare = rare_filters(packed, self.filters, config.rare)
        own = np.arange(len(sample_id))
        donor_of = {SAME_CLASS: self.donor[0], OTHER_CLASS: self.donor[1]}
        self.source = {name: donor_of.get(name, own) for name in (LEARNED, *FORCED)}

    @property
    def donor_id(self) -> NDArray[np.int64]:
        """Ids of the donors [2, n]; -1 for none."""
        return np.where(self.donor == NONE, NONE, self.sample_id[self.donor])

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Samples [n] for which the route has no pattern."""
        return self.source[name] == NONE

    def wanted(self, name: str) -> Wanted:
        """From rows [b] to the open filters [F, b] of a route; those of any sample where there is no donor."""

        def opened(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            if name == ALL_OPEN:
                return np.ones((self.filters, len(rows)), bool)
            pattern = unpacked(self.packed[:, self.source[name][rows]], self.filters)
            return pattern & ~self.rare[:, None] if name == RARE_CLOSED else pattern

        return opened

    def macs(self, cost: SampleCost, name: str) -> NDArray[np.float64]:
        """MACs [n] of a route's patterns; NaN where there is none."""
        wanted: Callable[[NDArray[np.int64]], NDArray[np.bool_]] = self.wanted(name)
        parts = np.array_split(np.arange(len(self.sample_id)), max(1, len(self.sample_id) // 4096))
        macs = np.concatenate([cost_of_patterns(cost, self.sizes, wanted(rows)) for rows in parts])
        return np.where(self.missing(name), np.nan, macs)
