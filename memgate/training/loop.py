"""The training: one step, one epoch, evaluate, log, checkpoint. Readable from top to bottom."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from memgate import console
from memgate.config.run import RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.log.format import EpochRecord, LogLayout, logged_epochs
from memgate.log.writer import SampleLogWriter
from memgate.models import Forward
from memgate.runs.create import create_run
from memgate.runs.inputs import Inputs, inputs_of, load_inputs
from memgate.runs.metrics import metric_names, penalty_column
from memgate.runs.run import Run, command
from memgate.training import checkpoint
from memgate.training.checkpoint import TrainState
from memgate.training.environment import choose_device, choose_precision, describe
from memgate.training.evaluate import autocast, evaluate_split, summarise
from memgate.training.initial import initialised, new_state
from memgate.training.interrupt import Interrupt, Interrupted
from memgate.training.loader import Batch, DeviceImages
from memgate.training.objective import gate_losses, gate_modules, total_loss
from memgate.training.sample_buffer import SampleBuffer
from memgate.training.schedule import gate_lr, trunk_lr
from memgate.training.tensorboard import TensorBoard, check_installed
from noise.files.atomic import remove_leftovers


class Stopped(SystemExit):
    """The user stopped the training; the run can be resumed. The code is the shell's for the signal."""


def train(requested: RunConfig) -> Run:
    """Train a new run to its end.

    Raises:
        MemgateError: something the user can put right.
        Stopped: by Ctrl-C or SIGTERM; the run resumes.
    """
    config = requested.resolved()
    device = choose_device(config.device)
    precision = choose_precision(config.train.precision, device)
    config = replace(config, device=device.type, train=replace(config.train, precision=precision))
    check_installed(config.log.tensorboard)
    inputs = load_inputs(config)
    config, environment, fill = initialised(config, inputs.clean.train, describe(device), device)
    run = create_run(
        requested, config, environment, inputs.manifests, inputs.digests, log_layout(config, inputs), fill
    )
    console.note(f"Training {run.path} on {device.type}; if it stops: {command('resume', run.path)}")
    return _fit(run, inputs, device)


def resume(run: Run) -> Run:
    """Go on with a stopped, failed or crashed run from its last whole epoch.

    On the CPU the result is bit-identical to a run that was never stopped.

    Raises:
        MemgateError: the run is complete, being trained, or its data has changed.
        Stopped: by Ctrl-C or SIGTERM.
    """
    if run.status().state == "complete":
        raise MemgateError(f"{run.path} is complete: there is nothing to resume.")
    device = choose_device(run.config.device)
    if device.type == "cpu":
        # Sums are split by thread, so another number of threads would round differently.
        torch.set_num_threads(run.environment["threads"])
    return _fit(run, inputs_of(run), device)


def _fit(run: Run, inputs: Inputs, device: torch.device) -> Run:
    # The log's lock, which a killed process loses, decides whether somebody else is training the run.
    writer = SampleLogWriter.open(run.path / "log.h5")
    try:
        for folder in (run.path, run.path / "checkpoints"):
            remove_leftovers(folder)
        training = Training(run, inputs, device, writer)
        last = run.path / "checkpoints" / "last.pt"
        if last.exists():
            checkpoint.restore(training.state, last, device)
        training.fit()
    finally:
        writer.close()
    return run


def train_step(
    state: TrainState,
    batch: Batch,
    number: int,
    config: TrainConfig,
    on_forward: Callable[[Batch, Forward], object] = lambda *_: None,
) -> None:
    """One batch: the trunk's step when it is due, and the gate's steps.

    With ``gate_iters`` k, ``extra`` takes k gate steps on the features of each batch (the papers' text);
    ``starve`` takes one, and steps the trunk on every k-th batch of the epoch only, so that the last batches
    may train the gate alone (the authors' code; BatchNorm's statistics still see every batch).

    Args:
        state: changed in place.
        batch: the samples.
        number: of the batch within the epoch, counted from 1.
        config: of the training.
        on_forward: is given the batch and the network's answer, before anything is updated.
    """
    gate_optimiser = state.gate_optimiser
    starve = gate_optimiser is not None and config.gate_iters_mode == "starve"
    trunk_due = not starve or number % config.gate_iters == 0
    state.step += 1
    with autocast(batch.images.device, config.precision), torch.set_grad_enabled(trunk_due):
        forward = state.model(batch.images)
    on_forward(batch, forward)
    features = {gate.name: gate.features for gate in forward.gates if gate.features is not None}
    if trunk_due:
        state.trunk_optimiser.zero_grad()
        if gate_optimiser is not None:
            gate_optimiser.zero_grad()
        total_loss(forward, batch.labels).backward()
        state.trunk_optimiser.step()
        state.trunk_updates += 1
        if gate_optimiser is not None:
            gate_optimiser.step()
            state.gate_updates += 1
        extra = config.gate_iters - 1 if config.gate_iters_mode == "extra" else 0
    else:
        extra = 1
    for _ in range(extra):
        gate_step(state, features, batch.labels)


