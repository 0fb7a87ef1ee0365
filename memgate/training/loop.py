"""Training a run from its configuration to the last epoch: train, evaluate, log and checkpoint each epoch."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from memgate import console
from memgate.config.run import RunConfig
from memgate.console import size_text
from memgate.errors import MemgateError, require
from memgate.log.format import EpochRecord
from memgate.log.identity import check_layout, configuration_note
from memgate.log.writer import SampleLogWriter
from memgate.models import Forward, check_image_size
from memgate.models.gated.gater import GaterNet
from memgate.models.macs import sample_cost
from memgate.runs.checks import check_run
from memgate.runs.create import create_run
from memgate.runs.held import HeldRun
from memgate.runs.inputs import Inputs, inputs_of, load_inputs
from memgate.runs.logged import has_phi, log_layout
from memgate.runs.metrics import metric_names, penalty_column
from memgate.runs.run import Run, command
from memgate.training import checkpoint
from memgate.training.ending import recorded_end
from memgate.training.environment import choose_device, choose_precision, describe
from memgate.training.evaluate import evaluate_split, summarise
from memgate.training.gate_vectors import VectorBuffer, VectorKeeper, vector_layout
from memgate.training.initial import new_state, with_initial_weights
from memgate.training.interrupt import Interrupt
from memgate.training.loader import Batch, DeviceImages
from memgate.training.sample_buffer import SampleBuffer
from memgate.training.schedule import gate_dropout, gate_lr, trunk_lr
from memgate.training.sparsity import sparsity_losses
from memgate.training.step import train_step
from memgate.training.tensorboard import TensorBoard, check_installed
from noise.files.atomic import remove_leftovers


def train(requested: RunConfig) -> Run:
    """The new run of a configuration, trained to its last epoch.

    Args:
        requested: the configuration; what it leaves open is resolved and stored with the run.

    Returns:
        The run, with log, metrics, checkpoints and manifest in its folder.

    Raises:
        MemgateError: the user can correct it: a value is out of range, data is missing, the name is taken, the disk is
            full, or the loss diverged.
        Stopped: Ctrl-C or SIGTERM; the run can be resumed.

    Example:
        >>> from memgate.config.run import DataConfig, ModelConfig, TrainConfig
        >>> config = RunConfig(
        ...     name="example", out=tmp_path / "runs", noise=("symmetric:0.2",), device="cpu",
        ...     data=DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20),
        ...     model=ModelConfig(depth=14), train=TrainConfig(epochs=1, batch_size=32),
        ... )
        >>> run = train(config)  # doctest: +ELLIPSIS
        Training ...
        >>> run.status().state
        'complete'
    """
    config = requested.resolved()
    device = choose_device(config.device)
    precision = choose_precision(config.train.precision, device)
    config = replace(config, device=device.type, train=replace(config.train, precision=precision))
    check_installed(config.log.tensorboard)
    inputs = load_inputs(config)
    check_image_size(config.model, inputs.clean.train.side)  # no folder is made for what can never train
    config, environment, fill = with_initial_weights(config, inputs.clean.train, describe(device), device)
    layout, vectors = log_layout(config, inputs), vector_layout(config, inputs)
    with Interrupt() as interrupt:  # from here on, a signal leaves a run that can be resumed
        run = create_run(
            requested, config, environment, inputs.manifests, inputs.digests, layout, fill, vectors
        )
        sizes = f"log {size_text(layout.bytes())}{vectors.size_note}"
        console.note(
            f"Training {run.path} on {device.type} ({sizes}); if it stops: {command('resume', run.path)}"
        )
        return _fit(run, inputs, device, interrupt)


def resume(run: Run) -> Run:
    """The same run, trained from its last complete epoch to its end.

    On the CPU, the result is bit-identical to that of a run that was never stopped.

    Args:
        run: a stopped, failed or crashed run that memgate trained.

    Raises:
        MemgateError: the run is complete, is being trained by another process, or its data has changed.
        Stopped: Ctrl-C or SIGTERM; the run can be resumed.

    Example:
        >>> from memgate.config.run import DataConfig, ModelConfig, TrainConfig
        >>> config = RunConfig(
        ...     name="interrupted", out=tmp_path / "runs", device="cpu",
        ...     data=DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20),
        ...     model=ModelConfig(depth=14), train=TrainConfig(epochs=1, batch_size=32),
        ... )
        >>> run = train(config)  # doctest: +ELLIPSIS
        Training ...
        >>> (run.path / "checkpoints" / "last.pt").unlink()
        >>> run.set_status("stopped", 0)  # the run is now as Ctrl-C in its first epoch leaves it
        >>> resume(run).status().state  # doctest: +ELLIPSIS
        epoch 1/1 ...
        'complete'
    """
    check_run(run)
    if run.status().state == "complete":
        raise MemgateError(f"{run.path} is complete: there is nothing to resume.")
    run.metrics()  # raises where they are damaged; the next status.json takes their digest
    device = choose_device(run.config.device)
    if device.type == "cpu":
        # Sums are divided among the threads, so another number of threads would round differently.
        threads = run.environment.get("threads")
        if not isinstance(threads, int) or not 1 <= threads <= 4096:
            raise MemgateError(
                f"{run.path / 'config.json'} has the number of threads {threads!r:.40}: it is damaged."
            )
        torch.set_num_threads(threads)
    inputs = inputs_of(run)
    with Interrupt() as interrupt:
        return _fit(run, inputs, device, interrupt)


def _fit(run: Run, inputs: Inputs, device: torch.device, interrupt: Interrupt) -> Run:
    """Train a run from its last checkpoint, or from the start where there is none."""
    # The writer holds a lock, which ends with its process: only one process at a time can train a run.
    writer = SampleLogWriter.open(run.path / "log.h5")
    training: Training | None = None
    try:
        held, finished = HeldRun(run, writer), run.status().epoch
        with recorded_end(held, lambda: finished if training is None else training.state.epoch):
            for folder in (run.path, run.path / "checkpoints"):
                remove_leftovers(folder)
            log = run.sample_log()
            check_layout(log.path, log_layout(run.config, inputs), log.layout())
            for note in configuration_note(log.path, log.seal):
                console.warn(note)
            with interrupt.at_once():  # images may have to be rendered, and nothing is written yet
                training = Training(held, inputs, device, interrupt)
            training.fit()
    finally:
        writer.close()
    return run


class Training:
    """A run in training: its images on the device, its network and optimisers, its log."""

    def __init__(self, held: HeldRun, inputs: Inputs, device: torch.device, interrupt: Interrupt) -> None:
        """Build the network, and load the last checkpoint where there is one."""
        self.held, self.run, self.writer, self.interrupt = held, held.run, held.writer, interrupt
        self.config, self.device = self.run.config, device
        self.gates = self.config.model.gate_names
        self.images = {split: DeviceImages(inputs, split, device) for split in inputs.splits}
        self.state = new_state(self.config, inputs.clean.train, device)
        train = inputs.clean.train
        self.cost = sample_cost(self.config.model, train.class_count, train.side)
        self.penalties = {name: torch.zeros((), device=device) for name in self.config.penalty_names}
        self.subset = self.config.subset.model is not None
        self.phi = has_phi(self.config)
        self.vectors = VectorKeeper(held, vector_layout(self.config, inputs), device)
        self._restore(self.run.status().epoch)

    def _restore(self, finished: int) -> None:
        """Load last.pt, if the run has one.

        Args:
            finished: number of finished epochs according to status.json.

        Raises:
            MemgateError: it is damaged, or missing though the training has begun.
        """
        last = self.run.path / "checkpoints" / "last.pt"
        if last.exists():
            checkpoint.restore(self.state, self.run, "last", self.device)
            if self.state.epoch < finished:
                console.note(
                    f"{last} is of epoch {self.state.epoch}, and {finished} were finished: the later ones are trained "
                    "again."
                )
            return
        require(
            finished == 0 and not self.config.starts_from_others,
            f"{last} is missing, though {finished} epochs are finished, so the training cannot go on from there: put "
            "a copy of it back, or a copy of another checkpoint of this run under its name, or start a new run.",
        )

    def fit(self) -> None:
        """Train from the state's epoch to the last one."""
        epochs = self.config.train.epochs
        self.held.set_status("running", self.state.epoch)
        self.held.keep_metrics(self.state.epoch)
        self.vectors.keep(self.state.epoch)
        with closing(TensorBoard(self.run.path, self.config.log.tensorboard, self.state.epoch)) as board:
            while self.state.epoch < epochs:
                self.one_epoch(board)
                self.interrupt.check()
        self.held.set_status("complete", epochs)

    def one_epoch(self, board: TensorBoard) -> None:
        """Train one epoch, evaluate it, and write log, metrics and checkpoints."""
        start, state, epoch = time.monotonic(), self.state, self.state.epoch + 1
        logged = self.writer.logs(epoch)
        vectors = self.vectors.buffers(epoch)
        online = self._train_epoch(epoch, logged and self.config.log.mode == "online", vectors.get("train"))
        records = self._evaluate(online, vectors) if logged else {}
        row = self._metrics(epoch, records)
        improved = row.get("val_accuracy", -1.0) > state.best_accuracy
        if improved:
            state.best_accuracy = row["val_accuracy"]
        # The checkpoint comes last: an epoch that is in it is never missing from the log or the metrics.
        if records:
            self._log(epoch, records)
        self.vectors.write(epoch, vectors)
        row["seconds"] = time.monotonic() - start
        self.held.append_metrics(row)
        board.write(row, records, self.gates)
        self._checkpoint(epoch, improved)
        self.held.set_status("running", epoch)
        console.note(console.epoch_line(row, self.config.train.epochs, self.gates))

    def _train_epoch(self, epoch: int, keep: bool, vectors: VectorBuffer | None) -> EpochRecord | None:
        """Train one epoch; with ``keep``, collect vectors and return the per-sample values of this very pass."""
        config, state, images = self.config.train, self.state, self.images["train"]
        buffer = self._online_buffer() if keep else None
        state.model.train()
        if state.gate_optimiser is not None:
            _set_lr(state.gate_optimiser, gate_lr(config, epoch))
        batches = images.training_batches(self.config.seed, epoch, config.batch_size)
        total = -(-images.trained_count // config.batch_size)
        self.penalties = {name: torch.zeros_like(sum_) for name, sum_ in self.penalties.items()}

        def keep_values(batch: Batch, forward: Forward) -> None:
            if buffer is not None:
                buffer.update(batch.index, forward)
                if vectors is not None:
                    vectors.update(batch.index, forward)
            for name, penalty in forward.penalties.items():
                self.penalties[name] += penalty.detach() * (len(batch.index) / images.trained_count)

        progress = console.progress(batches, total, f"epoch {epoch}/{config.epochs}")
        for number, batch in enumerate(progress, start=1):
            self.interrupt.check()
            _set_lr(state.trunk_optimiser, trunk_lr(config, epoch, state.step))
            done = (number - 1) / total
            if isinstance(state.model, GaterNet):
                state.model.dropout = gate_dropout(self.config, epoch, done)
            losses = sparsity_losses(self.config, epoch, done)
            train_step(state, batch, number, config, losses, keep_values)
        return buffer.record() if buffer else None

    def _online_buffer(self) -> SampleBuffer:
        """A buffer for the values of the training pass itself."""
        images = self.images["train"]
        return SampleBuffer(images.given, images.clean, self.gates, self.cost, phi=self.phi)

    def _evaluate(
        self, online: EpochRecord | None, vectors: Mapping[str, VectorBuffer]
    ) -> dict[str, EpochRecord]:
        """Split to its per-sample values: those of the training pass where given, else of an evaluation pass."""
        records = {"train": online} if online else {}
        for split, images in self.images.items():
            if split not in records:
                records[split] = evaluate_split(
                    self.state.model,
                    images,
                    self.gates,
                    self.config.train.precision,
                    self.cost,
                    vectors.get(split),
                    between=self.interrupt.check,
                    phi=self.phi,
                )
        return records

    def _metrics(self, epoch: int, records: dict[str, EpochRecord]) -> dict[str, float]:
        """The epoch's line of metrics.csv without its seconds; NaN for splits that were not evaluated.

        Raises:
            MemgateError: the training loss is NaN or infinite.
        """
        config, state = self.config.train, self.state
        row = {
            name: float("nan")
            for name in metric_names(
                list(self.images), self.gates, list(self.penalties), self.config.model.hard_gates, self.subset
            )
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
                f"The training loss is NaN or infinite after epoch {epoch}: start a new run by "
                f"'{command('train --like', self.run.path)} --name NEW' with a smaller --train.lr than {config.lr} "
                "or more --train.warmup-iterations."
            )
        return row

    def _log(self, epoch: int, records: dict[str, EpochRecord]) -> None:
        """Write an epoch to the log; where that fails, its rows are lost and the training continues."""
        self.held.check()
        try:
            self.writer.write(epoch, records)
        except OSError as error:
            console.warn(
                f"epoch {epoch} could not be written to {self.run.path / 'log.h5'} ({error}); the training continues "
                "and the earlier epochs are safe. Free some space, so that the next ones are logged."
            )

    def _checkpoint(self, epoch: int, improved: bool) -> None:
        """Save the checkpoints that are due; last.pt comes last, because a run resumes from it."""
        every = self.config.train.checkpoint_every
        keep = every and (epoch % every == 0 or epoch == self.config.train.epochs)
        names = ["best"] * improved + [f"epoch_{epoch:03d}"] * bool(keep) + ["last"]
        finished = replace(self.state, epoch=epoch)
        for name in names:
            self.held.check()
            checkpoint.save(finished, self.run, name)
        self.state.epoch = epoch


def _set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimiser.param_groups:
        group["lr"] = lr
