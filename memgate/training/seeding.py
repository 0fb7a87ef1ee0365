"""One seed, many independent named streams: nothing random depends on what was drawn before it."""

import hashlib

import torch


def stream_seed(seed: int, *names: object) -> int:
    """A 63-bit seed that depends on ``seed`` and the stream's name only.

    Args:
        seed: the run's seed.
        names: what the stream is for, such as ``("augment", epoch)``.
    """
    text = "|".join(["memgate", str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: object) -> torch.Generator:
    """A CPU generator for one named stream; draws are made on the CPU so that every device gets the same."""
    return torch.Generator().manual_seed(stream_seed(seed, *names))
