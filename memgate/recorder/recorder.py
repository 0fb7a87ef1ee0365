"""A recorder for other people's loops: any PyTorch training writes memgate's log, and becomes a run.

    with Recorder(len(data), epochs=20, name="mine") as recorder:
        for _ in range(recorder.epoch, 20):
            for images, labels, index in loader:
                ...  # the step, as it was
                recorder.update(index, logits, labels)
            recorder.end_epoch()

Report, scores, export and dashboard then work on it as on a run that memgate has trained. What needs the network
itself does not, since memgate has none.
"""

import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from memgate import console
from memgate.errors import MemgateError, require
from memgate.log.format import EpochRecord
from memgate.log.writer import SampleLogWriter
from memgate.recorder.arguments import whole
from memgate.recorder.batch import (
    Gates,
    RecordedSplit,
    checked_batch,
    drop_pending,
    in_order,
    named,
    splits_of,
)
from memgate.recorder.metrics import mended_rows, metrics_row
from memgate.recorder.recording import plan
from memgate.recorder.resume import take_up
from memgate.runs import metrics
from memgate.runs.create import reserve
from memgate.runs.run import Run, is_run
from memgate.training.environment import describe
from noise.manifest.manifest import Manifest


class Recorder:
    """Writes what a training loop says of its samples to a run directory of memgate's.

    The run is made at the end of the first epoch, when all labels have been seen. An epoch is on the disk when
    :meth:`end_epoch` returns; a crash loses the one that is going on and no other. As a context manager, the run
    is *failed* after an exception and *stopped* after Ctrl-C or where the loop ends early. One process writes;
    of a training on several devices, record on one that sees all samples.
    """

    def __init__(
        self,
        n_samples: int | Mapping[str, int],
        epochs: int,
        *,
        name: str,
        out: str | Path = "runs",
        labels: ArrayLike | Mapping[str, ArrayLike] | None = None,
        clean_labels: ArrayLike | None = None,
        manifest: Manifest | str | Path | None = None,
        class_names: Sequence[str] | None = None,
        images: ArrayLike | Mapping[str, ArrayLike] | None = None,
        mode: Literal["online", "eval"] = "online",
        data: str = "own",
        model: str = "own",
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        """Check everything and keep the name; the run itself is made at the end of the first epoch.

        Args:
            n_samples: of the training split, or split (``train``, and if you like ``val`` and ``test``) to number.
            epochs: at most so many are going to be recorded.
            name: of the run and its folder.
            out: folder that holds the runs.
            labels: given labels [N] of the training split, or by split. Needed for samples that no batch has before
                the first :meth:`end_epoch`; what is known is compared with every batch.
            clean_labels: [N], of the training split, where given ones are known to be wrong. None: the given ones.
            manifest: instead, what 'memgate corrupt write' did to the training split; ``index`` counts its rows,
                and their ids are the samples' ids.
            class_names: K names. None: the manifest's, or the numbers.
            images: uint8 [N, H, W, 3] or grey [N, H, W] of the training split, or by split, as the network is given
                them before augmentation: the dashboard shows them. They are copied into the run.
            mode: how the training split's values come about. ``online``: in the training pass itself; ``eval``: in
                an evaluation pass over the images as they are.
            data: name of the data set, for lists of runs.
            model: name of the network, likewise.
            seed: of the training, likewise.
            settings: whatever else is to stand in config.json, such as ``vars(args)``; what is no JSON value as text.
            resume: go on with the run of that name where it exists, after its last recorded epoch. What is left out
                above is the run's; what is given must be the same.

        Raises:
            MemgateError: an argument is out of its range, the name is taken, or the run to go on with is another.
        """
        self._recording = recording = plan(
            out, name, n_samples, epochs, labels, clean_labels, manifest, class_names, images,
            mode=mode, data=data, model=model, seed=seed, settings=settings,
        )  # fmt: skip
        self._splits = {
            split: RecordedSplit(found, recording.clean_labels if split == "train" else None)
            for split, found in recording.given.items()
        }
        self._classes = None if recording.class_names is None else len(recording.class_names)
        self._gates: tuple[str, ...] | None = None
        self._device = torch.device("cpu")
        self._run: Run | None = None
        self._writer: SampleLogWriter | None = None
        self._began = time.monotonic()
        self._passed = 0  # epochs that ended, recorded or lost
        self._counting = False  # whether end_epoch() is called without a number
        self._metrics_whole = True
        self._lost = ""
        self.epoch = 0
        """The last epoch that was recorded; 0 before the first."""
        self._release = weakref.finalize(self, reserve(self.path))
        if self.path.exists():
            self._release()
            require(
                resume and is_run(self.path),
                f"{self.path} exists already: choose another name"
                + (", or go on with it by resume=True." if is_run(self.path) else "."),
            )
            self._go_on(Run(self.path))

    @property
    def path(self) -> Path:
        """The run's folder; it is there after the first epoch."""
        return self._recording.path

    @torch.inference_mode(False)  # what it keeps has to outlive the loop's inference mode
    @torch.no_grad()
    def update(
        self,
        index: Tensor | ArrayLike,
        logits: Tensor | ArrayLike,
        labels: Tensor | ArrayLike,
        gate: Gates = None,
        *,
        gate_logits: Gates = None,
        split: str = "train",
    ) -> None:
        """Record one batch. The network's tensors may be on any device, of any precision, and of a graph.

        Args:
            index: which samples [b], from 0: their positions in the data set. Of a sample that comes twice in an
                epoch, the last values count.
            logits: [b, K]. NaN, of a training that has diverged, is recorded as it is.
            labels: given labels [b].
            gate: gate values g [b] or [b, 1] in [0, 1], or name to such values for several gates; above 0.5 counts
                as routed through the block. A single tensor is the gate ``gate``.
            gate_logits: logits [b, K] of the gates' own classifiers, likewise: their entropy H and their prediction
                are recorded with g. Missing where a gate has none.
            split: which split.

        Raises:
            MemgateError: shapes do not fit, an index or label is out of range, a label is another than before (then
                ``index`` is not the sample's position), or it is an epoch too many.
        """
        known = self._splits.get(split)
        if known is None:
            raise MemgateError(f"There is no split {split!r}: n_samples has {', '.join(self._splits)}.")
        planned = self._recording.epochs
        require(
            split != "train" or not self._counting or self._passed < planned,
            f"This batch is of epoch {planned + 1}, and the Recorder has epochs={planned}: end the loop there, or "
            "record it anew with more epochs.",
        )
        values = in_order(named(gate), self._gates)
        batch = checked_batch(index, logits, labels, values, named(gate_logits), len(known.given))
        if len(batch.index) == 0:
            return
        require(
            self._classes in (None, batch.classes),
            f"logits have {batch.classes} classes, and there are {self._classes}.",
        )
        if self._classes is None:
            self._recording.check_classes(batch.classes)
        device = batch.forward.logits.device
        known.move(device)
        batch.check(known.given[batch.index], "" if self._run is None else self._recording.wrong_labels)
        self._classes, self._gates, self._device = batch.classes, batch.gates, device
        known.add(batch)

    def end_epoch(self, epoch: int | None = None) -> None:
        """Write the epoch to the disk; a full disk costs the epoch's rows and not the training.

        Args:
            epoch: its number, from 1. None: the one after the last. Numbers may be left out. Where it was recorded
                before (a training goes on from an older checkpoint), it and all later ones are dropped first.

        Raises:
            MemgateError: the number is out of range, no training sample was seen, or, at the end of the first epoch,
                labels are unknown or the run cannot be made.
        """
        self._counting = epoch is None
        epoch = self._passed + 1 if epoch is None else whole(epoch, "epoch")
        planned = self._recording.epochs
        require(1 <= epoch <= planned, f"Epoch {epoch} is out of range: the Recorder has epochs={planned}.")
        require(
            self._splits["train"].buffer is not None,
            f"No training sample was seen in epoch {epoch}: call update() for each batch before end_epoch().",
        )
        run, _ = self._begun()
        closed = {split: known.closed() for split, known in self._splits.items()}
        records = {split: record for split, record in closed.items() if record is not None}
        seconds = time.monotonic() - self._began
        self._passed, self._began = epoch, time.monotonic()
        try:
            self._write(epoch, records, seconds)
        except OSError as error:
            self._metrics_whole = False
            self._lost = f"epoch {epoch} could not be written to {run.path} ({error})"
            gone = not is_run(run.path)
            remedy = (
                "the run was deleted or moved, and nothing more is recorded" if gone else "free some space"
            )
            console.warn(f"{self._lost}: {remedy}.")

    def _write(self, epoch: int, records: Mapping[str, EpochRecord], seconds: float) -> None:
        """Log, then metrics, then status: what a kill in between leaves undone can be mended from the log."""
        run, writer = self._begun()
        (run.path / "log.h5").stat()  # an open file that was deleted takes everything
        try:
            if epoch <= self.epoch:
                writer.keep(epoch - 1)
                run.keep_metrics(epoch - 1)
            writer.write(epoch, records)
        finally:
            self.epoch = writer.last_epoch
        row = metrics_row(epoch, records, list(self._splits), self._gates or (), seconds)
        if self._metrics_whole:
            run.append_metrics(row)
        else:
            metrics.write(run.path / "metrics.csv", mended_rows(run.sample_log(), [*run.metrics(), row]))
            self._metrics_whole = True
        run.set_status("complete" if epoch == self._recording.epochs else "running", epoch)

    def close(self) -> None:
        """Say that no more epochs come, and give back the log's lock. The run stays as it is."""
        drop_pending(self._splits)
        self._ended("stopped")

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, Exception):
            self._ended("failed", f"{kind.__name__}: {error}")
        else:
            self._ended("stopped")

    def _ended(self, state: str, message: str = "") -> None:
        if self._run is not None and self._writer is not None:
            if self.epoch == self._recording.epochs:
                state = message = ""
            elif self.epoch < self._passed:
                message = message or self._lost
            with suppress(OSError):  # a full disk must not hide what happened
                self._run.set_status(state or "complete", self.epoch, message)
            self._writer.close()
            self._writer = None
        self._release()

    def _begun(self) -> tuple[Run, SampleLogWriter]:
        """The run and its open log, made if need be."""
        if self._run is None:
            given = {split: known.given.cpu().numpy() for split, known in self._splits.items()}
            classes = self._classes or 0
            self._run = self._recording.begin(given, classes, self._gates or (), describe(self._device))
            self._release()
        if self._writer is None:
            self._writer = SampleLogWriter.open(self.path / "log.h5")
        return self._run, self._writer

    def _go_on(self, run: Run) -> None:
        """Take up a run where it was left.

        Raises:
            MemgateError: it is another run than the arguments say, or somebody writes to it.
        """
        log, self._writer, self.epoch = take_up(self._recording, run)
        self._run, self._splits, self._passed = run, splits_of(log), self.epoch
        self._classes, self._gates = len(log.class_names), log.gates
