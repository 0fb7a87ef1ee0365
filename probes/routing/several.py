"""The routing probe over all training samples of many runs, such as the models of a group; what is stored is kept."""

import time
from collections.abc import Sequence

import numpy as np

from memgate import console
from memgate.log.format import places_of
from memgate.runs.run import Run
from memgate.sweeps.time_left import time_left
from probes.network.plan import Plan
from probes.result import ProbeResult, load_results
from probes.routing.routes import PROBE

SPLIT = "train"


def whole_result(run: Run, epoch: int) -> ProbeResult | None:
    """The stored result of an epoch about all training samples, in the order of the log; None where there is none.

    Raises:
        MemgateError: the file is damaged, or of another run.
    """
    ids = run.sample_log().samples(SPLIT).sample_id
    for result in load_results(run, PROBE):
        if (result.split, result.epoch) == (SPLIT, epoch) and len(result.sample_id) == len(ids):
            return _in_order(result, places_of(result.sample_id, ids))
    return None


def _in_order(result: ProbeResult, places: np.ndarray) -> ProbeResult:
    """The result with its samples in another order."""
    if np.array_equal(places, np.arange(len(places))):
        return result
    values = {name: array[..., places] for name, array in result.values.items()}
    return ProbeResult(**{**vars(result), "sample_id": result.sample_id[places], "values": values})


def probe_missing(
    runs: Sequence[Run], epoch: int, device: str = "auto", batch_size: int | None = None
) -> int:
    """Probe the last checkpoint of every run that has no result of all training samples, one run after another.

    Each result is stored when it is complete, so that after an interruption the next call goes on.

    Args:
        runs: of the same setting.
        epoch: last epoch of the runs.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_size: images in a pass; None for what suits the device.

    Returns:
        The number of runs that were probed.

    Raises:
        MemgateError: a run has no checkpoint, or its data, checkpoint or results are damaged.
    """
    from probes.routing.run import probe_run

    absent = [run for run in runs if whole_result(run, epoch) is None]
    seconds: list[float] = []
    for number, run in enumerate(absent, start=1):
        done = len(runs) - len(absent) + number
        console.note(
            f"[{done}/{len(runs)}] routes of {run.name}{time_left(seconds, len(absent) - number + 1)}"
        )
        start = time.monotonic()
        for _ in probe_run(run, Plan(splits=(SPLIT,), n=0, device=device), batch_size):
            pass
        seconds.append(time.monotonic() - start)
    return len(absent)
