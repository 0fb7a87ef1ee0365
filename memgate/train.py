"""The training: one step, one epoch, evaluate, log, checkpoint. Readable from top to bottom."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from memgate import checkpoint, console
from memgate.checkpoint import TrainState
from memgate.config import RunConfig, TrainConfig
from memgate.environment import choose_device, describe
from memgate.errors import MemgateError
from memgate.evaluate import SampleBuffer, autocast, summarise, sweep
from memgate.inputs import Inputs, load_inputs
from memgate.loader import Batch, DeviceImages
from memgate.logformat import EpochRecord, LogLayout, logged_epochs
from memgate.models import Forward, build_model
from memgate.objective import gate_losses, gate_modules, parameter_groups, total_loss
from memgate.runs import Run, create_run, metric_names
from memgate.samplelog import SampleLogWriter
from memgate.schedule import gate_lr, trunk_lr
from memgate.seeding import stream_seed
from memgate.tensorboard import TensorBoard


class Stopped(SystemExit):
    """The user stopped the training; the run can be resumed. The code is the shell's for the signal."""


def start(config: RunConfig) -> Run:
    """Train a new run to its end.

    Raises:
        MemgateError: something the user can put right.
        Stopped: by Ctrl-C or SIGTERM; the run resumes.
    """
    config = config.resolved()
    device = choose_device(config.device)
    inputs = load_inputs(config)
    run = create_run(config, describe(device), inputs.manifest)
    SampleLogWriter.create(run.path / "log.h5", layout(config, inputs)).close()
    Training(run, inputs, device).fit()
    return run


def resume(run: Run) -> Run:
    """Go on with a stopped, failed or crashed run from its last whole epoch.

    On the CPU the result is bit-identical to a run that was never stopped.

    Raises:
        MemgateError: the run is complete, being trained, or its data has changed.
        Stopped: by Ctrl-C or SIGTERM.
    """
    state = run.status().shown
    if state == "complete":
        raise MemgateError(f"{run.path} is complete: there is nothing to resume.")
    if state == "running":
        raise MemgateError(f"{run.path} is being trained by process {run.status().pid}: stop that one first.")
    device = choose_device(run.config.device)
    if device.type == "cpu":
        # Sums are split by thread, so another number of threads would round differently.
        torch.set_num_threads(run.environment["threads"])
    inputs = load_inputs(run.config, expected=run.manifest)
    if not (run.path / "log.h5").exists():
        SampleLogWriter.create(run.path / "log.h5", layout(run.config, inputs)).close()
    training = Training(run, inputs, device)
    last = run.path / "checkpoints" / "last.pt"
    if last.exists():
        checkpoint.restore(training.state, last, device)
    training.fit()
    return run


