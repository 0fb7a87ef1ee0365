"""Changes of colour and loss of detail of CIFAR-10-C: brightness, contrast, saturate, jpeg, pixelate.

None of them is random, so the words are ignored. Every function maps images uint8 [n, H, W, C] to float64 or uint8
[n, H, W, C] in units of uint8 pixels, not yet rounded. Row i depends on image i only.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noise.errors import require


def brightness(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, shift: float) -> NDArray[np.float64]:
    """Images with ``shift`` (a share of full intensity) added to the HSV value; hue and saturation stay.

    All channels of a pixel are scaled by one ratio. Black has no hue and becomes grey.
    """
    value = _largest(images)
    raised = np.clip(value + 255 * shift, 0, 255)
    # Multiplying first leaves one rounding, so a value halfway between two integers is exactly halfway.
    return np.where(value > 0, images * raised / np.maximum(value, 1), raised)


def contrast(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, factor: float) -> NDArray[np.float64]:
    """Images whose distance from the mean of each channel of the image is multiplied by ``factor``."""
    height, width = images.shape[1:3]
    mean = images.sum(axis=(1, 2), keepdims=True, dtype=np.int64) / (height * width)
    return (images - mean) * factor + mean


def saturate(
    images: NDArray[np.uint8], _words: NDArray[np.uint64], *, factor: float, shift: float
) -> NDArray[np.float64]:
    """Images with HSV saturation times ``factor`` plus ``shift``, clipped to [0, 1]; hue and value stay.

    Grey pixels count as red (hue 0), as in scikit-image, so a ``shift`` above 0 tints them.

    Raises:
        NoiseError: the images do not have three channels, or are grey.
    """
    channels = images.shape[-1]
    require(
        channels != 1, "saturate changes colours, and these images are grey: leave it out or use contrast."
    )
    require(
        channels == 3,
        f"saturate needs images of 3 channels, these have {channels}: leave it out or use contrast.",
    )
    value = _largest(images)
    spread = value - _largest(images, np.minimum)
    saturation = np.clip(spread / np.maximum(value, 1) * factor + shift, 0, 1)
    # Distance of each channel below the largest as a share of the spread; this is the hue.
    depth = np.where(spread > 0, (value - images) / np.maximum(spread, 1), (0.0, 1.0, 1.0))
    return value * (1 - saturation * depth)


def jpeg(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, quality: float) -> NDArray[np.uint8]:
    """Images compressed as JPEG by Pillow at ``quality``, with its default of colour at half resolution.

    The only kind whose pixels depend on a library version, that of Pillow's JPEG library.

    Raises:
        NoiseError: the images have neither one nor three channels.
    """
    channels = images.shape[-1]
    require(channels in (1, 3), f"jpeg needs images of 1 or 3 channels, these have {channels}: leave it out.")
    result = np.empty_like(images)
    for row, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image if channels == 3 else image[..., 0]).save(file, "JPEG", quality=int(quality))
        with Image.open(file) as decoded:
            result[row] = np.asarray(decoded).reshape(image.shape)
    return result


def pixelate(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, scale: float) -> NDArray[np.float64]:
    """Images reduced to ``scale`` times height and width (truncated, at least one pixel) and enlarged again.

    The box filter of Pillow's ``Image.BOX``, but independent of its version: a small pixel is the mean of the pixels
    whose centres it covers, and a large pixel takes the small pixel that covers its centre. Pillow rounds after each
    axis and may differ by one from the exact mean here. A centre exactly on an edge (impossible for sides that are
    powers of two) belongs to the small pixel before it in the reduction and to the one after it in the enlargement,
    as in Pillow where the edge is exact in floating point.
    """
    sums, pixels = images, 1
    for axis in (1, 2):
        length = images.shape[axis]
        small = max(1, int(length * scale))
        # The first large pixel whose centre x + 1/2 is right of the left edge j * length / small.
        starts = (2 * np.arange(small) * length + small) // (2 * small)
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=np.int64)
        shape = [-1 if other == axis else 1 for other in range(4)]
        pixels = pixels * np.diff(starts, append=length).reshape(shape)
    means = sums / pixels
    for axis in (1, 2):
        length, small = images.shape[axis], means.shape[axis]
        means = means.take((2 * np.arange(length) + 1) * small // (2 * length), axis=axis)
    return means


def _largest(images: NDArray[np.uint8], choose: np.ufunc = np.maximum) -> NDArray[np.int16]:
    """Largest channel of every pixel (or another reduction) [n, H, W, 1], as int16 for signed differences."""
    # A loop over the channels is several times as fast as a reduction over so short an axis.
    chosen = images[..., :1]
    for channel in range(1, images.shape[-1]):
        chosen = choose(chosen, images[..., channel : channel + 1])
    return chosen.astype(np.int16)
