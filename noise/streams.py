"""Random numbers of a sample as a function of (key, sample id) only.

The words come from Philox4x64-10, whose output numpy guarantees. The distributions are computed here, because numpy
does not guarantee the streams of its distributions across versions (NEP 19).
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from noise.choose import hash_text


def sample_words(sample_id: NDArray[np.integer], count: int, *key_parts: object) -> NDArray[np.uint64]:
    """The first ``count`` random words [n, count] of the stream of each sample.

    The Philox key is the first 128 bits of the SHA-256 of ``memgate-noise-v1|<key parts...>|stream``; the
    third word of its counter is the sample id, so the streams of two samples never overlap.

    Args:
        sample_id: [n] integers, 0 or above.
        count: words per sample.
        key_parts: key of the streams, such as data set, seed and operation.

    Returns:
        [n, count] uint64. Row i depends on ``sample_id[i]`` and the key only.
    """
    digest = hashlib.sha256(f"{hash_text(*key_parts)}|stream".encode()).digest()
    generator = np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64))
    # Setting the counter of one generator is five times as fast as creating a generator for every sample. The
    # state is that of a new generator, with an empty buffer, so each row starts with a fresh block.
    state: Any = generator.state
    counter = np.zeros(4, dtype=np.uint64)
    state["state"]["counter"] = counter
    words = np.empty((len(sample_id), count), dtype=np.uint64)
    for row, number in enumerate(sample_id.tolist()):
        counter[2] = number
        generator.state = state
        words[row] = generator.random_raw(count)
    return words


def uniforms(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform numbers in the open interval (0, 1), one per word: the midpoints of 2^52 equal cells."""
    # 53 bits plus a half would need 54 bits, and the highest cell would round to 1.0; so 52 bits are kept.
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def below(words: NDArray[np.uint64], bound: int | NDArray[np.integer]) -> NDArray[np.int64]:
    """Integers uniform over ``0..bound-1``, one per word; the bias of the remainder is below bound / 2^64.

    Args:
        words: of any shape.
        bound: one for all words, or one for each; above 0.
    """
    return (words % np.asarray(bound, np.uint64)).astype(np.int64)


def normals(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Standard normal numbers, one per word, by the inverse of the normal distribution function.

    The last digit of a value may differ between builds of scipy; this changes a rounded pixel value about once in
    10^13 pixels.
    """
    return ndtri(uniforms(words))
