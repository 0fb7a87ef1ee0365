"""The one exception of this package that a user sees as a sentence."""


class NoiseError(ValueError):
    """Something the caller can put right; the message says the value, the reason and the remedy."""


class MissingFileError(NoiseError):
    """A file that is not where it should be."""


def require(condition: bool, message: str) -> None:
    """Raise NoiseError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise NoiseError(message)
