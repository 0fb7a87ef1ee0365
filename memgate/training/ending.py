"""How a training ends: the state in status.json, and a sentence for what the user can correct."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from memgate import console
from memgate.errors import MemgateError
from memgate.runs.held import HeldRun, RunGoneError
from memgate.runs.run import command
from memgate.training.interrupt import Interrupted


class Stopped(SystemExit):
    """The user stopped the training, and the run can be resumed; the exit code is the shell's for the signal.

    Example:
        >>> import memgate
        >>> try:
        ...     raise memgate.Stopped(130)  # what Ctrl-C does to memgate.train and memgate.resume
        ... except memgate.Stopped as stop:
        ...     stop.code
        130
    """


@contextmanager
def recorded_end(held: HeldRun, epoch: Callable[[], int]) -> Iterator[None]:
    """Context of a training, from when the log is locked: status.json says how it ended.

    Args:
        held: the run.
        epoch: returns the number of finished epochs.

    Raises:
        MemgateError: the GPU or the disk is full, or the run's folder was moved.
        Stopped: Ctrl-C or SIGTERM, before the last epoch was finished.
    """
    run, epochs = held.run, held.run.config.train.epochs

    def say(state: str, error: BaseException | None = None) -> None:
        """Write status.json; neither a full disk nor a moved folder may replace the first exception."""
        with suppress(OSError, RunGoneError):
            held.set_status(state, epoch(), f"{type(error).__name__}: {error}" if error else "")

    try:
        yield
    except (Interrupted, KeyboardInterrupt) as interrupt:
        if epoch() == epochs:  # the signal came after the last epoch
            say("complete")
            return
        say("stopped")
        console.note(f"Stopped after epoch {epoch()} of {epochs}. Go on with: {command('resume', run.path)}")
        raise Stopped(interrupt.code if isinstance(interrupt, Interrupted) else 130) from None
    except torch.OutOfMemoryError as error:
        say("failed", error)
        raise MemgateError(
            f"The GPU has too little memory for {run.name} ({str(error).splitlines()[0]}): take a smaller "
            f"--train.batch-size than {run.config.train.batch_size}."
        ) from error
    except OSError as error:
        held.check()  # a folder that is gone is no full disk
        say("failed", error)
        raise MemgateError(
            f"{run.path} cannot be written after epoch {epoch()} ({error}): free some space, then "
            f"continue with '{command('resume', run.path)}'."
        ) from error
    except BaseException as error:
        say("failed", error)
        raise
