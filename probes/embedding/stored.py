"""Stored maps of a run: in a sentence, and as a table with the labels of the samples. No torch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from memgate.errors import MemgateError, require
from memgate.log.format import places_of
from memgate.runs.run import Run, command
from probes.embedding.config import METHODS, PROBE, SOURCES, Method, Source, variant
from probes.result import ProbeResult, load_results
from probes.samples.columns import identity

UNITS = (
    "Each sample is a point on each map. PCA: the axes are the first two principal components, and distances on the "
    "map are at most those of the vectors. t-SNE and UMAP: near points are near vectors; distances between groups, "
    "their sizes and the axes mean nothing."
)
"""How maps are read."""


def described(result: ProbeResult) -> str:
    """What a map shows, of how many samples, and with which settings, in one or two sentences.

    Args:
        result: of :func:`probes.embedding.run.probe_run`.
    """
    config, n = result.config, len(result.sample_id)
    source, method, origin = config["source"], config["method"], config["origin"]
    text = f"{source} by {METHODS[method]}: {n:,} {result.split} samples, epoch {result.epoch}"
    if "epochs" in origin:
        epochs = origin["epochs"]
        text = f"{text[: text.rindex('epoch')]}{len(epochs)} epochs from {epochs[0]} to {epochs[-1]}"
    same = origin["size"] - config["differ"]
    text += f"; {origin['size']:,} components" + (
        f", {same:,} of them the same for all samples" if same else ""
    )
    share = f"{config['explained']:.1%} of the variance"
    if method == "pca":
        parts = [f"{text}; the axes explain {share}."]
    else:
        settings = ", ".join(
            f"{name.replace('_', ' ')} {'auto' if value is None else format(value, 'g')}"
            for name, value in config["settings"].items()
            if name not in ("most", "dimensions")
        )
        parts = [f"{text}; {config['components']} principal components ({share}); {settings}."]
    if origin.get("mode") == "online" and result.split == "train":
        parts.append("The gate vectors are those of the training pass, with the noise of its gates.")
    if config["left_out"]:
        parts.append(f"{config['left_out']:,} samples were not drawn (--most) and have no place.")
    if config["missing"]:
        parts.append(f"{config['missing']:,} samples have no vector and no place.")
    return " ".join(parts)


def embedding_result(
    run: Run, source: Source, method: Method = "pca", split: str = "train", epoch: int | None = None
) -> ProbeResult:
    """A stored map of ``memgate probe embed``: ``position`` float32 [2, n] of the samples ``sample_id`` [n].

    Args:
        run: that was probed.
        source: ``gates``, ``trajectories``, ``features`` or ``o1``.
        method: ``pca``, ``tsne`` or ``umap``.
        split: one of its splits.
        epoch: of the vectors; None for the last that was mapped.

    Raises:
        MemgateError: the run has no such split, or no such map.

    Example:
        >>> from probes import EmbedConfig
        >>> from probes.embedding.run import probe_run
        >>> from probes.network.plan import Plan
        >>> done = list(probe_run(run, EmbedConfig(), ["trajectories"], Plan(splits=("train",), n=0)))
        >>> embedding_result(run, "trajectories").values["position"].shape
        (2, 128)
    """
    require(source in SOURCES, f"source {source!r} is unknown: there are {', '.join(SOURCES)}.")
    require(method in METHODS, f"method {method!r} is unknown: there are {', '.join(METHODS)}.")
    run.sample_log().samples(split)
    results = [
        result
        for result in load_results(run, PROBE)
        if (result.split, result.variant) == (split, variant(source, method))
        and epoch in (None, result.epoch)
    ]
    if not results:
        raise MemgateError(
            f"{run.name} has no map of its {split} samples by {source} and {method}"
            f"{'' if epoch is None else f' at epoch {epoch}'}: {embed_command(run, source, method, split, epoch)}."
        )
    return results[-1]


def embed_command(run: Run, source: str, method: str, split: str, epoch: int | None = None) -> str:
    """The command that makes a map."""
    at = "" if epoch is None else f" --checkpoints {epoch}"
    return f"{command('probe embed', run.path)} --sources {source} --methods {method} --splits {split}{at}"


def embedding_table(run: Run, results: Sequence[ProbeResult]) -> pd.DataFrame:
    """Maps as a table, a row for each point.

    Args:
        run: that was probed.
        results: stored maps, such as of :func:`embedding_result` or :func:`probes.load_results`.

    Returns:
        Columns ``source``, ``method``, ``epoch``, ``x``, ``y`` after those that identify the sample
        (:func:`probes.samples.columns.identity`: ``sample_id``, ``split``, labels and corruption).

    Example:
        >>> from probes import EmbedConfig
        >>> from probes.embedding.run import probe_run
        >>> from probes.network.plan import Plan
        >>> maps = list(probe_run(run, EmbedConfig(), ["trajectories"], Plan(splits=("train",), n=0)))
        >>> table = embedding_table(run, maps)
        >>> len(table), list(table.columns[-5:])
        (128, ['source', 'method', 'epoch', 'x', 'y'])
    """
    log, operations, tables = run.sample_log(), run.manifest.header.operations, []
    for result in results:
        samples = log.samples(result.split)
        rows = samples.take(places_of(samples.sample_id, result.sample_id))
        table = pd.DataFrame(identity(rows, result.split, operations))
        table["source"], table["method"] = result.config["source"], result.config["method"]
        table["epoch"] = np.int32(result.epoch)
        table["x"], table["y"] = result.values["position"]
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
