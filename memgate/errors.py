"""MemgateError, which the command line shows as a sentence instead of a traceback."""


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
