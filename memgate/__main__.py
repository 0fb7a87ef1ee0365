"""Entry point of the command ``memgate`` and of ``python -m memgate``; the only module that imports from ``app``.

Imports little by itself, so that Ctrl-C and the threads of PyTorch are in order before anything large is loaded.
"""

import os
import signal
import sys
from types import FrameType

SPIN_COUNT = "2000"
"""GOMP_SPINCOUNT of the commands: how often an idle thread of PyTorch looks for work before it sleeps.

By default it looks for milliseconds, in which other programs on the same cores wait: ``benchmarks/neighbour.py``.
"""


def set_spin_count() -> None:
    """Set GOMP_SPINCOUNT for PyTorch, unless the user has set it or OMP_WAIT_POLICY."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def open_closed_streams() -> None:
    """Open the null device in place of standard streams that are closed.

    The next file that is opened would get a closed stream's number, and messages of libraries be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def check_siblings() -> None:
    """Check that noise, probes and app are the packages beside memgate, not others of the same name.

    Raises:
        MemgateError: another package of that name comes first (PyPI has a ``noise``).
    """
    import importlib.util
    from pathlib import Path

    from memgate.errors import MemgateError

    here = Path(__file__).resolve().parents[1]
    for name in ("noise", "probes", "app"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if origin != here / name:
            raise MemgateError(
                f"Another package called {name!r} ({spec.origin if spec and origin else 'without files'}) hides "
                "memgate's own: rename or uninstall it, work in another folder, or use a fresh environment."
            )


def main() -> None:
    """Run the command in the process's arguments.

    Raises:
        SystemExit: with code 2 where another package hides one of memgate's, else as :func:`app.cli.main.run` does.
    """
    before = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # Not where it is ignored, as in the background of a shell.
    handled = [number for number, handler in before.items() if signal.getsignal(number) is handler]
    for number in handled:
        signal.signal(number, _end_at_once)
    try:
        open_closed_streams()
        set_spin_count()
        from memgate import console
        from memgate.errors import MemgateError

        try:
            check_siblings()
        except MemgateError as error:
            console.warn(str(error))
            raise SystemExit(2) from None
        from app.cli.main import run  # only after the check

        for number in handled:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _end)
        run(sys.argv[1:])
    except KeyboardInterrupt as interrupt:  # a second Ctrl-C, after the one that run() has handled
        raise SystemExit(*interrupt.args or (130,)) from None
    finally:
        for number in handled:
            signal.signal(number, before[number])


def _end(number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt with the exit code: SIGTERM by itself would leave temporary files behind."""
    raise KeyboardInterrupt(128 + number)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    """End the process while it is still importing: an exception could become another one within an import."""
    os.write(2, b"memgate: Stopped.\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
