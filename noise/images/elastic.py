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
    """Images [n, H, W, C] after a random affine map and a random displacement of every pixel, bilinear sampling.

    Simard et al. 2003 as in CIFAR-10-C. Positions are exact, whereas OpenCV's ``warpAffine`` rounds them to 1/32
    pixel. For images that are not square, "side" is the shorter side.

    Args:
        images: [n, H, W, C] uint8.
        words: [n, 6 + 2*H*W]: three points of the affine map, then the displacements down and to the right.
        amplitude: largest displacement before smoothing, as a share of the side; 0 for none.
        smoothness: standard deviation of the Gaussian that smooths the displacement, as a share of the side.
        affine: largest movement of the three points along each axis, as a share of the side.

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
    """Source rows and columns [n, H, W] of each pixel under the affine map that moves corners of a central square.

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
    # The inverse map takes the moved corners back. Before the move, the edges from the top right corner are
    # (0, 2 half) to the bottom right and (-2 half, 0) to the top left.
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
    """Images [n, H, W, C] sampled at fractional positions, bilinear.

    Args:
        images: [n, H, W, C].
        down: [n, H, W] rows, any number.
        right: [n, H, W] columns, any number.
        border: continuation beyond the border, by scipy's names: mirrored at the centre of the edge pixels
            (``mirror``) or at their outer edge (``reflect``).
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
    """Pixel index at each position rounded down, and at the next position, folded into the image at the border."""
    whole = position.astype(np.int64)
    first = int(whole.min())
    # Positions are in a narrow range, so a table of the range is far cheaper than a division for each position.
    table = np.arange(first, int(whole.max()) + 2)
    if border == "reflect":
        table %= 2 * length
        folded = np.minimum(table, 2 * length - 1 - table)
    else:
        table %= max(1, 2 * (length - 1))
        folded = np.minimum(table, 2 * (length - 1) - table)
    whole -= first
    return folded.take(whole), folded.take(whole + 1)
