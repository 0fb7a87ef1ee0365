"""Choice of samples by the rank of a hash instead of a random generator.

SHA-256 is the same in every language and library version. A rank also has two properties that a random draw lacks:
the first 20 % are a subset of the first 40 %, and the rank of a sample depends on its id, not on its position.
"""

import hashlib
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from noise.errors import require

HASH_DOMAIN = "memgate-noise-v1"


def hash_text(*key_parts: object) -> str:
    """The text ``memgate-noise-v1|part|part|...``, the prefix of every hash of this package.

    Raises:
        NoiseError: a part is empty or holds the separator ``|``, so that two keys could give one text.
    """
    parts = [str(part) for part in key_parts]
    for part in parts:
        require(
            bool(part) and "|" not in part and part.isprintable(),
            f"{part!r} cannot be part of a hash key: printable text without '|', and not empty.",
        )
    return "|".join([HASH_DOMAIN, *parts])


def hash_order(sample_id: NDArray[np.integer], *key_parts: object) -> NDArray[np.int64]:
    """Positions of the samples [N], sorted by the SHA-256 of ``memgate-noise-v1|<key parts...>|<sample id>``.

    The first k of them are a pseudo-random subset that does not depend on library versions or on the order of the
    input; the subset for a smaller k is part of that for a larger k.

    Args:
        sample_id: [N] distinct integers.
        key_parts: key of the order, such as a data set's name, a seed and a purpose.

    Returns:
        [N] int64, a permutation of ``0..N-1``: indices into ``sample_id``.

    Raises:
        NoiseError: a key part is empty or holds ``|``.
    """
    prefix = f"{hash_text(*key_parts)}|".encode()
    digests = b"".join(hashlib.sha256(b"%s%d" % (prefix, number)).digest() for number in sample_id.tolist())
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, 4)
    return np.lexsort(words.T[::-1]).astype(np.int64)


def exact_count(rate: float, total: int) -> int:
    """round(rate * total), halves rounded up, in exact arithmetic on the decimal text of the rate.

    A rate of 0.145 of 100 samples gives 15, although the float product is 14.499...; 0.25 of 10 gives 3, where
    Python's ``round`` gives 2.

    Args:
        rate: in [0, 1].
        total: number of samples.

    Returns:
        A count in [0, total].
    """
    return int(Fraction(repr(float(rate))) * total + Fraction(1, 2))
