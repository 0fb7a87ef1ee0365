"""The runs of a sweep, carried out: finished ones are kept, broken ones resumed, missing ones started."""

import gc
from collections.abc import Sequence

import torch

from memgate import console
from memgate.config.run import RunConfig
from memgate.errors import MemgateError
from memgate.runs.run import Run, is_run
from memgate.sweeps.grid import still_failed
from memgate.training.interrupt import Interrupt
from memgate.training.loop import resume, train
from noise.errors import NoiseError


def carry_out(config: RunConfig) -> None:
    """Bring one run to its end, from wherever it is.

    Raises:
        MemgateError: it cannot be trained, or is being trained by somebody else.
        Stopped: by Ctrl-C or SIGTERM; it can be carried out further.
    """
    path = config.out / str(config.name)
    if not is_run(path):
        train(config)
    elif (run := Run(path)).status().state != "complete":
        resume(run)


def attempt(config: RunConfig) -> str:
    """Carry a run out, and say why it failed; empty where it did not. Whoever stops it stops us."""
    threads = torch.get_num_threads()
    try:
        carry_out(config)
    except (MemgateError, NoiseError) as error:
        return str(error)
    except Exception as error:  # the next run may well succeed
        return f"{type(error).__name__}: {error}"
    finally:
        torch.set_num_threads(threads)  # a run on the CPU is resumed with those that it had
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return ""


def run_here(configs: Sequence[RunConfig]) -> dict[str, str]:
    """Carry runs out one after another, in this process.

    Returns:
        Name of each run that failed to the reason.

    Raises:
        Stopped: by Ctrl-C or SIGTERM.
        Interrupted: likewise, where no run is being trained or the last batch of one is done already.
    """
    failed = {}
    with Interrupt(at_once=True) as interrupt:
        for number, config in enumerate(configs, start=1):
            name = str(config.name)
            console.note(f"[{number}/{len(configs)}] {name}")
            reason = attempt(config)
            if reason:
                failed[name] = reason
                console.warn(f"{name} failed: {reason}")
            interrupt.check()
    return still_failed(configs, failed)
