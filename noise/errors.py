"""Errors that a user can correct."""


class NoiseError(ValueError):
    """An error that the caller can correct; the message states the value, the reason and the remedy.

    Example:
        >>> import noise
        >>> try:
        ...     noise.parse_spec("symmetric:1.4")
        ... except noise.NoiseError as error:
        ...     print(error)
        symmetric:1.4: the rate is a share of the samples, in [0, 1], such as 0.4.
    """


class MissingFileError(NoiseError):
    """A file does not exist at its path."""


def require(condition: bool, message: str) -> None:
    """Raise NoiseError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise NoiseError(message)
