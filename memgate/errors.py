"""MemgateError, which the command line shows as a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class MemgateError(Exception):
    """An error that the user can correct.

    The message is one sentence or two: the value, the reason, the remedy. The command line prints it and ends with
    exit code 2. It is not a ValueError, since tyro would catch that.

    Example:
        >>> import memgate
        >>> try:
        ...     memgate.TrainConfig(epochs=0)
        ... except memgate.MemgateError as error:
        ...     print(error)
        --train.epochs 0 is out of range: from 1 to 100000.
    """


def require(condition: bool, message: str) -> None:
    """Raise MemgateError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise MemgateError(message)


DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError,
    AssertionError,
)  # fmt: skip
"""Exceptions that reading a damaged file may raise, whichever library reads it."""


@contextmanager
def reading(
    what: object, sentence: str = "cannot be read ({}): it is damaged, or of another version."
) -> Iterator[None]:
    """Turn whatever exception a damaged file causes in its reader into a MemgateError of one sentence.

    Args:
        what: the file or folder that is read, for the message.
        sentence: the message after its name, with ``{}`` for the reason.
    """
    try:
        yield
    except MemgateError:
        raise
    except PermissionError as error:
        raise MemgateError(f"{what} cannot be read ({error.strerror}): check its permissions.") from error
    except MemoryError as error:
        raise MemgateError(f"{what} cannot be read: there is not enough memory for it.") from error
    except DAMAGE as error:
        raise MemgateError(f"{what} {sentence.format(first_line(error))}") from error


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type where it has none.

    Example:
        >>> first_line(KeyError("radii")), first_line(OSError("the file is cut")), first_line(MemoryError())
        ("it lacks 'radii'", 'the file is cut', 'MemoryError')
    """
    if isinstance(error, KeyError) and error.args:
        missing = str(error.args[0])  # h5py gives a sentence here, and Python only the key
        return missing if " " in missing else f"it lacks {missing!r}"
    return str(error).strip().split("\n")[0].strip() or type(error).__name__
