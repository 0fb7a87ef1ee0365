"""Continuing a recorded run: check that it is the same run, and repair what a crash left unfinished."""

import numpy as np

from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from memgate.recorder.arguments import json_values
from memgate.recorder.metrics import repair
from memgate.recorder.recording import OWN, Recording
from memgate.runs.held import HeldRun
from memgate.runs.run import Run
from noise.files.atomic import remove_leftovers
from noise.files.digests import source_digest


def continue_run(recording: Recording, run: Run) -> tuple[SampleLog, SampleLogWriter, int]:
    """Open a run to continue it after its last complete epoch; metrics and status are made to agree with the log.

    Returns:
        The log's reader, the log's writer, and the last epoch in the log.

    Raises:
        MemgateError: the run is not the one that the recording describes, another process writes to it, or the disk
            is full.
    """
    _check_same(recording, run)
    log, writer = run.sample_log(), SampleLogWriter.open(run.path / "log.h5")
    try:
        remove_leftovers(run.path)
        epoch, held = int(log.epochs("train").max(initial=0)), HeldRun(run, writer)
        repair(held, log)
        held.set_status("complete" if epoch == recording.epochs else "running", epoch)
    except BaseException as error:
        writer.close()
        if isinstance(error, OSError):
            raise MemgateError(
                f"{run.path} cannot be written ({error}): free some space, then resume."
            ) from error
        raise
    return log, writer, epoch


def _check_same(recording: Recording, run: Run) -> None:
    """Raise MemgateError where the run differs from the recording; arguments that were left out are not compared."""
    require(run.recorded, f"{run.path} was trained by memgate: resume it by 'memgate resume'.")
    log, outline = run.sample_log(), run.outline
    samples = {split: log.samples(split) for split in log.splits}
    pairs = {
        "n_samples": ({split: len(columns) for split, columns in samples.items()}, recording.counts),
        "epochs": (len(log.planned), recording.epochs),
        "mode": (log.mode, recording.mode),
        "class_names": (log.class_names, recording.class_names or log.class_names),
        "data": (outline.data, outline.data if recording.data == OWN else recording.data),
        "model": (outline.model, outline.model if recording.model == OWN else recording.model),
        "seed": (outline.seed, outline.seed if recording.seed is None else recording.seed),
    }
    settings = json_values(run.settings)  # NaN was kept as a number in version 0.1.0
    for key, value in recording.settings.items():
        pairs[f"setting {key}"] = (settings.get(key), value)
    for what, (stored, given) in pairs.items():
        require(stored == given, f"{run.path} has the {what} {stored} and not {given}: choose another name.")
    differs = {
        f"labels of {split}": ((labels >= 0) & (labels != samples[split].given_label)).any()
        for split, labels in recording.given.items()
    }
    clean = recording.clean_labels
    differs["clean labels"] = clean is not None and not np.array_equal(clean, samples["train"].clean_label)
    if recording.manifest is not None:
        digests = (recording.manifest.header.column_digests, run.manifest.header.column_digests)
        differs["causes in its manifest"] = digests[0] != digests[1]
    for split, images in recording.images.items():
        digest = source_digest(images, samples[split].clean_label.astype(np.int64))
        differs[f"images of {split} (or none)"] = digest != run.digests[split]
    for what, other in differs.items():
        require(not other, f"{run.path} has other {what} than those given here: choose another name.")