def gate_step(state: TrainState, features: dict[str, Tensor], labels: Tensor) -> None:
    """One step of the gates alone, on the features [b, d] that they read in this batch's forward pass."""
    if state.gate_optimiser is None:
        return
    modules = gate_modules(state.model)
    state.gate_optimiser.zero_grad()
    logits = {name: modules[name].classify(features[name]) for name in features}
    torch.stack([loss.mean() for loss in gate_losses(logits, labels).values()]).sum().backward()
    state.gate_optimiser.step()
    state.gate_updates += 1


class Training:
    """A run being trained: its data on the device, its state, its log."""

    def __init__(self, run: Run, inputs: Inputs, device: torch.device, writer: SampleLogWriter) -> None:
        self.run, self.config, self.device, self.writer = run, run.config, device, writer
        self.gates = self.config.model.gate_names
        self.images = {split: DeviceImages(inputs, split, device) for split in inputs.splits}
        self.state = new_state(self.config, inputs.clean.train, device)
        self.penalties = {name: torch.zeros((), device=device) for name in self.config.model.penalty_names}
        self.interrupt = Interrupt()

    def fit(self) -> None:
        """Train from the state's epoch to the last, log and checkpoint; status.json says how it ended."""
        run, epochs = self.run, self.config.train.epochs
        try:
            board = TensorBoard(run.path, self.config.log.tensorboard, self.state.epoch)
            run.keep_metrics(self.state.epoch)
            run.set_status("running", self.state.epoch)
            with self.interrupt, closing(board):
                while self.state.epoch < epochs:
                    self.one_epoch(board)
                    self.interrupt.check()
            run.set_status("complete", epochs)
        except (Interrupted, KeyboardInterrupt) as interrupt:
            self._stopped(interrupt.code if isinstance(interrupt, Interrupted) else 130)
        except torch.OutOfMemoryError as error:
            self._ended("failed", error)
            raise MemgateError(
                f"The GPU has too little memory for {run.name} ({str(error).splitlines()[0]}): take a smaller "
                f"--train.batch-size than {self.config.train.batch_size}."
            ) from error
        except OSError as error:
            self._ended("failed", error)
            raise MemgateError(
                f"{run.path} cannot be written after epoch {self.state.epoch} ({error}): free some space, then go "
                f"on with '{command('resume', run.path)}'."
            ) from error
        except BaseException as error:
            self._ended("failed", error)
            raise

    def _stopped(self, code: int) -> None:
        """The user has stopped the training; too late if every epoch is done."""
        epochs = self.config.train.epochs
        if self.state.epoch == epochs:
            self.run.set_status("complete", epochs)
            return
        self._ended("stopped")
        console.note(
            f"Stopped after epoch {self.state.epoch} of {epochs}. Go on with: {command('resume', self.run.path)}"
        )
        raise Stopped(code) from None

    def _ended(self, state: str, error: BaseException | None = None) -> None:
        with suppress(OSError):  # a full disk must not hide what happened
            message = f"{type(error).__name__}: {error}" if error else ""
            self.run.set_status(state, self.state.epoch, message)

    def one_epoch(self, board: TensorBoard) -> None:
        """Train one epoch, evaluate, log and checkpoint it."""
        began, state, epoch = time.monotonic(), self.state, self.state.epoch + 1
        logged = self.writer.logs(epoch)
        online = self._train_epoch(epoch, keep=logged and self.config.log.mode == "online")
        records = self._evaluate(online) if logged else {}
        row = self._metrics(epoch, records)
        improved = row.get("val_accuracy", -1.0) > state.best_accuracy
        if improved:
            state.best_accuracy = row["val_accuracy"]
        # The checkpoint last: an epoch that is in it is never missing from the log or the metrics.
        if records:
            self._log(epoch, records)
        row["seconds"] = time.monotonic() - began
        self.run.append_metrics(row)
        board.write(row, records, self.gates)
        self._checkpoint(epoch, improved)
        self.run.set_status("running", epoch)
        console.note(console.epoch_line(row, self.config.train.epochs, self.gates))

    def _metrics(self, epoch: int, records: dict[str, EpochRecord]) -> dict[str, float]:
        """The epoch's line of metrics.csv, all but its seconds; NaN where nothing was evaluated."""
        config, state = self.config.train, self.state
        row = {
            name: float("nan") for name in metric_names(list(self.images), self.gates, list(self.penalties))
        }
        row |= {"epoch": epoch, "lr": trunk_lr(config, epoch, state.step - 1)}
        row |= {"trunk_updates": state.trunk_updates, "gate_updates": state.gate_updates}
        row |= {penalty_column(name): value.item() for name, value in self.penalties.items()}
        if state.gate_optimiser is not None:
            row["gate_lr"] = gate_lr(config, epoch)
        for split, record in records.items():
            row |= summarise(record, split, self.gates)
        if records and not np.isfinite(row["train_loss"]):
            raise MemgateError(
                f"The loss is no number any more after epoch {epoch}: train it anew by "
                f"'{command('train --like', self.run.path)} --name NEW' with a smaller --train.lr than {config.lr} "
                "or more --train.warmup-iterations."
            )
        return row

    def _train_epoch(self, epoch: int, keep: bool) -> EpochRecord | None:
        """All batches once; with ``keep``, the values of the training pass itself."""
        config, state, images = self.config.train, self.state, self.images["train"]
        buffer = SampleBuffer(images.given, images.clean, self.gates) if keep else None
        state.model.train()
        if state.gate_optimiser is not None:
            _set_lr(state.gate_optimiser, gate_lr(config, epoch))
        batches = images.training_batches(self.config.seed, epoch, config.batch_size)
        total = -(-len(images) // config.batch_size)
        self.penalties = {name: torch.zeros_like(sum_) for name, sum_ in self.penalties.items()}

        def keep_values(batch: Batch, forward: Forward) -> None:
            if buffer is not None:
                buffer.update(batch.index, forward)
            for name, penalty in forward.penalties.items():
                self.penalties[name] += penalty.detach() * (len(batch.index) / len(images))

        shown = console.progress(batches, total, f"epoch {epoch}/{config.epochs}")
        for number, batch in enumerate(shown, start=1):
            self.interrupt.check()
            _set_lr(state.trunk_optimiser, trunk_lr(config, epoch, state.step))
            train_step(state, batch, number, config, keep_values)
        return buffer.record() if buffer else None

    def _evaluate(self, online: EpochRecord | None) -> dict[str, EpochRecord]:
        records = {"train": online} if online else {}
        for split, images in self.images.items():
            if split not in records:
                records[split] = evaluate_split(
                    self.state.model,
                    images,
                    self.gates,
                    self.config.train.precision,
                    between=self.interrupt.check,
                )
        return records

    def _log(self, epoch: int, records: dict[str, EpochRecord]) -> None:
        """Log an epoch; a disk that refuses costs the epoch's rows and not the training."""
        try:
            self.writer.write(epoch, records)
        except OSError as error:
            console.warn(
                f"epoch {epoch} could not be written to {self.run.path / 'log.h5'} ({error}); the training goes on "
                "and the earlier epochs are safe. Free some space to have the next ones logged."
            )

    def _checkpoint(self, epoch: int, improved: bool) -> None:
        """Save what is due, last.pt at the end: a run resumes from it, so it must not be ahead of the others."""
        every = self.config.train.checkpoint_every
        kept = every and (epoch % every == 0 or epoch == self.config.train.epochs)
        names = ["best"] * improved + [f"epoch_{epoch:03d}"] * bool(kept) + ["last"]
        finished = replace(self.state, epoch=epoch)
        for name in names:
            checkpoint.save(finished, self.run.path / "checkpoints" / f"{name}.pt")
        self.state.epoch = epoch


def log_layout(config: RunConfig, inputs: Inputs) -> LogLayout:
    """What the log of a run will hold."""
    return LogLayout(
        splits={split: inputs.samples(split) for split in inputs.splits},
        gates=config.model.gate_names,
        epochs=logged_epochs(config.train.epochs, config.log.every),
        mode=config.log.mode,
        class_names=inputs.clean.train.class_names,
    )


def _set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr
