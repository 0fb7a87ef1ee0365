"""Just beyond the boundary: for critical samples, an image within the box that really gets another prediction.

A linearised distance says how near the boundary lies, a search that somewhere in the box another prediction is. Here
the place is kept, as it is stored, and the network has been asked about exactly that.
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
"""Of the way from the sample to what the search found: 1/128 of it is left, more than float32's rounding."""

STEPS = 127
"""Largest whole number of a stored difference: it fits into int8."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Images with another prediction, one for each of m critical samples, the nearest sample first.

    The neighbour of an image in [0, 1] is ``image + difference / 127 * distance / 255``.
    """

    row: NDArray[np.int64]
    """[m] whose, as rows of the images."""
    difference: NDArray[np.int8]
    """[m, C, H, W], from -127 to 127, of which 127 is ``distance``."""
    distance: NDArray[np.float32]
    """[m] largest change of a pixel in grey levels: the true distance to the boundary cannot exceed it."""
    prediction: NDArray[np.int64]
    """[m] what the network says of the neighbour: not what it says of the sample."""


def find_neighbours(
    model: nn.Module,
    images: Tensor,
    found: CriticalSamples,
    *,
    most: int = MOST,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Neighbours:
    """Look for the neighbours of the critical samples that are nearest to the boundary.

    A walk along the sign of the gradient from the sample itself (as PGD, without its random start) looks through the
    boxes in which the sample is critical, from the smallest; then the way there is halved until the boundary is
    between two neighbouring points of it. A sample whose walk finds nothing is left out: a linearised distance is an
    estimate.

    Args:
        model: the network that ``found`` is of, from images [b, C, H, W] in [0, 1] to logits.
        images: [n, C, H, W], floats in [0, 1] or uint8, those of ``found``.
        found: who is critical.
        most: how many samples at most; 0 for none.
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        finished: told how many samples are done since the last call, ``most`` or fewer in all.

    Raises:
        MemgateError: the network's logits are not finite.
    """
    nearest = np.argsort(found.critical_radius, kind="stable")
    rows = nearest[found.critical[-1][nearest]][:most].astype(np.int64)
    place = place_of(model, images)
    size = batch_size_on(place[0], batch_size, BATCH)
    parts = [(rows[:0], *_nothing(tuple(images.shape[1:])))]
    with frozen(model) as logits:
        for some in in_batches(len(rows), size) if len(rows) else ():
            parts.append(_neighbours(logits, images, found, rows[some], place))
            finished(len(some))
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _neighbours(
    logits: Logits,
    images: Tensor,
    found: CriticalSamples,
    rows: NDArray[np.int64],
    place: tuple[torch.device, torch.dtype],
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """Of one batch; the columns of :class:`Neighbours`."""
    pictures = load_batch(images, rows, *place)
    own = torch.from_numpy(found.prediction[rows]).to(place[0])
    search = BoxSearch(logits, pictures, own, found.sample_id[rows], len(rows), place[1])
    change, hit = _found(search, found, rows)
    if not hit.any():
        return rows[:0], *_nothing(tuple(images.shape[1:]))
    there = torch.from_numpy(np.flatnonzero(hit)).to(place[0])
    columns = _halved(logits, pictures[there], change[there], own[there])
    kept = columns[2] != found.prediction[rows[hit]]
    return rows[hit][kept], columns[0][kept], columns[1][kept], columns[2][kept]


def _found(
    search: BoxSearch, found: CriticalSamples, rows: NDArray[np.int64]
) -> tuple[Tensor, NDArray[np.bool_]]:
    """What a walk has added to each of the samples, and whether that changes the prediction."""
    walks = configure("pgd", tuple(radius for radius in found.config.radii if radius > 0))
    change, hit = torch.zeros_like(search.images), np.zeros(len(rows), bool)
    critical = found.critical[[radius > 0 for radius in found.config.radii]][:, rows]
    for number, inside in enumerate(critical):
        wanted = np.flatnonzero(inside & ~hit)
        box = search.search(wanted, replace(walks.walk(number), random_start=False), keep=True)
        assert box.change is not None
        change += box.change
        hit |= box.hit_step >= 0
    return change, hit


def _halved(
    logits: Logits, pictures: Tensor, change: Tensor, own: Tensor
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """The shortest part of the way that was found to change the prediction, as it is stored.

    Returns:
        Difference, distance and prediction as in :class:`Neighbours`; the sample's own prediction where not even the
        whole way as it is stored changes it.
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
    """A part of a change [b, C, H, W] as whole steps of a distance [b]; cut, so that it stays within its box."""
    part = change * share[:, None, None, None]
    largest = part.abs().flatten(1).amax(1)
    unit = largest.clamp_min(torch.finfo(part.dtype).tiny)[:, None, None, None] / STEPS
    # A whole number of units that rounding has put just below itself stays that number.
    steps = (part / unit * (1 + 1e-6)).trunc().clamp(-STEPS, STEPS)
    return steps.to(torch.int8), (largest / GREY_LEVEL).float()


def _at(pictures: Tensor, steps: Tensor, distance: Tensor) -> Tensor:
    """The neighbours, images [b, C, H, W] in [0, 1], from what is stored of them."""
    reach = (distance * GREY_LEVEL / STEPS).to(pictures.dtype)[:, None, None, None]
    return (pictures + steps.to(pictures.dtype) * reach).clamp(0, 1)


def _nothing(shape: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """No neighbour of images of a shape [C, H, W]."""
    return np.zeros((0, *shape), np.int8), np.zeros(0, np.float32), np.zeros(0, np.int64)
