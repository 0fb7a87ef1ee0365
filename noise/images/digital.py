"""Changes of colour and loss of detail of CIFAR-10-C: brightness, contrast, saturate, jpeg, pixelate.

None of them is random: the words are ignored. Every function maps images, uint8 [n, H, W, C], to float64 or
uint8 [n, H, W, C] in units of uint8 pixels, not yet rounded. Row i depends on image i only.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noise.errors import require


def brightness(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, shift: float) -> NDArray[np.float64]:
    """HSV value (the largest channel) plus ``shift``, a share of full intensity; hue and saturation stay.

    With both kept, all channels grow by one ratio. Black has no hue: it becomes grey, as a grey image does.
    """
    value = _largest(images)
    raised = np.clip(value + 255 * shift, 0, 255)
    # The product first: then one rounding is left, and a pixel halfway between two integers is exactly there.
    return np.where(value > 0, images * raised / np.maximum(value, 1), raised)


def contrast(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, factor: float) -> NDArray[np.float64]:
    """Distance from the mean of the image's own channel, times ``factor``."""
    height, width = images.shape[1:3]
    mean = images.sum(axis=(1, 2), keepdims=True, dtype=np.int64) / (height * width)
    return (images - mean) * factor + mean


def saturate(
    images: NDArray[np.uint8], _words: NDArray[np.uint64], *, factor: float, shift: float
) -> NDArray[np.float64]:
    """HSV saturation times ``factor`` plus ``shift``, clipped to [0, 1]; hue and value stay.

    Grey pixels count as red, hue 0, as in scikit-image: a ``shift`` above 0 tints them.

    Raises:
        NoiseError: the images do not have three channels, so they have no saturation.
    """
    require(
        images.shape[-1] == 3,
        f"saturate needs images of 3 channels, these have {images.shape[-1]}: leave it out, or take contrast.",
    )
    value = _largest(images)
    spread = value - _largest(images, np.minimum)
    saturation = np.clip(spread / np.maximum(value, 1) * factor + shift, 0, 1)
    # How far each channel lies below the largest, as a share of the spread: the hue in other words.
    depth = np.where(spread > 0, (value - images) / np.maximum(spread, 1), (0.0, 1.0, 1.0))
    return value * (1 - saturation * depth)


def jpeg(images: NDArray[np.uint8], _words: NDArray[np.uint64], *, quality: float) -> NDArray[np.uint8]:
    """Saved as JPEG by Pillow at ``quality`` (colour at half resolution, its default), and read again.

    The one kind whose pixels another version of a library may change: that of Pillow's JPEG library.

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
    """Height and width times ``scale``, cut to whole pixels but one at least, and back, by a box filter.

    As Pillow's ``Image.BOX``, whose version it does not depend on: a small pixel is the mean of the pixels
    whose centre it covers, and a large pixel takes the small one that covers its centre. Pillow rounds after
    each axis and may be off by one from the mean, which is exact here. A centre right on an edge (never where
    the side is a power of two) counts to the small pixel before it in the mean and takes the one behind it on
    the way back, as in Pillow where its floating point has that edge exactly.
    """
    sums, pixels = images, 1
    for axis in (1, 2):
        length = images.shape[axis]
        small = max(1, int(length * scale))
        # The first large pixel whose centre x + 1/2 lies beyond the left edge j * length / small.
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
    """The largest channel (or another choice) of every pixel, [n, H, W, 1] with room for a sign."""
    # A loop over the channels is several times as fast as a reduction over so short an axis.
    chosen = images[..., :1]
    for channel in range(1, images.shape[-1]):
        chosen = choose(chosen, images[..., channel : channel + 1])
    return chosen.astype(np.int16)
