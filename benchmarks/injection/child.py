"""Runs a function in a forked child process, with limits of time and memory and its output in files.

The parent has imported everything and started no thread, so a child costs milliseconds where a new interpreter costs
seconds.
"""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY = 2 << 30
"""Most bytes of address space that a child may add to its parent's."""


@dataclass(frozen=True)
class Ended:
    """How a child process ended."""

    code: int | None
    """Exit code; negative for a signal; None where it was stopped at a limit."""
    out: str
    err: str


def forked(work: Callable[[], object], folder: Path, seconds: float) -> Ended:
    """How ``work`` ended in a child process.

    Args:
        work: is called in the child; SystemExit gives the exit code, any other exception a traceback and 1.
        folder: for the files ``stdout`` and ``stderr`` with what it printed.
        seconds: limit of processor time, and of waiting three times as long.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work(work, folder, seconds)
    limit = time.monotonic() + 3 * seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            status = None
            break
        time.sleep(0.005)
    out, err = ((folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))
    code = None if status is None else os.waitstatus_to_exitcode(status)
    return Ended(None if code == -signal.SIGXCPU else code, out, err)


def _work(work: Callable[[], object], folder: Path, seconds: float) -> None:
    """The child: redirect the standard streams, do the work, and end without the parent's exit handlers."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), descriptor)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.setprofile(None)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 1
        os._exit(code)


def memgate(arguments: Sequence[str]) -> None:
    """Run a memgate command in this process."""
    from memgate.__main__ import main

    sys.argv = ["memgate", *arguments]
    main()
