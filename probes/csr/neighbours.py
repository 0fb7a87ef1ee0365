"""Neighbours of critical samples: images within the box that get another prediction.

A linearised distance estimates how near the boundary is, and a search shows that there is another prediction in the
box. Here the image itself is kept, and its prediction is computed from exactly what is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probes.csr.config import MOST, configure
from probes.csr.critical import CriticalSamples
from probes.csr.search import GREY_LEVEL, BoxSearch
from probes.network.frozen import Logits, frozen, place_of
from probes.network.pixels import BATCH, batch_size_on, in_batches, load_batch

HALVINGS = 7
"""Halvings of the way from the sample to the image that was found: 1/128 of it is more than float32's rounding."""

STEPS = 127
"""Largest whole number of a stored difference, within int8."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Images with another prediction, one for each of m critical samples, the nearest sample first.

    The neighbour of an image in [0, 1] is ``image + difference / 127 * distance / 255``.
    """

    row: NDArray[np.int64]
    """[m] row of each sample among the images."""
    difference: NDArray[np.int8]
    """[m, C, H, W], from -127 to 127, where 127 is ``distance``."""
    distance: NDArray[np.float32]
    """[m] largest change of a pixel in grey levels: an upper bound of the true distance to the boundary."""
    prediction: NDArray[np.int64]
    """[m] predicted class of the neighbour, which is not that of the sample."""


def find_neighbours(
    model: nn.Module,
    images: Tensor,
    critical: CriticalSamples,
    *,
    most: int = MOST,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Neighbours:
    """Neighbours of the critical samples that are nearest to the boundary, at most ``most``.

    A search along the sign of the gradient from the sample itself (as PGD, without its random start) goes through the
    boxes in which the sample is critical, from the smallest; then the way to the image that it found is halved
    :data:`HALVINGS` times. A sample for which the search finds nothing is left out: a linearised distance is an
    estimate.

    Args:
        model: the network of ``critical``, from images [b, C, H, W] in [0, 1] to logits.
        images: those of ``critical`` [n, C, H, W], floats in [0, 1] or uint8.
        critical: critical samples of the model.
        most: largest number of samples; 0 for none.
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        finished: called after each batch with its number of samples, ``most`` or fewer in all.

    Raises:
        MemgateError: the network's logits are not finite.
    """
    nearest = np.argsort(critical.critical_radius, kind="stable")
    rows = nearest[critical.critical[-1][nearest]][:most].astype(np.int64)
    place = place_of(model, images)
    size = batch_size_on(place[0], batch_size, BATCH)
    parts = [(rows[:0], *_nothing(tuple(images.shape[1:])))]
    with frozen(model) as logits:
        for batch in in_batches(len(rows), size) if len(rows) else ():
            parts.append(_neighbours(logits, images, critical, rows[batch], place))
            finished(len(batch))
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _neighbours(
    logits: Logits,
    images: Tensor,
    critical: CriticalSamples,
    rows: NDArray[np.int64],
    place: tuple[torch.device, torch.dtype],
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """The columns of :class:`Neighbours` for one batch."""
    pictures = load_batch(images, rows, *place)
    own = torch.from_numpy(critical.prediction[rows]).to(place[0])
    search = BoxSearch(logits, pictures, own, critical.sample_id[rows], len(rows), place[1])
    change, hit = _searched(search, critical, rows)
    if not hit.any():
        return rows[:0], *_nothing(tuple(images.shape[1:]))
    there = torch.from_numpy(np.flatnonzero(hit)).to(place[0])
    columns = _halved(logits, pictures[there], change[there], own[there])
    kept = columns[2] != critical.prediction[rows[hit]]
    return rows[hit][kept], columns[0][kept], columns[1][kept], columns[2][kept]


def _searched(
    search: BoxSearch, critical: CriticalSamples, rows: NDArray[np.int64]
) -> tuple[Tensor, NDArray[np.bool_]]:
    """What a search adds to each sample [b, C, H, W], and whether that changes the prediction [b]."""
    walks = configure("pgd", tuple(radius for radius in critical.config.radii if radius > 0))
    change, hit = torch.zeros_like(search.images), np.zeros(len(rows), bool)
    members = critical.critical[[radius > 0 for radius in critical.config.radii]][:, rows]
    for number, within in enumerate(members):
        wanted = np.flatnonzero(within & ~hit)
        box = search.search(wanted, replace(walks.walk(number), random_start=False), keep=True)
        assert box.change is not None
        change += box.change
        hit |= box.hit_step >= 0
    return change, hit


def _halved(
    logits: Logits, pictures: Tensor, change: Tensor, own: Tensor
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """The shortest part of a change that alters the prediction, as it is stored.

    Returns:
        Difference, distance and prediction as in :class:`Neighbours`; the sample's own prediction where not even the
        whole change, as it is stored, alters it.
    """
    short, long = torch.zeros(len(own), device=own.device), torch.ones(len(own), device=own.device)
    with torch.no_grad():
        for _ in range(HALVINGS):
            middle = (short + long) / 2
            other = logits(_at(pictures, *_stored(change, middle))).argmax(1) != own
            short, long = torch.where(other, short, middle), torch.where(other, middle, long)
        steps, distance = _stored(change, long)
        prediction = logits(_at(pictures, steps, distance)).argmax(1)
    return steps.cpu().numpy(), distance.cpu().numpy(), prediction.cpu().numpy()


def _stored(change: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """A part of a change [b, C, H, W] as whole steps of a distance [b], rounded towards 0 to stay within its box."""
    part = change * share[:, None, None, None]
    largest = part.abs().flatten(1).amax(1)
    unit = largest.clamp_min(torch.finfo(part.dtype).tiny)[:, None, None, None] / STEPS
    # Without the factor, a whole number of units that rounding has put just below itself would lose one.
    steps = (part / unit * (1 + 1e-6)).trunc().clamp(-STEPS, STEPS)
    return steps.to(torch.int8), (largest / GREY_LEVEL).float()


def _at(pictures: Tensor, steps: Tensor, distance: Tensor) -> Tensor:
    """The neighbours, images [b, C, H, W] in [0, 1], from their stored steps and distances."""
    reach = (distance * GREY_LEVEL / STEPS).to(pictures.dtype)[:, None, None, None]
    return (pictures + steps.to(pictures.dtype) * reach).clamp(0, 1)


def _nothing(shape: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """Empty columns for images of a shape [C, H, W]."""
    return np.zeros((0, *shape), np.int8), np.zeros(0, np.float32), np.zeros(0, np.int64)
