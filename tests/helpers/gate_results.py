"""Made-up results of the gates probe."""

from dataclasses import replace

import numpy as np

from memgate.runs.run import Run
from probes.gates.analyses import analysed, analyses
from probes.gates.config import FORCED, LEARNED, GatesConfig
from probes.gates.cost import Hardness
from probes.result import ProbeResult


def result_of(run: Run, split: str = "train", epoch: int = 4, routes: bool = True) -> ProbeResult:
    """Random patterns of a run with channel gates; filter 3 of the first gate is open for class 2 alone."""
    model, samples = run.config.model, run.sample_log().samples(split)
    sizes, n, rng = dict(model.gate_channels), len(samples), np.random.default_rng(epoch)
    count, classes = sum(sizes.values()), len(run.sample_log().class_names)
    opened = rng.random((count, n)) < rng.random((count, 1))
    opened[3] = samples.clean_label == 2
    names = [LEARNED, *(FORCED if routes else ())]
    shape = len(names), n
    values = {
        "pattern": np.packbits(opened, axis=0),
        "macs": 1e6 * (1 + np.tile(opened.sum(axis=0), (shape[0], 1))),
        "prediction": rng.integers(0, classes, shape, np.uint16),
        "p_given": rng.random(shape, np.float32),
        "p_clean": rng.random(shape, np.float32),
        "margin": rng.normal(size=shape).astype(np.float32),
    }
    if routes:
        values["donor"] = np.tile(samples.sample_id[::-1], (2, 1))
    config = {
        "gates": sizes, "routes": names, "always": 0.99, "rare": 0.05, "threshold": None, "seed": 0,
        "classes": classes, "macs": {"always": 1e6, "total": 1e6 * (1 + count), "ungated": 1e6 * count},
    }  # fmt: skip
    return ProbeResult("gates", split, epoch, "patterns", "last", samples.sample_id, values, config)


def with_analyses(run: Run, result: ProbeResult) -> ProbeResult:
    """The same with linear probes and neighbours; the features are random, and the hardness is the class."""
    samples = run.sample_log().samples(result.split)
    packed, config = result.values["pattern"], GatesConfig()
    count, rng = sum(result.config["gates"].values()), np.random.default_rng(0)
    chosen = analysed(packed, count, samples.sample_id, config)
    features = rng.normal(size=(len(chosen.places), 8))
    hardness = (Hardness("loss_mean", "mean loss (CSL)", samples.clean_label.astype(float)),)
    values, settings = analyses(packed, count, features, samples, chosen, hardness, config)
    return replace(result, values={**result.values, **values}, config={**result.config, "analyses": settings})
