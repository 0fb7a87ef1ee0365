"""Deferred handling of Ctrl-C and SIGTERM: a training checks for them where it can stop cleanly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """A signal to stop was received; ``code`` is the shell's exit code for it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Interrupt:
    """A context in which the first SIGINT or SIGTERM is only stored; the next :meth:`check` raises.

    Checkpoints and rows of the log are therefore never left incomplete. A second signal raises KeyboardInterrupt
    immediately, for users who do not want to wait for the end of the batch. Outside the main thread, where Python
    delivers no signals, the context does nothing.

    Args:
        at_once: for a series of trainings, each with an Interrupt of its own. A signal between two trainings raises
            Interrupted immediately. A signal within a training is stored here too, so that the series also stops
            after a training that was in its last batch.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._at_once = at_once
        self._signal = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._store)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Context in which a signal raises Interrupted immediately, because nothing is written."""
        before, self._at_once = self._at_once, True
        try:
            self.check()
            yield
        finally:
            self._at_once = before

    def _store(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._signal:
            raise KeyboardInterrupt
        self._signal = number
        outer = getattr(self._previous.get(number), "__self__", None)
        if isinstance(outer, Interrupt):
            outer._signal = number
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Raise Interrupted where a signal was received."""
        if self._signal:
            raise Interrupted(128 + self._signal)
