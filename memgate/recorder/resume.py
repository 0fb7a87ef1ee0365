"""A recorded run is taken up again: what must be the same, and what a kill left undone."""

import numpy as np

from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.log.writer import SampleLogWriter
from memgate.recorder.metrics import mended_rows
from memgate.recorder.recording import OWN, Recording
from memgate.runs.metrics import write
from memgate.runs.run import Run
from noise.files.atomic import remove_leftovers
from noise.files.digests import source_digest


def take_up(recording: Recording, run: Run) -> tuple[SampleLog, SampleLogWriter, int]:
    """Go on with a run after its last whole epoch, whose metrics and status are made to agree with its log.

    Returns:
        The log for reading, the log for writing, and the last epoch.

    Raises:
        MemgateError: it is another run than the recording describes, somebody writes to it, or the disk refuses.
    """
    _check_same(recording, run)
    log, writer = run.sample_log(), SampleLogWriter.open(run.path / "log.h5")
    try:
        remove_leftovers(run.path)
        epoch = int(log.epochs("train").max(initial=0))
        write(run.path / "metrics.csv", mended_rows(log, run.metrics()))
        run.set_status("complete" if epoch == recording.epochs else "running", epoch)
    except BaseException as error:
        writer.close()
        if isinstance(error, OSError):
            raise MemgateError(
                f"{run.path} cannot be written ({error}): free some space, then go on."
            ) from error
        raise
    return log, writer, epoch


def _check_same(recording: Recording, run: Run) -> None:
    """Raise MemgateError unless a run is the one that the arguments describe; what they leave open is the run's."""
    require(run.recorded, f"{run.path} was trained by memgate: go on with it by memgate resume.")
    log, outline = run.sample_log(), run.outline
    samples = {split: log.samples(split) for split in log.splits}
    same = {
        "n_samples": ({split: len(found) for split, found in samples.items()}, recording.counts),
        "epochs": (len(log.planned), recording.epochs),
        "mode": (log.mode, recording.mode),
        "class_names": (log.class_names, recording.class_names or log.class_names),
        "data": (outline.data, outline.data if recording.data == OWN else recording.data),
        "model": (outline.model, outline.model if recording.model == OWN else recording.model),
        "seed": (outline.seed, outline.seed if recording.seed is None else recording.seed),
    }
    for key, value in recording.settings.items():
        same[f"setting {key}"] = (run.settings.get(key), value)
    for what, (there, here) in same.items():
        # As texts: NaN is not equal to itself.
        alike = there == here or repr(there) == repr(here)
        require(alike, f"{run.path} has the {what} {there} and not {here}: choose another name.")
    other = {
        f"labels of {split}": ((labels >= 0) & (labels != samples[split].given_label)).any()
        for split, labels in recording.given.items()
    }
    clean = recording.clean_labels
    other["clean labels"] = clean is not None and not np.array_equal(clean, samples["train"].clean_label)
    if recording.manifest is not None:
        columns = (recording.manifest.header.column_digests, run.manifest.header.column_digests)
        other["causes, by its manifest,"] = columns[0] != columns[1]
    for split, images in recording.images.items():
        found = source_digest(images, samples[split].clean_label.astype(np.int64))
        other[f"images of {split}, or none,"] = found != run.digests[split]
    for what, differs in other.items():
        require(not differs, f"{run.path} has other {what} than those given here: choose another name.")
