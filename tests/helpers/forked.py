"""A process of its own that need not import anything again, for what kills it."""

import os
import warnings
from collections.abc import Callable


def exit_code_of(work: Callable[[], object]) -> int:
    """How a forked child ends that calls ``work``: its exit code, or the negative number of the signal that killed it.

    It cannot train, since PyTorch's threads for gradients are not in the child.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, about a process with threads
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
