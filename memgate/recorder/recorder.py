"""Records the per-sample values of any PyTorch training loop in memgate's log; the result is a run.

    with Recorder(len(data), epochs=20, name="mine") as recorder:
        for _ in range(recorder.epoch, 20):
            for images, labels, index in loader:
                ...  # the training step, unchanged
                recorder.update(index, logits, labels)
            recorder.end_epoch()

Report, scores, export and dashboard work on it as on any run; probes of the network do not, for want of a checkpoint.
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
from memgate.data.plain_images import plain_notes
from memgate.errors import MemgateError, require
from memgate.log.format import EpochRecord
from memgate.log.writer import SampleLogWriter
from memgate.recorder.arguments import class_list, json_values, run_folder, split_counts, text, whole
from memgate.recorder.batch import Gates, checked_batch, in_order, named
from memgate.recorder.labels import checked_labels, images_by_split, labels_by_split, loaded_manifest
from memgate.recorder.metrics import metrics_row, repair
from memgate.recorder.recording import Recording
from memgate.recorder.resume import continue_run
from memgate.recorder.splits import RecordedSplit, drop_pending, splits_of
from memgate.runs.create import reserve
from memgate.runs.held import HeldRun, RunGoneError
from memgate.runs.run import Run, is_run
from memgate.training.environment import describe
from noise.manifest.manifest import Manifest


class Recorder:
    """Records what a training loop outside memgate computes for each sample, in a run directory.

    The run is created at the end of the first epoch, when all labels are known. An epoch is on the disk when
    :meth:`end_epoch` returns; a crash loses the current epoch only. Used as a context manager, the run's state becomes
    *failed* after an exception and *stopped* after Ctrl-C or where the loop ends early. One process writes a run: in
    distributed training, record in a process that sees all samples.

    Example:
        >>> images, labels = torch.rand(32, 12), torch.arange(32) % 3
        >>> network = torch.nn.Linear(12, 3)
        >>> optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        >>> with Recorder(len(images), epochs=2, name="mine", out=tmp_path / "recorded") as recorder:
        ...     for _ in range(recorder.epoch, 2):
        ...         for index in torch.randperm(32).split(8):
        ...             logits = network(images[index])
        ...             loss = torch.nn.functional.cross_entropy(logits, labels[index])
        ...             optimiser.zero_grad()
        ...             loss.backward()
        ...             optimiser.step()
        ...             recorder.update(index, logits, labels[index])
        ...         recorder.end_epoch()
        >>> Run(recorder.path).status().state
        'complete'
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
        """Check all arguments and reserve the name; the run itself is created at the end of the first epoch.

        Args:
            n_samples: number of training samples, or split (``train``, optionally ``val`` and ``test``) to number.
            epochs: number of epochs planned; fewer may be recorded, more may not.
            name: name of the run and of its folder.
            out: folder that contains the runs.
            labels: given labels [N] of the training split, or split to labels. Needed for samples that are in no batch
                before the first :meth:`end_epoch`; every batch is compared with the labels that are known.
            clean_labels: clean labels [N] of the training split. None: not known, so that no sample is called clean.
            manifest: in place of ``clean_labels``, what 'memgate corrupt write' did to the training split; ``index``
                counts its rows, and its sample ids become those of the run.
            class_names: K names. None: those of the manifest, or the class numbers.
            images: uint8 [N, H, W, 3], or grey [N, H, W], of the training split, or split to images, as the network
                receives them before augmentation. They are copied into the run, and the dashboard shows them.
            mode: source of the training split's values. ``online``: the training pass itself; ``eval``: an evaluation
                pass over the images without augmentation.
            data: name of the data set, shown in lists of runs.
            model: name of the network, shown in lists of runs.
            seed: seed of the training, shown in lists of runs.
            settings: further settings for config.json, such as ``vars(args)``; values that JSON has no type for are
                stored as text.
            resume: continue the run of that name after its last recorded epoch, where it exists. Arguments that are
                left out are taken from the run; those that are given must be the same.

        Raises:
            MemgateError: an argument is out of its range, the name is taken, or the run to continue is another one.
        """
        counts, manifest = split_counts(n_samples), loaded_manifest(manifest)
        if manifest is not None and class_names is None:
            class_names = manifest.header.class_names
        self._recording = recording = Recording(
            path=run_folder(out, name),
            counts=counts,
            epochs=whole(epochs, "epochs"),
            class_names=class_list(class_names),
            labels=labels_by_split(labels, counts),
            clean=None
            if clean_labels is None
            else checked_labels(clean_labels, counts.get("train", 0), "clean_labels"),
            manifest=manifest,
            images=images_by_split(images, counts),
            mode=mode,
            data=text(data, "data"),
            model=text(model, "model"),
            seed=None if seed is None else whole(seed, "seed"),
            settings=json_values(settings),
        )
        for split, pictures in recording.images.items():
            console.warn(*plain_notes(pictures, f"images of {split}"))
        self._splits = {
            split: RecordedSplit(given, recording.clean_labels if split == "train" else None)
            for split, given in recording.given.items()
        }
        self._classes = None if recording.class_names is None else len(recording.class_names)
        self._gates: tuple[str, ...] | None = None
        self._device = torch.device("cpu")
        self._run: Run | None = None
        self._writer: SampleLogWriter | None = None
        self._epoch_start = time.monotonic()
        self._ended_epochs = 0  # the last epoch that ended, whether it could be written or not
        self._counting = False  # whether end_epoch() is called without a number
        self._metrics_complete = True
        self._write_error = ""
        self._closed = False
        self.epoch = 0
        """The last epoch that was recorded; 0 before the first."""
        if not self.path.exists():
            recording.check_no_empty_class()
        self._release = weakref.finalize(self, reserve(self.path))
        if self.path.exists():
            self._release()
            require(
                resume and is_run(self.path),
                f"{self.path} exists already: choose another name"
                + (", or continue it with resume=True." if is_run(self.path) else "."),
            )
            self._continue(Run(self.path))

    @property
    def path(self) -> Path:
        """The run's folder; it exists after the first epoch."""
        return self._recording.path

    @torch.inference_mode(False)  # stored tensors must remain usable after the loop's inference mode
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
        """Record one batch. Tensors may be on any device, of any precision, and may require gradients.

        Args:
            index: positions [b] of the samples in the data set, from 0. Where a sample occurs twice in an epoch, its
                last values are kept.
            logits: [b, K]. NaN, after a training has diverged, is recorded as NaN.
            labels: given labels [b].
            gate: gate values g [b] or [b, 1] in [0, 1], or gate name to such values; above 0.5 counts as routed
                through the block, NaN as missing. A gate without a name is called ``gate``.
            gate_logits: logits [b, K] of the gates' own classifiers, in the same form, for their entropy H and their
                predicted class. Gates without a classifier are left out.
            split: name of the split.

        Raises:
            MemgateError: shapes do not fit, an index or label is out of range, a label differs from an earlier one
                (then ``index`` is not the sample's position), or all planned epochs are recorded already.
        """
        self._check_open()
        state = self._splits.get(split)
        if state is None:
            raise MemgateError(f"There is no split {split!r}: n_samples has {', '.join(self._splits)}.")
        planned = self._recording.epochs
        require(
            split != "train" or not self._counting or self._ended_epochs < planned,
            f"This batch is of epoch {planned + 1}, and the Recorder has epochs={planned}: end the loop there, or "
            "record a new run with more epochs.",
        )
        values = in_order(named(gate), self._gates)
        batch = checked_batch(index, logits, labels, values, named(gate_logits), len(state.given))
        if len(batch.index) == 0:
            return
        require(
            self._classes in (None, batch.classes),
            f"logits have {batch.classes} classes, and there are {self._classes}.",
        )
        if self._classes is None:
            self._recording.check_classes(batch.classes)
        device = batch.forward.logits.device
        state.move(device)
        batch.check(state.given[batch.index], "" if self._run is None else self._recording.wrong_labels)
        self._classes, self._gates, self._device = batch.classes, batch.gates, device
        state.add(batch)

    def end_epoch(self, epoch: int | None = None) -> None:
        """Write the epoch to the disk; where the disk is full, the epoch's rows are lost and the training continues.

        Args:
            epoch: number of the epoch, from 1; numbers may be skipped. None: the one after the last. Where the epoch
                was recorded before (a training that was restarted from an older checkpoint), it and all later epochs
                are deleted from the log first.

        Raises:
            MemgateError: the number is out of range, no training sample was seen, or, at the end of the first epoch,
                labels are unknown or the run cannot be created.
        """
        self._check_open()
        self._counting = epoch is None
        epoch = self._ended_epochs + 1 if epoch is None else whole(epoch, "epoch")
        planned = self._recording.epochs
        require(1 <= epoch <= planned, f"Epoch {epoch} is out of range: the Recorder has epochs={planned}.")
        require(
            self._splits["train"].buffer is not None,
            f"No training sample was seen in epoch {epoch}: call update() for each batch before end_epoch().",
        )
        held = HeldRun(*self._opened())
        records = {split: record for split, state in self._splits.items() if (record := state.take_record())}
        seconds = time.monotonic() - self._epoch_start
        self._ended_epochs, self._epoch_start = epoch, time.monotonic()
        try:
            self._write(held, epoch, records, seconds)
        except RunGoneError as error:
            self._write_error = str(error)
            console.warn(f"Epoch {epoch} was not recorded: {error}")
        except OSError as error:
            self._metrics_complete = False
            self._write_error = f"epoch {epoch} could not be written to {self.path} ({error})"
            console.warn(f"{self._write_error}: free some space.")

    def _write(self, held: HeldRun, epoch: int, records: Mapping[str, EpochRecord], seconds: float) -> None:
        """Write the log, then metrics, then status, so that after a crash the later two are repaired from the log."""
        held.check()  # writing to a file that was deleted while open would not fail
        try:
            if epoch <= self.epoch:
                held.set_status("running", epoch - 1)  # first: it never names an epoch without metrics
                held.writer.keep(epoch - 1)
                self._write_metrics(held)
                held.keep_metrics(epoch - 1)
            held.writer.write(epoch, records)
        finally:
            self.epoch = held.writer.last_epoch
        self._write_metrics(held, metrics_row(epoch, records, list(self._splits), self._gates or (), seconds))
        held.set_status("complete" if epoch == self._recording.epochs else "running", epoch)

    def _write_metrics(self, held: HeldRun, *rows: Mapping[str, float]) -> None:
        """Add lines to metrics.csv, and those that a full disk has left out; raises as its writers do."""
        if self._metrics_complete:
            for row in rows:
                held.append_metrics(row)
        else:
            repair(held, held.run.sample_log(), *rows)
            self._metrics_complete = True

    def close(self) -> None:
        """End the recording for good and release the log's lock; the run keeps its recorded epochs."""
        drop_pending(self._splits)
        self._finish("stopped")

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, Exception):
            self._finish("failed", f"{kind.__name__}: {error}")
        else:
            self._finish("stopped")

    def _finish(self, state: str, message: str = "") -> None:
        """Set the run's state (``complete`` where all epochs are recorded), close the log and release the name."""
        if self._run is not None and self._writer is not None:
            if self.epoch == self._recording.epochs:
                state, message = "complete", ""
            elif self.epoch < self._ended_epochs:
                message = message or self._write_error
            held = HeldRun(self._run, self._writer)
            # Neither a full disk nor a moved folder may replace the exception that ended the loop.
            with suppress(OSError, MemgateError):
                self._write_metrics(held)
            with suppress(OSError, RunGoneError):
                held.set_status(state, self.epoch, message)
            self._writer.close()
            self._writer = None
        self._closed = True
        self._release()

    def _check_open(self) -> None:
        """Raise MemgateError after :meth:`close` or the end of the with block, when another process may record."""
        require(
            not self._closed,
            f"The Recorder of {self.path} is closed: call update() and end_epoch() inside the with block and before "
            "close(), or continue the run by Recorder(..., resume=True).",
        )

    def _opened(self) -> tuple[Run, SampleLogWriter]:
        """The run and the writer of its log; both are created on the first call."""
        if self._run is None:
            given = {split: state.given.cpu().numpy() for split, state in self._splits.items()}
            classes = self._classes or 0
            self._run = self._recording.create_run(given, classes, self._gates or (), describe(self._device))
            self._release()
        if self._writer is None:
            self._writer = SampleLogWriter.open(self.path / "log.h5")
        return self._run, self._writer

    def _continue(self, run: Run) -> None:
        """Continue a run after its last epoch.

        Raises:
            MemgateError: the run is not the one that the arguments describe, or another process writes to it.
        """
        log, self._writer, self.epoch = continue_run(self._recording, run)
        self._run, self._splits, self._ended_epochs = run, splits_of(log), self.epoch
        self._classes, self._gates = len(log.class_names), log.gates
