"""Commands that are stopped at their k-th call: killed, interrupted, or out of disk space; then they are run again.

A stop is placed by the number of function calls, not by time, so that a case is the same on every machine. Even cases
count every call, odd ones only calls that change files.
"""

import errno
import io
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from injection.child import Ended, memgate
from injection.damage import generator
from injection.judge import Verdict
from injection.lab import Lab, channel_configuration, configuration, run_digests
from memgate.config.run import RunConfig
from memgate.runs.run import Run

STOPS = ("kill -9", "SIGTERM", "Ctrl-C", "full disk", "file size limit")
"""Ways to stop a command. The last is the kernel's own: no file may grow beyond a drawn size."""

SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}

CHANGING = frozenset(
    ("open", "write", "pwrite", "writelines", "fsync", "rename", "replace", "unlink", "mkdir", "posix_fallocate",
     "ftruncate", "truncate", "rmtree", "flush")
)  # fmt: skip
"""Names of functions written in C that change files."""

FULL = frozenset(("write", "pwrite", "writelines", "fsync", "mkdir", "posix_fallocate", "ftruncate", "flush"))
"""Those that a full disk lets fail."""

LARGEST = 200_000
"""Largest limit of a file's size in bytes; the log of the run is smaller."""


@dataclass
class Counter:
    """A profile function that counts calls, and acts at one of them."""

    names: frozenset[str] | None
    """Count only calls of these functions in C; None: every call."""
    at: int = 0
    """Number of the call at which to act; 0: never."""
    act: Callable[[], object] = lambda: None
    calls: int = 0

    def __call__(self, _frame: FrameType, event: str, what: Any) -> None:
        """Count a call; called by the interpreter."""
        if event not in ("call", "c_call"):
            return
        if self.names is not None and (event == "call" or not self._counts(what)):
            return
        self.calls += 1
        if self.calls == self.at:
            sys.setprofile(None)
            self.act()

    def _counts(self, what: Any) -> bool:
        """Whether a function in C is one that is counted, and works on a file."""
        owner = getattr(what, "__self__", None)
        if isinstance(owner, io.BytesIO | io.StringIO) or owner is sys.stdout or owner is sys.stderr:
            return False
        return self.names is not None and getattr(what, "__name__", "") in self.names


@dataclass(frozen=True)
class Task:
    """A command that is stopped, and what must be right after it has been run again."""

    lay: Callable[[Lab], object]
    """Lays out what it needs."""
    work: Callable[[Lab], object]
    """The command; is run again after the stop."""
    state: Callable[[Lab], Any]
    """What must be equal in the end."""


def _train(lab: Lab, made: Callable[[Path, str, int], RunConfig] = configuration) -> None:
    """Train the run, or go on with it where it exists and is not complete.

    Args:
        lab: the runs.
        made: its configuration, from folder, name and seed.
    """
    from memgate.training.loop import resume, train

    if not (lab.one / "config.json").exists():
        train(made(lab.runs, "one", 0))
    elif Run(lab.one).status().state != "complete":
        resume(Run(lab.one))


def _command(text: str) -> Callable[[Lab], None]:
    """A command of memgate; {run} and {out} stand for the lab's folders."""

    def work(lab: Lab) -> None:
        memgate([word.format(run=lab.one, out=lab.out) for word in text.split()])

    return work


def _clear(lab: Lab) -> None:
    """Empty folders."""
    lab.lay("report")
    shutil.rmtree(lab.one)


def _without_probes(lab: Lab) -> None:
    """A complete run whose probes have not been run."""
    lab.lay("report")
    shutil.rmtree(lab.one / "probes")


def _trained(lab: Lab) -> Any:
    return run_digests(Run(lab.one))


def _written(lab: Lab) -> Any:
    return lab.state("export")


def _probed(lab: Lab) -> Any:
    from probes.result import load_results

    return [
        (result.key, {name: values.tolist() for name, values in result.values.items()})
        for result in load_results(Run(lab.one), "csr")
    ]


def _manifest(lab: Lab) -> Any:
    path = lab.out / "manifest.npz"
    return path.read_bytes().hex() if path.exists() else None


TASKS = {
    "train": Task(_clear, _train, _trained),
    "train channels": Task(_clear, lambda lab: _train(lab, channel_configuration), _trained),
    "resume": Task(lambda lab: lab.lay("resume"), _train, _trained),
    "export": Task(
        lambda lab: lab.lay("export"), _command("export {run} --format csv --out {out}/table.csv"), _written
    ),
    "score": Task(lambda lab: lab.lay("score"), _command("score {run} --out {out}/scores.csv"), _written),
    "probe csr": Task(
        _without_probes, _command("probe csr {run} --device cpu --n 10 --splits train"), _probed
    ),
    "corrupt": Task(
        _clear,
        _command("corrupt --data.name digits --data.image-size 8 --noise randx:0.1 --out {out}/manifest.npz"),
        _manifest,
    ),
}
"""Command to its task."""


