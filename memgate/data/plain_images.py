"""Images without content: of one colour, or with pixels 0 and 1 only, as floats cast to uint8 are."""

import numpy as np
from numpy.typing import NDArray

from noise.pixels import chunk_length

NAMED = 5
"""Images that are named in a sentence."""


def plain(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether every pixel of an image has the same colour, bool [N]; images uint8 [N, H, W, C]."""
    result = np.zeros(len(images), bool)
    step = chunk_length(images.shape[1:])
    for start in range(0, len(images), step):
        chunk = images[start : start + step]
        result[start : start + step] = (chunk == chunk[:, :1, :1]).all((1, 2, 3))
    return result


def plain_notes(
    images: NDArray[np.uint8], what: str, ids: NDArray[np.integer] | None = None
) -> tuple[str, ...]:
    """A sentence about images that show nothing; none where every image shows something.

    Args:
        images: uint8 [N, H, W, C], H and W above 1.
        what: what they are called in the sentence, such as ``train images``.
        ids: [N]; None: row numbers.
    """
    if images.size == 0:
        return ()
    if images.max() <= 1:
        return (
            f"All pixels of the {len(images)} {what} are 0 or 1 of 255, so they are black to the network: where they "
            "were floats from 0 to 1, multiply by 255 before the conversion to uint8.",
        )
    rows = np.flatnonzero(plain(images))
    if len(rows) == 0:
        return ()
    black = int((images[rows] == 0).all((1, 2, 3)).sum())
    named = ", ".join(map(str, (rows if ids is None else ids[rows])[:NAMED])) + (
        ", …" if len(rows) > NAMED else ""
    )
    return (
        f"{len(rows)} of the {len(images)} {what} have one colour only ({black} of them black; ids {named}): nothing "
        "can be learned from them but their labels.",
    )
