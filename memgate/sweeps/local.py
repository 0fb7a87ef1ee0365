"""Trains the runs of a sweep one after another: starts missing runs and resumes incomplete ones."""

import gc
import time
from collections.abc import Sequence

import torch

from memgate import console
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.runs.run import Run, is_run
from memgate.sweeps.grid import state_of, still_failed
from memgate.sweeps.time_left import time_left
from memgate.training.interrupt import Interrupt
from memgate.training.loop import resume, train
from noise.errors import NoiseError


def complete_run(config: RunConfig) -> None:
    """Start or resume one run, unless it is complete.

    Raises:
        MemgateError: the run cannot be trained, or another process trains it.
        Stopped: Ctrl-C or SIGTERM; the run can be resumed.
    """
    path = config.out / str(config.name)
    if not is_run(path):
        train(config)
    elif (run := Run(path)).status().state != "complete":
        resume(run)


def attempt(config: RunConfig) -> str:
    """The reason why a run failed, after trying to complete it; empty where it is complete. Raises Stopped."""
    threads = torch.get_num_threads()
    try:
        complete_run(config)
    except (MemgateError, NoiseError) as error:
        return str(error)
    except Exception as error:  # the next run may still succeed
        return f"{type(error).__name__}: {error}"
    finally:
        torch.set_num_threads(threads)  # resuming a run on the CPU sets the number it was started with
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return ""


def run_here(configs: Sequence[RunConfig]) -> dict[str, str]:
    """Complete runs one after another, in this process.

    Returns:
        Name of each failed run to the reason.

    Raises:
        Stopped: Ctrl-C or SIGTERM during the training of a run.
        Interrupted: Ctrl-C or SIGTERM between two trainings, or after the last batch of one.
    """
    failed, seconds = {}, []
    complete = [state_of(config.out, str(config.name)) == "complete" for config in configs]
    with Interrupt(at_once=True) as interrupt:
        for number, config in enumerate(configs, start=1):
            name = str(config.name)
            left = complete[number - 1 :].count(False)
            console.note(f"[{number}/{len(configs)}] {name}{time_left(seconds, left)}")
            start = time.monotonic()
            reason = attempt(config)
            if not (reason or complete[number - 1]):
                seconds.append(time.monotonic() - start)
            if reason:
                failed[name] = reason
                console.warn(f"{name} failed: {reason}")
            interrupt.check()
    return still_failed(configs, failed)
