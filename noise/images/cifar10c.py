"""The corruptions of CIFAR-10-C by name: random words and constants in, uint8 images out."""

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
    """Rendering of one kind.

    Attributes:
        words: number of random words per image of shape (H, W, C).
        render: maps images uint8 [n, H, W, C], words uint64 [n, k] and the constants to [n, H, W, C] in units of
            uint8 pixels, not yet rounded; row i depends on row i of both and on the constants only.
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
    """Images [n, H, W, C] uint8 corrupted by one kind, rounded to the nearest integer and clipped to [0, 255].

    CIFAR-10-C truncates when it casts to uint8, which darkens every image by half a level and turns differences in
    the last bit between library versions into different pixels wherever a value is near an integer. Values are
    rounded here.

    Args:
        kind: a key of :data:`RENDERERS`.
        images: [n, H, W, C] uint8.
        words: [n, k] with k = ``RENDERERS[kind].words((H, W, C))``.
        constants: value of every constant of the kind, for example at a severity of
            :data:`noise.severity.CONSTANTS`.

    Returns:
        [n, H, W, C] uint8. Row i depends on ``images[i]``, ``words[i]`` and the constants only.
    """
    if len(images) == 0:
        return images.copy()
    values = RENDERERS[kind].render(images, words, **constants)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def rendered(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8 at ``positions``, corrupted by the kind of the task with its constants."""
    kind, shape = task.spec.kind, task.images.shape[1:]
    count = RENDERERS[kind].words(shape)
    return in_steps(
        positions,
        shape,
        lambda chunk: render(kind, task.images[chunk], task.words(chunk, count), task.spec.constants),
    )
