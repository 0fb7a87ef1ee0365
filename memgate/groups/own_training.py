"""Trains any program's model on K balanced random subsets, and records it as a group of runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate import console
from memgate.config.checks import LARGEST_SEED, in_range
from memgate.config.log import LogConfig
from memgate.config.run import RunConfig
from memgate.config.subset import SubsetConfig
from memgate.data.subset_masks import trained_on
from memgate.errors import MemgateError, require
from memgate.groups.outputs import epochs_of, predicted_clean, records_of
from memgate.log.format import EpochRecord
from memgate.log.writer import SampleLogWriter
from memgate.recorder.arguments import class_list, json_values, run_folder, whole
from memgate.recorder.labels import checked_labels, labels_by_split
from memgate.recorder.metrics import metrics_row
from memgate.recorder.recording import Recording
from memgate.runs.held import HeldRun
from memgate.runs.run import Run
from memgate.sweeps import grid
from memgate.sweeps.subsets import check_group, plan_group
from memgate.sweeps.time_left import time_left

TrainFunction = Callable[[NDArray[np.int64], int], Any]
"""Called with the positions of the samples to train on, int64 [n], rising, and the seed of the model. Returns
:data:`memgate.groups.outputs.Outputs` of all samples, or an iterator that yields them epoch by epoch."""

RECIPE = "memgate.subsets"
"""Recipe of a group that another program trains, in its file."""


def subsets(
    train_fn: TrainFunction,
    labels: ArrayLike | Mapping[str, ArrayLike],
    models: int,
    *,
    name: str,
    out: str | Path = "runs",
    fraction: float = 0.5,
    seed: int = 0,
    clean_labels: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Run]:
    """The K runs of a group that your own function trains; called again, it goes on where it was stopped.

    The function is called once for each model, with the positions of the samples to train on and a seed. It must train
    on these only, and return values of *all* samples. A run appears when its model is finished, as a whole: after a
    crash or a kill, the model that was being trained is trained again, and no other.

    Args:
        train_fn: ``train_fn(index, seed)`` returns p(given) [N] or logits [N, C] of all N training samples, or yields
            them after each epoch; with several splits, a mapping from split to such arrays. log-probabilities are
            logits. Of p(given) alone, a label counts as right above 1/2.
        labels: given labels [N] of the training samples, integers from 0; or split (``train``, optionally ``val`` and
            ``test``) to labels.
        models: K, an even number for a fraction of one half. A larger K later adds models.
        name: name of the group: its file is ``NAME.sweep.json``, and the names of its runs begin with it.
        out: folder of the runs.
        fraction: share of the models that contain a sample, as a/B with B up to 20; K is a multiple of B.
        seed: of the subsets; model k is given ``seed + k``.
        clean_labels: labels [N] of the training samples before their corruption. None: not known.
        class_names: K names. None: the class numbers.
        settings: for config.json.

    Returns:
        The runs in the order of the models, complete; all have the same number of epochs.

    Raises:
        MemgateError: an argument is out of its range, a group of that name is another one, or the function returned
            something else. Whatever the function raises is not caught.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, labels = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
        >>> def nearest(index, seed):  # 1-nearest neighbour: remembers what it has seen
        ...     distance = ((x[:, None] - x[index]) ** 2).sum(axis=-1)
        ...     return np.eye(2)[labels[index][distance.argmin(axis=1)]][np.arange(40), labels]
        >>> runs = subsets(nearest, labels, models=4, name="nearest", out=tmp_path / "runs")  # doctest: +ELLIPSIS
        [1/4] ...
        >>> log = runs[0].log("train")
        >>> bool(log["correct_given"][-1][log["trained"][-1]].all())
        True
    """
    folder = run_folder(out, name).parent
    given = labels if isinstance(labels, Mapping) else {"train": labels}
    counts = {str(split): np.asarray(values).shape[0] for split, values in given.items() if np.ndim(values)}
    require(
        len(counts) == len(given) and "train" in counts,
        "labels must be an array [N], or map train, and optionally val and test, to such arrays.",
    )
    in_range("seed", whole(seed, "seed"), 0, LARGEST_SEED)
    recording = Recording(
        path=folder / name,
        counts=counts,
        epochs=1,
        class_names=class_list(class_names),
        labels=labels_by_split(labels, counts),
        clean=None if clean_labels is None else checked_labels(clean_labels, counts["train"], "clean_labels"),
        mode="eval",
        settings=json_values(settings),
    )
    recording.check_no_empty_class()
    base = RunConfig(
        name=name,
        out=folder,
        seed=seed,
        log=LogConfig(quantities="memorisation"),
        subset=SubsetConfig(fraction=fraction, seed=seed),
    )
    group, configs = plan_group(RECIPE, base, whole(models, "models"), (fraction,))
    check_group(group, folder)
    grid.record(group, folder)
    done: list[Run] = []
    seconds: list[float] = []
    states = [grid.state_of(folder, run.name) for run in group.runs]
    for number, config in enumerate(configs, start=1):
        run = Run(folder / str(config.name))
        one = _of_model(recording, config, run)
        if states[number - 1] == "complete":
            _check_same(one, run)
        else:
            left = states[number - 1 :].count("missing")
            console.note(f"[{number}/{len(configs)}] {run.name}{time_left(seconds, left)}")
            start = time.monotonic()
            run = _trained(train_fn, one, config, done)
            seconds.append(time.monotonic() - start)
        done.append(run)
    return done


def _of_model(recording: Recording, config: RunConfig, run: Run) -> Recording:
    """What is recorded of one model."""
    subset = {"model": config.subset.model, "fraction": config.subset.fraction, "seed": config.subset.seed}
    settings = {**recording.settings, "subset": subset}
    return replace(recording, path=run.path, seed=config.seed, settings=settings)


def _trained(train_fn: TrainFunction, recording: Recording, config: RunConfig, done: Sequence[Run]) -> Run:
    """The run of a model, after its training; it gets its name when it is complete."""
    labels = recording.labels
    ids = np.arange(len(labels["train"]))
    trained = trained_on(config.subset, ids)
    assert trained is not None
    clean = labels["train"] if recording.clean is None else recording.clean
    what = f"What train_fn returned for model {config.subset.model}"
    epochs: list[dict[str, EpochRecord]] = []
    ends, start = [], time.monotonic()
    for outputs in epochs_of(train_fn(np.flatnonzero(trained), config.seed)):
        records = records_of(outputs, labels, trained, what)
        originals = {**labels, "train": clean}
        epochs.append(
            {
                split: predicted_clean(record, labels[split], originals[split])
                for split, record in records.items()
            }
        )
        ends.append(time.monotonic())
    expected = done[0].outline.epochs if done else max(1, len(epochs))
    require(
        len(epochs) == expected,
        f"{what} are {len(epochs)} epochs, and must be {expected}: all models need the same number, at least one.",
    )
    recording = replace(recording, epochs=len(epochs))
    took = np.diff([start, *ends]).tolist()

    def write(run: Run) -> None:
        """Write all epochs, metrics and status into the folder of the run, which has no name yet."""
        writer = SampleLogWriter.open(run.path / "log.h5")
        try:
            held = HeldRun(run, writer)
            for epoch, (records, spent) in enumerate(zip(epochs, took, strict=True), start=1):
                writer.write(epoch, records)
                held.append_metrics(metrics_row(epoch, records, list(labels), (), spent, excluded=True))
            held.set_status("complete", len(epochs))
        finally:
            writer.close()

    classes = 1 + max(int(values.max()) for values in (*labels.values(), clean))
    return recording.create_run(labels, classes, (), _environment(), reduced=True, finish=write)


def _environment() -> dict[str, Any]:
    """Description of the machine."""
    import torch

    from memgate.training.environment import describe

    return describe(torch.device("cpu"))


def _check_same(recording: Recording, run: Run) -> None:
    """Raise MemgateError where a finished run has other labels, classes or settings than those given now."""
    if not run.recorded:
        raise MemgateError(f"{run.path} was trained by memgate: choose another name.")
    log = run.sample_log()
    require(
        set(log.splits) == set(recording.labels),
        f"{run.path} has the splits {', '.join(log.splits)}: choose another name.",
    )
    differs = {
        f"labels of {split}": not np.array_equal(log.samples(split).given_label, values)
        for split, values in recording.labels.items()
    }
    clean = recording.clean
    differs["clean labels"] = run.outline.clean_labels_known != (clean is not None) or (
        clean is not None and not np.array_equal(log.samples("train").clean_label, clean)
    )
    differs["class names"] = recording.class_names not in (None, log.class_names)
    differs["settings"] = json_values(run.settings) != recording.settings
    for what, other in differs.items():
        require(not other, f"{run.path} has other {what} than those given here: choose another name.")
