"""Training the runs of a sweep as Ray tasks, on this machine or on a cluster; Ray schedules them.

Ray is installed by the extra ``.[ray]``. Every machine of a cluster needs memgate, and the runs' folder and the data
under the same paths.
"""

import importlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memgate import console
from memgate.config.run import RunConfig
from memgate.errors import MemgateError, require
from memgate.runs.run import Run, is_run
from memgate.sweeps.grid import still_failed
from memgate.sweeps.time_left import time_left
from memgate.training.interrupt import Interrupt, Interrupted

STOPPED = "stopped"
"""Result of a task that was stopped by a signal; its run can be resumed."""

PATIENCE = 120
"""Seconds that cancelled runs have to finish a batch before Ray ends their processes."""


@dataclass(frozen=True)
class Workers:
    """The Ray instance, and the resources of each task."""

    address: str | None = None
    """Address of a cluster (``auto`` or ``HOST:PORT``); None: start Ray on this machine."""
    gpus: float | None = None
    """GPUs per run, which may be a fraction; None: one where there are any, and none for runs on the CPU."""
    cpus: int = 1
    """CPU cores per run."""

    def __post_init__(self) -> None:
        require(self.cpus >= 1, f"--cpus-per-run {self.cpus}: a run needs at least 1.")
        gpus = self.gpus or 0.0
        require(
            gpus >= 0 and (gpus <= 1 or gpus.is_integer()),
            f"--gpus-per-run {gpus:g} is out of range: a fraction from 0 to 1, or whole GPUs.",
        )


def run_on_ray(configs: Sequence[RunConfig], workers: Workers) -> dict[str, str]:
    """Complete runs as Ray tasks, as many in parallel as the resources allow.

    Returns:
        Name of each failed run to the reason.

    Raises:
        MemgateError: Ray is not installed or cannot be reached, or no machine has the resources for a run.
        Interrupted: Ctrl-C or SIGTERM, after the runs have stopped; they can be resumed.
    """
    with _connected(workers.address) as ray:
        gpus = _gpus_per_run(ray, workers, cpu_only=all(config.device == "cpu" for config in configs))
        task = ray.remote(num_cpus=workers.cpus, num_gpus=gpus, max_retries=0)(_task)
        tasks = {task.remote(config, str(Path.cwd())): str(config.name) for config in configs}
        with Interrupt() as interrupt:
            try:
                return still_failed(configs, _wait_for_all(ray, tasks, configs, interrupt))
            except (Interrupted, KeyboardInterrupt):
                _cancel(ray, list(tasks))
                raise


def _task(config: RunConfig, folder: str) -> str:
    """The task: the reason why the run failed, an empty text, or :data:`STOPPED`; runs in a process of Ray."""
    from memgate.sweeps.local import attempt
    from memgate.training.ending import Stopped

    os.chdir(folder)  # relative paths refer to the folder of the command
    try:
        return attempt(config)
    except (Stopped, KeyboardInterrupt):
        return STOPPED


def _wait_for_all(
    ray: Any, tasks: dict[Any, str], configs: Sequence[RunConfig], interrupt: Interrupt
) -> dict[str, str]:
    """Name of each failed run to the reason; shows a progress bar of epochs and a line for each finished run."""
    failed, pending, shown, start = {}, list(tasks), 0, time.monotonic()
    with console.counter(sum(config.train.epochs for config in configs), "epochs") as advance:
        while pending:
            done, pending = ray.wait(pending, timeout=1.0)
            interrupt.check()
            epochs = sum(map(_epochs, configs))
            advance(epochs - shown)
            shown = epochs
            for reference in done:
                name = tasks[reference]
                reason = _result(ray, reference)
                number = len(tasks) - len(pending)
                left = time_left([(time.monotonic() - start) / number], len(pending))
                console.note(f"[{number}/{len(tasks)}] {name}: {'failed' if reason else 'complete'}{left}")
                if reason:
                    failed[name] = reason
                    console.warn(f"{name} failed: {reason}")
    return failed


def _result(ray: Any, reference: Any) -> str:
    """The result of a task, or the reason why Ray has none."""
    try:
        return str(ray.get(reference))
    except ray.exceptions.RayError as error:
        cause = f"{type(error).__name__}: {_first_line(error)}"
        return f"Ray lost the task ({cause}); run the command again to resume the run"


def _first_line(error: Exception) -> str:
    """First line of the message, or the exception's type where the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _epochs(config: RunConfig) -> int:
    """Number of finished epochs of a run; 0 where it does not exist or cannot be read."""
    path = config.out / str(config.name)
    try:
        return Run(path).status().epoch if is_run(path) else 0
    except MemgateError:
        return 0


def _cancel(ray: Any, tasks: list[Any]) -> None:
    """Stop all tasks after their current batch, as Ctrl-C does, and wait for them."""
    console.note(f"Stopping {len(tasks)} runs after their batches; Ctrl-C again ends them at once.")
    for reference in tasks:
        ray.cancel(reference, force=False)  # sends SIGINT to the task
    ray.wait(tasks, num_returns=len(tasks), timeout=PATIENCE)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The module ray, connected; no usage statistics, and a Ray that is started here listens on 127.0.0.1 only."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        # With this value Ray binds to 127.0.0.1 only; the variable is read when Ray is imported.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ.pop("RAY_ADDRESS", None)
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise MemgateError(
            "--engine ray needs Ray, which is not installed: pip install -e '.[ray]', or take --engine local."
        ) from error
    _check_reachable(address)
    try:
        # Whether a cluster has a dashboard is not decided by memgate.
        options = {"include_dashboard": False} if address is None else {"address": address}
        with _interrupts_enabled():
            ray.init(**options, log_to_driver=False, logging_level="error")
    except Exception as error:  # Ray raises several types of exceptions
        raise MemgateError(
            f"Ray cannot be reached at {address or 'this machine'} ({_first_line(error)}): start it by "
            "'ray start --head', or leave --ray-address out."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _interrupts_enabled() -> Iterator[None]:
    """Enable SIGINT while Ray starts its processes: they inherit an ignored SIGINT and could not be cancelled."""
    before = signal.getsignal(signal.SIGINT)
    ignored = before == signal.SIG_IGN and threading.current_thread() is threading.main_thread()
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGINT, before)


def _check_reachable(address: str | None) -> None:
    """Raise MemgateError where ``HOST:PORT`` refuses a connection; Ray itself would retry for many minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise MemgateError(
            f"--ray-address {address} cannot be reached ({error}): start Ray there by 'ray start --head'."
        ) from error


def _gpus_per_run(ray: Any, workers: Workers, cpu_only: bool) -> float:
    """GPUs per run; raises MemgateError where no machine has enough resources, for which Ray would wait forever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    largest = max((machine.get("GPU", 0.0) for machine in machines), default=0.0)
    gpus = workers.gpus if workers.gpus is not None else min(1.0, largest) * (not cpu_only)
    require(
        any(machine.get("GPU", 0) >= gpus and machine.get("CPU", 0) >= workers.cpus for machine in machines),
        f"No Ray machine has {workers.cpus} CPUs and {gpus:g} GPUs for a run: the largest has "
        f"{max((machine.get('CPU', 0.0) for machine in machines), default=0.0):g} CPUs and {largest:g} GPUs; take "
        "fewer by --cpus-per-run and --gpus-per-run.",
    )
    return gpus