def stop_cases(
    lab: Lab, stop: str, commands: Sequence[str], numbers: Sequence[int], seed: int
) -> Iterator[tuple[str, int, str, Verdict]]:
    """Command, number, what was done, and the verdict, for every command and number.

    Args:
        lab: the runs.
        stop: one of :data:`STOPS`.
        commands: names of :data:`TASKS`.
        numbers: of the cases.
        seed: of the draws.
    """
    for command in commands:
        task = TASKS[command]
        whole = _whole(lab, task)
        names = (FULL, FULL) if stop == "full disk" else (None, CHANGING)
        totals = [_calls(lab, task, name) for name in names] if stop != "file size limit" else [0, 0]
        for number in numbers:
            odd, draw = number % 2, generator(seed, f"{stop} {command}", number)
            at = int(draw.integers(1, LARGEST if stop == "file size limit" else totals[odd] + 1))
            task.lay(lab)
            ended = lab.run(_stopped(lab, task, stop, names[odd], at))
            words = f"at call {at} of {totals[odd]}" if totals[odd] else f"files up to {at} bytes"
            yield command, number, words, _verdict(lab, task, stop, ended, whole)


def _whole(lab: Lab, task: Task) -> Any:
    """What is right in the end, without a stop."""
    task.lay(lab)
    ended, state = _again(lab, task)
    if ended.code != 0:
        raise RuntimeError(f"exit code {ended.code}:\n{ended.out}\n{ended.err}")
    return state


def _again(lab: Lab, task: Task) -> tuple[Ended, Any]:
    """How the command ends without a stop, and the state that it leaves."""
    import json

    path = lab.folder / "state.json"
    path.unlink(missing_ok=True)

    def work() -> None:
        try:
            task.work(lab)
        finally:
            path.write_text(json.dumps(task.state(lab)))

    ended = lab.run(work)
    return ended, json.loads(path.read_text()) if path.exists() else None


def _calls(lab: Lab, task: Task, names: frozenset[str] | None) -> int:
    """Number of calls that the command makes."""
    counter, path = Counter(names), lab.folder / "calls"
    path.unlink(missing_ok=True)

    def work() -> None:
        sys.setprofile(counter)
        task.work(lab)
        sys.setprofile(None)
        path.write_text(str(counter.calls))

    task.lay(lab)
    lab.run(work)
    return int(path.read_text())


def _stopped(lab: Lab, task: Task, stop: str, names: frozenset[str] | None, at: int) -> Callable[[], object]:
    """The command, which is stopped at a call."""

    def act() -> None:
        if stop == "full disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.kill(os.getpid(), SIGNALS[stop])

    def work() -> None:
        from memgate import console
        from memgate.errors import MemgateError
        from noise.errors import NoiseError

        if stop == "file size limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
        else:
            sys.setprofile(Counter(names, at, act))
        try:  # as app.cli.main.run does, for tasks that call memgate as a library
            task.work(lab)
        except (MemgateError, NoiseError) as error:
            console.warn(str(error))
            raise SystemExit(2) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    return work


def _verdict(lab: Lab, task: Task, stop: str, ended: Ended, whole: Any) -> Verdict:
    """The verdict about a command that was stopped, after it has been run again."""
    if ended.code is None:
        return Verdict("hang", "stopped at the limit of time")
    expected = (0, 2, 130, 143, -SIGNALS[stop]) if stop in SIGNALS else (0, 2)
    if "Traceback (most recent call last)" in ended.err or ended.code not in expected:
        last = (ended.err.strip() or "nothing printed").splitlines()[-1]
        return Verdict("traceback", f"exit code {ended.code}: {last}")
    left = [] if stop == "kill -9" else _leftovers(lab)
    if left:
        return Verdict("silent", f"exit code {ended.code}, left over: {left}")
    half = _half(lab, whole)
    if half:
        return Verdict("silent", half)
    again, state = _again(lab, task)
    if again.code is None:
        return Verdict("hang", "the second time: stopped at the limit of time")
    if "Traceback (most recent call last)" in again.err:
        return Verdict("traceback", f"the second time: {again.err.strip().splitlines()[-1]}")
    # An epoch that the log lacks, and a training that goes on.
    if state != whole and "could not be written" in ended.err:
        return Verdict("named", ended.err.strip()[:300])
    if state != whole:
        return Verdict("silent", f"another result the second time: {(again.err or again.out).strip()[-200:]}")
    return Verdict("named" if ended.code == 2 else "right", ended.err.strip()[:300])


def _leftovers(lab: Lab) -> list[str]:
    """Temporary files that lie about."""
    paths: list[Path] = [*lab.runs.rglob("*"), *lab.out.rglob("*")]
    return sorted(path.name for path in paths if path.name.endswith((".tmp", ".reserved")))


def _half(lab: Lab, whole: Any) -> str:
    """What a table that was written lacks; empty where it is whole or does not exist."""
    if not isinstance(whole, dict) or "digests" not in whole:
        return ""
    written = _written(lab)["digests"]
    return (
        "" if all(whole["digests"].get(name) == digest for name, digest in written.items()) else "half a file"
    )
