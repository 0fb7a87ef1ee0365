"""The one exception that a user sees as a sentence instead of a traceback."""


class MemgateError(Exception):
    """Something the user can put right.

    The message is one sentence or two: the value, the reason, the remedy. The command line prints it and
    ends with exit code 2. It is no ValueError on purpose: tyro would catch that and box it.
    """


def require(condition: bool, message: str) -> None:
    """Raise MemgateError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise MemgateError(message)
