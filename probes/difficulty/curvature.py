"""Curvature of one sample's loss around its pixels: the size of the loss's second derivative by the image.

The second derivative is never formed: it is felt along random directions, as the change of the gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from memgate.errors import MemgateError
from noise.streams import sample_words
from probes.difficulty.config import DifficultyConfig
from probes.difficulty.gradients import Floats, checked_samples, finite, pixel_gradient, squared_norm
from probes.network.frozen import frozen, place_of
from probes.network.pixels import BATCH, batch_size_on, in_batches, load_batch

WORD = 64
"""Bits of a random word, each the sign of one pixel."""


def input_curvature(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    labels: ArrayLike | Tensor,
    *,
    directions: int = DifficultyConfig.directions,
    step: float = DifficultyConfig.step,
    sample_id: ArrayLike | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """Curvature of the loss around each image, float32 [n], in nats per squared unit of a pixel; high is harder.

    The root of the mean over n directions v of ||(grad L(x + h v) - grad L(x)) / h||^2, where each entry of v is -1 or
    +1 with equal chance and pixels range from 0 to 1. For such v the mean of ||H v||^2 is ||H||_F^2 = trace(H^2), so
    this is an estimate of the Frobenius norm of the Hessian H, where the gradient is smooth over a step. (A ReLU
    network has no curvature within a linear piece but that of its softmax; a step of h in every pixel crosses pieces,
    and that counts.) With 10 directions and a Hessian of rank one its standard error is about a fifth.

    Garg et al. 2024, "Memorization through the lens of curvature of loss function around samples" (arXiv 2307.05831),
    with its constants h = 1e-3 and n = 10. The paper's formula is trace(H^2), the square of this; its code takes the
    mean of ||grad L(x + h v) - grad L(x)||, without the square and without the h. All three rank samples alike but for
    the noise of the directions; over checkpoints their code averages lengths, as memgate does, and not squares,
    of which the largest would be nearly the sum.

    Args:
        model: any module from images [b, C, H, W] in [0, 1] to logits [b, K]; put the normalisation inside it. It
            runs in eval mode and in its own precision, and is left as it was.
        images: tensor or array [n, C, H, W], floats in [0, 1] or uint8 (divided by 255), n at least 1; on any device.
        labels: given labels [n], from 0 to K - 1.
        directions: number of directions; a larger one adds to those of a smaller.
        step: h, in units of a pixel's range.
        sample_id: ids [n], 0 or above, which with ``seed`` decide a sample's directions; None for 0 to n - 1.
        seed: of the directions.
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        finished: called after each batch with its number of images.

    Returns:
        [n], 0 or above; it does not depend on the batch, except by rounding, which a small step magnifies.

    Raises:
        MemgateError: the images are not in [0, 1], a label is no class, the network gives no finite logits, or
            ``directions``, ``step``, ``sample_id`` or ``batch_size`` is out of range.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
        >>> images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4])
        >>> input_curvature(model, images, labels).shape
        (5,)
    """
    DifficultyConfig(directions=directions, step=step)  # refuses what is out of range
    images, given = checked_samples(images, labels)
    ids = _ids(sample_id, len(images))
    device, dtype = place_of(model, images)
    values = []
    with frozen(model) as ask:
        for rows in in_batches(len(images), batch_size_on(device, batch_size, BATCH)):
            batch = load_batch(images, rows, device, dtype)
            before = pixel_gradient(ask, batch, given, rows)
            total = torch.zeros(len(rows), dtype=torch.float64, device=device)
            for way in _directions(ids[rows], tuple(images.shape[1:]), directions, seed):
                after = pixel_gradient(ask, batch + step * way.to(device, dtype), given, rows)
                total += squared_norm([after - before])
            values.append((total / directions).sqrt() / step)
            finished(len(rows))
    return finite(values)


def _directions(ids: NDArray[np.int64], shape: tuple[int, ...], count: int, seed: int) -> list[Tensor]:
    """Directions [b, C, H, W] of -1 and +1, ``count`` of them, each by (seed, sample id, number of the direction)."""
    pixels = int(np.prod(shape))
    words = -(-pixels // WORD)
    bits = sample_words(ids, words * count, "input curvature", seed).astype("<u8").view(np.uint8)
    signs = np.unpackbits(bits.reshape(len(ids), count, -1), axis=2, count=pixels, bitorder="little")
    ways = torch.from_numpy(signs.astype(np.int8) * 2 - 1)
    return [ways[:, number].reshape(len(ids), *shape) for number in range(count)]


def _ids(sample_id: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Ids int64 [n]; refuses others."""
    if sample_id is None:
        return np.arange(n)
    ids = np.asarray(sample_id)
    if ids.shape != (n,) or ids.dtype.kind not in "iu" or (ids < 0).any():
        raise MemgateError(f"sample_id must be a whole number, 0 or above, for each of the {n} images.")
    return ids.astype(np.int64)
