"""Independent random streams from one seed and a name: no draw depends on earlier draws."""

import hashlib

import torch


def stream_seed(seed: int, *names: object) -> int:
    """A seed of 63 bits that depends on ``seed`` and ``names`` only.

    Args:
        seed: the run's seed.
        names: purpose of the stream, such as ``("epoch", 3)``.
    """
    text = "|".join(["memgate", str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: object) -> torch.Generator:
    """The random generator of a stream, on the CPU so that all devices get the same numbers."""
    return torch.Generator().manual_seed(stream_seed(seed, *names))
