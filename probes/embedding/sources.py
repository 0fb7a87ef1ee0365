"""The vectors that a run has on disk: gate vectors, gate trajectories, features that were taken before. No torch."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from memgate.log.gate_vectors import epochs_text
from memgate.runs.epoch_files import no_vectors
from memgate.runs.run import Run, command
from probes.embedding.config import FEATURES, FROM_CHECKPOINTS, SOURCES, Source, layer_of
from probes.embedding.vectors import Vectors
from probes.result import ProbeResult, load_results

GATES = "gates"
"""The probe whose patterns stand in for gate vectors that the training did not keep."""

MOST_VALUES = 1024
"""Values of g in a trajectory, at most: of more, epochs are left out evenly (50,000 samples are then 200 MB)."""


def check_source(run: Run, source: Source) -> None:
    """Refuse a source that a run cannot have, whatever is probed or trained on.

    Args:
        run: of any origin.
        source: see :data:`probes.embedding.config.SOURCES`.

    Raises:
        MemgateError: its network has no such vectors, or another program trained it.
    """
    if source == "trajectories":
        require(
            bool(run.sample_log().gates),
            f"{run.name} has no trajectories: its network has no gates. Take --sources features.",
        )
        return
    model = run.config.model  # raises for a run that another program recorded
    if source in FROM_CHECKPOINTS:
        layer_of(source, run.name, model)
    elif not model.gate_names or model.block_gated:
        raise MemgateError(no_vectors(run.path, run.config, run.status().epoch))


def sources_of(run: Run) -> tuple[Source, ...]:
    """The sources that a run can have; of a recorded run the trajectories, if its network has gates."""
    return tuple(source for source in get_args(Source) if not refusal(run, source))


def refusal(run: Run, source: Source) -> str:
    """The sentence with which a source is refused; empty where it is not."""
    try:
        check_source(run, source)
    except MemgateError as error:
        return str(error)
    return ""


def source_epochs(run: Run, source: Source, split: str) -> tuple[int, ...]:
    """Epochs at which a run has the vectors of a source on disk, rising.

    Args:
        run: of any origin.
        source: see :data:`probes.embedding.config.SOURCES`; of :data:`FROM_CHECKPOINTS` those that were taken.
        split: one of its splits.

    Raises:
        MemgateError: a file is damaged, or the run has no such split.
    """
    log = run.sample_log()
    log.samples(split)
    if source == "trajectories":
        return tuple(log.epochs(split).tolist()) if log.gates else ()
    results = load_results(run, GATES if source == "gates" else FEATURES)
    probed = {one.epoch for one in results if one.split == split and one.variant in (source, "patterns")}
    kept = run.gate_vector_epochs if source == "gates" else ()
    return tuple(sorted({*probed, *kept}))


def source_vectors(run: Run, source: Source, split: str, epoch: int) -> Vectors:
    """The vectors of a source at an epoch of :func:`source_epochs`.

    Args:
        run: of any origin.
        source: see :data:`probes.embedding.config.SOURCES`.
        split: one of its splits.
        epoch: after which the network had them; of trajectories the last epoch.

    Raises:
        MemgateError: see :func:`check_source`; they are not on disk, or no sample has one.
    """
    check_source(run, source)
    known = source_epochs(run, source, split)
    require(epoch in known, missing(run, source, split, known, epoch))
    if source == "trajectories":
        vectors = _trajectories(run, split, epoch)
    elif source == "gates":
        vectors = _gates(run, split, epoch)
    else:
        vectors = _features(run, source, split, epoch)
    require(len(vectors) > 0, f"No {split} sample of {run.name} has {SOURCES[source]} at epoch {epoch}.")
    return vectors


def missing(
    run: Run, source: Source, split: str, known: tuple[int, ...] = (), epoch: int | None = None
) -> str:
    """The sentence about vectors that are not on disk: the reason and the command that makes them.

    Args:
        run: that can have them.
        source: see :data:`probes.embedding.config.SOURCES`.
        split: one of its splits.
        known: epochs of which they are there.
        epoch: that is wanted; None for any.
    """
    what = {"gates": "gate vectors", "trajectories": "g"}.get(source, source)
    text = f"{run.name} has no {what} of its {split} samples"
    if epoch is not None:
        text += f" at epoch {epoch}" + (f", but of {epochs_text(known)}" if known else "")
    at = "" if epoch is None else f" --checkpoints {epoch}"
    if source == "trajectories":
        return f"{text}: the log has no such epoch."
    if source == "gates":
        return f"{text}: {command('probe gates', run.path)} --splits {split}{at}."
    return f"{text}: {command('probe embed', run.path)} --sources {source} --splits {split}{at}."


def _gates(run: Run, split: str, epoch: int) -> Vectors:
    """The bits of all gates side by side; each gate's last byte is filled up with zeros."""
    if epoch not in run.gate_vector_epochs:
        [result] = [one for one in load_results(run, GATES) if one.key == (split, epoch, "patterns")]
        origin = {"file": "probes/gates.h5", "size": sum(result.config["gates"].values())}
        if result.config.get("threshold") is not None:
            origin["threshold"] = result.config["threshold"]
        values = np.ascontiguousarray(result.values["pattern"].T)
        return _of(run, split, values, result.sample_id, origin, binary=True)
    kept = run.gate_vectors(epoch)
    require(split in kept.splits, f"{kept.path} has no split {split!r}: it has {', '.join(kept.splits)}.")
    known = np.logical_and.reduce([kept.known(split, gate) for gate in kept.gates])
    values = np.concatenate([kept.packed(split, gate) for gate in kept.gates], axis=1)
    origin = {"file": kept.path.name, "size": sum(kept.gates.values()), "mode": run.sample_log().mode}
    ids = run.sample_log().samples(split).sample_id.astype(np.int64)
    return _of(run, split, values[known], ids[known], origin, binary=True)


def _trajectories(run: Run, split: str, epoch: int) -> Vectors:
    """Values of g of every gate at the epochs up to one, evenly thinned; samples with a missing g are left out."""
    log = run.sample_log()
    epochs = log.epochs(split)
    rows = np.flatnonzero(epochs <= epoch)
    most = max(1, MOST_VALUES // len(log.gates))
    if len(rows) > most:
        rows = rows[np.unique(np.linspace(len(rows) - 1, 0, most).round().astype(int))]
    columns = [log.values(split, "gate", gate)[1][rows] for gate in log.gates]
    values = np.concatenate(columns).T.astype(np.float32)
    known = np.isfinite(values).all(axis=1)
    ids = log.samples(split).sample_id.astype(np.int64)
    origin = {"file": "log.h5", "size": values.shape[1], "epochs": epochs[rows].tolist()}
    return _of(run, split, values[known], ids[known], origin)


def _features(run: Run, source: Source, split: str, epoch: int) -> Vectors:
    [result] = [one for one in load_results(run, FEATURES) if one.key == (split, epoch, source)]
    return feature_vectors(run, result)


def feature_vectors(run: Run, result: ProbeResult) -> Vectors:
    """The vectors of a stored result of features."""
    values = np.ascontiguousarray(result.values["vector"].T)
    origin = {"file": f"probes/{FEATURES}.h5", "size": values.shape[1], **result.config}
    return _of(run, result.split, values, result.sample_id, origin)


def _of(
    run: Run,
    split: str,
    values: NDArray[Any],
    ids: NDArray[np.int64],
    origin: Mapping[str, Any],
    binary: bool = False,
) -> Vectors:
    absent = len(run.sample_log().samples(split)) - len(ids)
    return Vectors(values, ids, binary, origin, absent).sorted_by_id()
