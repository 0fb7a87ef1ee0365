"""The corruptions of CIFAR-10-C by name, from words and constants to uint8 images."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noise.images import blurs, digital, elastic, pixel_noise
from noise.pixels import in_steps
from noise.task import Task


@dataclass(frozen=True)
class Renderer:
    """How one kind is made.

    Attributes:
        words: random words per image of shape (H, W, C).
        render: (images uint8 [n, H, W, C], words uint64 [n, k], **constants) to [n, H, W, C] in units of uint8
            pixels, not yet rounded; row i depends on row i of both and on the constants only.
    """

    words: Callable[[tuple[int, ...]], int]
    render: Callable[..., NDArray]


def _none(_shape: tuple[int, ...]) -> int:
    return 0


RENDERERS: dict[str, Renderer] = {
    "gaussian": Renderer(math.prod, pixel_noise.gaussian),
    "shot": Renderer(math.prod, pixel_noise.shot),
    "impulse": Renderer(math.prod, pixel_noise.impulse),
    "speckle": Renderer(math.prod, pixel_noise.speckle),
    "gaussian-blur": Renderer(_none, blurs.gaussian_blur),
    "defocus-blur": Renderer(_none, blurs.defocus_blur),
    "glass-blur": Renderer(lambda shape: shape[0] * shape[1], blurs.glass_blur),
    "motion-blur": Renderer(lambda _: 1, blurs.motion_blur),
    "zoom-blur": Renderer(_none, blurs.zoom_blur),
    "brightness": Renderer(_none, digital.brightness),
    "contrast": Renderer(_none, digital.contrast),
    "saturate": Renderer(_none, digital.saturate),
    "jpeg": Renderer(_none, digital.jpeg),
    "pixelate": Renderer(_none, digital.pixelate),
    "elastic": Renderer(lambda shape: 6 + 2 * shape[0] * shape[1], elastic.elastic),
}
"""One for each kind of :data:`noise.severity.CONSTANTS`."""


def render(
    kind: str, images: NDArray[np.uint8], words: NDArray[np.uint64], constants: Mapping[str, float]
) -> NDArray[np.uint8]:
    """Images corrupted by one kind, rounded to the nearest integer and clipped to [0, 255].

    CIFAR-10-C itself cuts the digits off when it casts to uint8, which darkens every image by half a level
    and makes the last bit of a library visible wherever an integer comes out; here values are rounded.

    Args:
        kind: a key of :data:`RENDERERS`.
        images: [n, H, W, C] uint8.
        words: [n, k], k as ``RENDERERS[kind].words((H, W, C))`` says.
        constants: every parameter of the kind and its value, such as a column of
            :data:`noise.severity.CONSTANTS`.

    Returns:
        [n, H, W, C] uint8. Row i depends on ``images[i]``, ``words[i]`` and the constants only.
    """
    if len(images) == 0:
        return images.copy()
    values = RENDERERS[kind].render(images, words, **constants)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def rendered(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The task's kind with its constants, on the images at ``positions``: uint8 [n, H, W, C]."""
    kind, shape = task.spec.kind, task.images.shape[1:]
    count = RENDERERS[kind].words(shape)
    return in_steps(
        positions,
        shape,
        lambda some: render(kind, task.images[some], task.words(some, count), task.spec.constants),
    )
