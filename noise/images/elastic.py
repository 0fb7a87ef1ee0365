"""The elastic transform of CIFAR-10-C: a random affine map, then a smooth random displacement."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from noise.streams import uniforms

Border = Literal["mirror", "reflect"]


def elastic(
    images: NDArray[np.uint8],
    words: NDArray[np.uint64],
    *,
    amplitude: float,
    smoothness: float,
    affine: float,
) -> NDArray[np.float32]:
    """A random affine map, then a random displacement of every pixel, both sampled bilinearly.

    Simard et al. 2003 in the form of CIFAR-10-C. Positions are exact, where OpenCV's ``warpAffine`` rounds
    them to 1/32 pixel. Of images that are not square, the shorter side counts.

    Args:
        images: [n, H, W, C] uint8.
        words: [n, 6 + 2*H*W]: three points of the affine map, then the displacements down and to the right.
        amplitude: of the displacement before it is smoothed, as a share of the side; 0 for none.
        smoothness: standard deviation of the Gaussian that smooths it, as a share of the side.
        affine: how far the three points move at most along each axis, as a share of the side.

    Returns:
        [n, H, W, C] float32 in units of uint8 pixels, not yet rounded; row i depends on image i and words i.
    """
    count, height, width = images.shape[:3]
    side = min(height, width)
    draws = 2 * uniforms(words) - 1
    down, right = affine_source(draws[:, :6].reshape(count, 3, 2) * (affine * side), height, width)
    warped = sample(images, down, right, "mirror")
    if amplitude == 0:
        return warped
    fields = draws[:, 6:].reshape(count, 2, height, width)
    sigma = smoothness * side
    fields = ndimage.gaussian_filter(fields, (0, 0, sigma, sigma), mode="reflect", truncate=3.0)
    fields *= amplitude * side
    down = fields[:, 0] + np.arange(height)[:, None]
    return sample(warped, down, fields[:, 1] + np.arange(width), "reflect")


def affine_source(
    moves: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each pixel comes from under the affine map that moves three corners of a central square.

    Args:
        moves: [n, 3, 2] in pixels, (right, down) of the corners bottom right, top right and top left.
        height: of the image.
        width: of the image.

    Returns:
        Rows and columns, both [n, H, W].
    """
    half = max(1, min(height, width) // 3)
    centre = np.array([width // 2, height // 2])
    corners = centre + np.array([[half, half], [half, -half], [-half, -half]])
    moved = corners + moves
    # The inverse map takes the moved corners back. Both squares have two edges from the top right corner on:
    # to the bottom right, (0, 2 half) before the move, and to the top left, (-2 half, 0).
    down_edge, left_edge = moved[:, 0] - moved[:, 1], moved[:, 2] - moved[:, 1]
    area = down_edge[:, 0] * left_edge[:, 1] - left_edge[:, 0] * down_edge[:, 1]
    down_edge, left_edge = ((2 * half / area)[:, None] * edge for edge in (down_edge, left_edge))
    right = (np.arange(width) - moved[:, 1, :1])[:, None, :]
    down = (np.arange(height) - moved[:, 1, 1:])[:, :, None]

    def along(edge: NDArray[np.float64]) -> NDArray[np.float64]:
        return edge[:, 1, None, None] * right - edge[:, 0, None, None] * down

    return corners[1, 1] + along(left_edge), corners[1, 0] + along(down_edge)


def sample(
    images: NDArray[np.uint8] | NDArray[np.float32],
    down: NDArray[np.float64],
    right: NDArray[np.float64],
    border: Border,
) -> NDArray[np.float32]:
    """Images at fractional positions, bilinear.

    Args:
        images: [n, H, W, C].
        down: [n, H, W] rows, any number.
        right: [n, H, W] columns, any number.
        border: how the image goes on: mirrored at the centre of its edge pixels (``mirror``) or at their
            outer edge (``reflect``); the names are scipy's.
    """
    count, height, width, channels = images.shape
    flat = images.reshape(-1, channels)
    top, left = np.floor(down), np.floor(right)
    lower, further = ((part.astype(np.float32))[..., None] for part in (down - top, right - left))
    base = np.arange(count)[:, None, None] * (height * width)
    rows = [base + width * row for row in _folded(top, height, border)]
    columns = _folded(left, width, border)
    ends = []
    for row in rows:
        start = flat.take(row + columns[0], axis=0).astype(np.float32)
        ends.append(start + further * (flat.take(row + columns[1], axis=0) - start))
    return ends[0] + lower * (ends[1] - ends[0])


def _folded(
    position: NDArray[np.float64], length: int, border: Border
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of the pixel that stands at each whole position, and at the next one, folded at the border."""
    whole = position.astype(np.int64)
    first = int(whole.min())
    # Positions lie in a narrow range: a table of it is far cheaper than a division for each of them.
    outside = np.arange(first, int(whole.max()) + 2)
    if border == "reflect":
        outside %= 2 * length
        inside = np.minimum(outside, 2 * length - 1 - outside)
    else:
        outside %= max(1, 2 * (length - 1))
        inside = np.minimum(outside, 2 * (length - 1) - outside)
    whole -= first
    return inside.take(whole), inside.take(whole + 1)
