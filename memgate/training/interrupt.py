"""Ctrl-C and SIGTERM as a question that the training asks where it can stop cleanly."""

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """The user asked the training to stop; ``code`` is the shell's exit code for the signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Interrupt:
    """While it is entered, a first SIGINT or SIGTERM only takes note; :meth:`check` then raises.

    So neither a checkpoint nor a row of the log is ever broken off in the middle. A second signal raises
    KeyboardInterrupt at once, for a user who will not wait for the batch. Outside the main thread, where
    Python delivers no signals, it does nothing.

    Args:
        at_once: of a series of trainings: a signal that comes between them raises Interrupted at once, and one
            that comes within another's Interrupt is noted by both, so that a training which was too far to be
            stopped does not hide it.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._at_once = at_once
        self._number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._number:
            raise KeyboardInterrupt
        self._number = number
        outer = getattr(self._before.get(number), "__self__", None)
        if isinstance(outer, Interrupt):
            outer._number = number
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._number:
            raise Interrupted(128 + self._number)