def new_state(config: RunConfig, classes: int, device: torch.device) -> TrainState:
    """Fresh network and optimisers: SGD with momentum over trunk and gates, disjoint."""
    model = build_model(config.model, classes, stream_seed(config.seed, "weights")).to(device)
    trunk, gates = parameter_groups(model)

    def sgd(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        settings = config.train
        return torch.optim.SGD(
            parameters, settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True
        )

    return TrainState(model, sgd(trunk), sgd(gates) if gates else None)


def train_step(
    state: TrainState, batch: Batch, config: TrainConfig, on_forward: Callable[[Batch, Forward], object]
) -> None:
    """One batch: the trunk's step when it is due, and the gate's steps.

    With ``gate_iters`` k, ``extra`` takes k gate steps on the features of each batch (the papers' text);
    ``starve`` takes one, and steps the trunk on every k-th batch only (the authors' code; BatchNorm's
    statistics still see every batch).

    Args:
        state: changed in place.
        batch: the samples.
        config: of the training.
        on_forward: is given the batch and the network's answer, before anything is updated.
    """
    gate_optimiser = state.gate_optimiser
    starve = gate_optimiser is not None and config.gate_iters_mode == "starve"
    trunk_due = not starve or (state.step + 1) % config.gate_iters == 0
    state.step += 1
    with autocast(batch.images.device, config.precision), torch.set_grad_enabled(trunk_due):
        forward = state.model(batch.images)
    on_forward(batch, forward)
    features = {gate.name: gate.features for gate in forward.gates}
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
    """One step of the gates alone, on the pooled features [b, C] that they read in this batch's forward pass."""
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

    def __init__(self, run: Run, inputs: Inputs, device: torch.device) -> None:
        self.run, self.config, self.device = run, run.config, device
        self.gates = self.config.model.gate_names
        self.images = {
            split: DeviceImages(inputs, split, self.config.data, device) for split in inputs.splits
        }
        self.state = new_state(self.config, inputs.clean.train.class_count, device)

    def fit(self) -> None:
        """Train from the state's epoch to the last, log and checkpoint; status.json says how it ended."""
        run, epochs = self.run, self.config.train.epochs
        writer = SampleLogWriter.open(run.path / "log.h5")
        try:
            board = TensorBoard(run.path, self.config.log.tensorboard, self.state.epoch)
            run.keep_metrics(self.state.epoch)
            run.set_status("running", self.state.epoch)
            with _terminable():
                while self.state.epoch < epochs:
                    self.one_epoch(writer, board)
            board.close()
            run.set_status("complete", epochs)
        except KeyboardInterrupt as interrupt:
            run.set_status("stopped", self.state.epoch)
            console.line(
                f"Stopped after epoch {self.state.epoch} of {epochs}. Go on with: memgate resume {run.path}"
            )
            raise Stopped(int(interrupt.args[0]) if interrupt.args else 130) from None
        except OSError as error:
            self._failed(error)
            raise MemgateError(
                f"{run.path} cannot be written after epoch {self.state.epoch} ({error}): free some space, then go "
                f"on with 'memgate resume {run.path}'."
            ) from error
        except BaseException as error:
            self._failed(error)
            raise
        finally:
            writer.close()

    def _failed(self, error: BaseException) -> None:
        with suppress(OSError):  # a full disk must not hide what went wrong
            self.run.set_status("failed", self.state.epoch, f"{type(error).__name__}: {error}")

    def one_epoch(self, writer: SampleLogWriter, board: TensorBoard) -> None:
        """Train one epoch, evaluate, log and checkpoint it."""
        began, state = time.monotonic(), self.state
        epoch = state.epoch + 1
        online = self._train_epoch(epoch, keep=writer.logs(epoch) and self.config.log.mode == "online")
        records = self._evaluate(online) if writer.logs(epoch) else {}
        row = {name: float("nan") for name in metric_names(list(self.images), self.gates)}
        row.update(
            epoch=epoch,
            lr=trunk_lr(self.config.train, epoch, state.step - 1),
            trunk_updates=state.trunk_updates,
            gate_updates=state.gate_updates,
        )
        if self.gates:
            row["gate_lr"] = gate_lr(self.config.train, epoch)
        for split, record in records.items():
            row.update(summarise(record, split, self.gates))
        if records and not np.isfinite(row["train_loss"]):
            raise MemgateError(
                f"The loss is no number any more after epoch {epoch}: take a smaller --train.lr than "
                f"{self.config.train.lr} or more --train.warmup-iterations."
            )
        improved = row.get("val_accuracy", -1.0) > state.best_accuracy
        if improved:
            state.best_accuracy = row["val_accuracy"]
        if records:
            self._log(writer, epoch, records)
        row["seconds"] = time.monotonic() - began
        # The log first: an epoch that is in the checkpoint is never missing from the log.
        self.run.append_metrics(row)
        state.epoch = epoch
        self._checkpoint(improved)
        board.write(row, records, self.gates)
        self.run.set_status("running", epoch)
        console.line(console.epoch_line(row, self.config.train.epochs, self.gates))

    def _train_epoch(self, epoch: int, keep: bool) -> EpochRecord | None:
        """All batches once; with ``keep``, the values of the training pass itself."""
        config, state, images = self.config.train, self.state, self.images["train"]
        buffer = SampleBuffer(images, self.gates) if keep else None
        state.model.train()
        if state.gate_optimiser is not None:
            _set_lr(state.gate_optimiser, gate_lr(config, epoch))
        batches = images.training_batches(self.config.seed, epoch, config.batch_size)
        total = -(-len(images) // config.batch_size)
        for batch in console.progress(batches, total, f"epoch {epoch}/{config.epochs}"):
            _set_lr(state.trunk_optimiser, trunk_lr(config, epoch, state.step))
            train_step(state, batch, config, lambda b, forward: buffer and buffer.update(b.index, forward))
        return buffer.record() if buffer else None

    def _evaluate(self, online: EpochRecord | None) -> dict[str, EpochRecord]:
        records = {"train": online} if online else {}
        for split, images in self.images.items():
            if split not in records:
                records[split] = sweep(self.state.model, images, self.gates, self.config.train.precision)
        return records

    def _log(self, writer: SampleLogWriter, epoch: int, records: dict[str, EpochRecord]) -> None:
        """Log an epoch; a disk that refuses costs the epoch's rows and not the training."""
        try:
            writer.write(epoch, records)
        except OSError as error:
            console.warn(
                f"epoch {epoch} could not be written to {self.run.path / 'log.h5'} ({error}); the training goes on "
                "and the earlier epochs are safe. Free some space to have the next ones logged."
            )

    def _checkpoint(self, improved: bool) -> None:
        folder, epoch, config = self.run.path / "checkpoints", self.state.epoch, self.config.train
        checkpoint.save(self.state, folder / "last.pt")
        if improved:
            checkpoint.save(self.state, folder / "best.pt")
        if config.checkpoint_every and (epoch % config.checkpoint_every == 0 or epoch == config.epochs):
            checkpoint.save(self.state, folder / f"epoch_{epoch:03d}.pt")


def layout(config: RunConfig, inputs: Inputs) -> LogLayout:
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


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the training the way Ctrl-C does, so that a scheduler's stop leaves a run that resumes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(128 + number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
