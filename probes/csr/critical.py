"""Critical samples: is there another prediction within a tiny box around the image (Arpit et al. 2017)?

A sample is critical at radius r if some image that differs from it by at most r in every pixel gets another
prediction than the sample itself. Labels play no part. The critical sample ratio CSR(r) is the share of critical
samples: how densely decision boundaries lie around the data. What a search finds is a lower bound.

Every length is in grey levels: 1 is 1/255 of a pixel's range, and the paper's radius is 0.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate.errors import MemgateError
from probes.csr.config import PAPER_RADIUS, CsrConfig, Method, configure
from probes.csr.first_order import critical_radii
from probes.csr.search import BoxSearch
from probes.network.frozen import Logits, frozen, place_of
from probes.network.pixels import BATCH, as_images, batch_size_on, in_batches, load_batch


@dataclass(frozen=True, eq=False)
class CriticalSamples:
    """Critical samples at R radii: a column for each of n samples, in the order of the images."""

    sample_id: NDArray[np.int64]
    prediction: NDArray[np.int64]
    """The network's prediction on the sample itself [n]."""
    critical: NDArray[np.bool_]
    """Whether each sample is critical [R, n], a row for each of :attr:`radii`."""
    critical_radius: NDArray[np.float32]
    """Grey levels [n], 0 or above; low is near a boundary, which is harder. first-order: rho, the estimated distance
    to the boundary (inf: no direction changes the prediction). A search: distance of the image that it found, an
    upper bound of the true distance (inf: none found)."""
    first_hit_step: NDArray[np.int32]
    """[R, n]: number of steps, over all restarts, after which a search left the class in the smallest box in which it
    did; 0 is PGD's random start, -1 never. first-order makes no steps: -1."""
    gradient_evaluations: int
    """Number of gradients of one image each, over all samples."""
    config: CsrConfig
    """The search with every value."""

    @property
    def radii(self) -> tuple[float, ...]:
        """The radii in grey levels [R], rising and each once, whatever order they were given in."""
        return self.config.radii

    def at(self, radius: float) -> NDArray[np.bool_]:
        """Whether each sample is critical at a radius in grey levels [n]; of a search only at its radii.

        Raises:
            MemgateError: that box was not searched.
        """
        if self.config.method == "first-order":
            return _within(self.critical_radius, radius)
        if radius not in self.config.radii:
            known = ", ".join(f"{r:g}" for r in self.config.radii)
            raise MemgateError(f"radius {radius:g} was not searched: there are {known} grey levels.")
        return self.critical[self.config.radii.index(radius)]


def critical_samples(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    *,
    radius: float | Sequence[float] = PAPER_RADIUS,
    method: Method = "first-order",
    steps: int | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    restarts: int = 1,
    others: int | None = None,
    seed: int = 0,
    sample_id: NDArray[np.integer] | None = None,
    batch_size: int | None = None,
    early_exit: bool = True,
    finished: Callable[[int], object] = lambda _: None,
) -> CriticalSamples:
    """Critical samples of a network: is there another prediction within a box around each image (Arpit et al. 2017)?

    The methods (spec probes_and_noise, section 1):

    - ``first-order``: y the prediction, rho the smallest (f_y - f_j) / ||grad(f_y - f_j)||_1 over the likeliest
      ``others`` j; critical where rho < radius. One forward pass, and a backward one for each j, for every radius
      together. Exact for a linear network, of all j, while no pixel meets 0 or 1.
    - ``lass``: Arpit et al., Algorithm 1: steps alpha sign(gradient) + beta eta, eta standard normal, within the box.
      The gradient is that of the loss against the prediction where the search stands (as in all public code; the
      paper prints the class score's at the sample). alpha 0.25, beta 0.2 and radius 0.3 are the paper's; for other
      radii alpha and beta grow with them. The paper gives no number of steps: 10 here.
    - ``fgsm``: one step of the length of the radius.
    - ``pgd``: 20 steps of a quarter of the radius from a random point of the box.

    Radii are searched from the smallest; what lies in a small box lies in the larger ones, so that a critical sample
    is not searched again and membership grows with the radius. At a radius of 0 no sample is critical.

    The network runs in eval mode and in its own precision, on the device of its parameters, and is left as it was.
    Nothing depends on the batch or on the order of the images, except the last digits of the arithmetic.

    Args:
        model: any module from images [b, C, H, W] in [0, 1] to logits [b, K]; put the normalisation inside it.
        images: tensor or array [n, C, H, W], floats in [0, 1] or uint8 (divided by 255), n at least 1; on any device.
        radius: one or several, in grey levels, from 0 to 255; the result has them rising and each once (``radii``).
        method: ``first-order``, ``lass``, ``fgsm`` or ``pgd``.
        steps: of a search; None for the method's own number.
        alpha: length of the signed step in grey levels; None for the method's own.
        beta: standard deviation of LASS's noise in grey levels; None for the paper's.
        restarts: searches of each sample, for LASS and PGD.
        others: for first-order: number of other classes, from the runner-up on, of which the smallest rho is taken;
            each takes a gradient, and K - 1 of them are all. None for 2.
        seed: of the noise, which is a function of (seed, sample id, restart, step).
        sample_id: [n] distinct, 0 or above; None for 0 to n - 1.
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        early_exit: False lets every sample make all its steps: slower, with the same result.
        finished: called with the number of samples newly done; each counts ``config.rounds`` times.

    Returns:
        Predictions, membership and radii, in the order of the images.

    Raises:
        MemgateError: a value is out of its range, the images are not in [0, 1], or the network gives no logits,
            has diverged, or couples the samples of a batch.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
        >>> result = critical_samples(model, torch.rand(50, 3, 8, 8), radius=(0.3, 3))
        >>> result.critical.shape, result.critical_radius.shape
        ((2, 50), (50,))
        >>> bool(result.critical[1].mean() >= result.critical[0].mean())  # CSR(3) and CSR(0.3)
        True
    """
    config = configure(
        method,
        radius,
        steps=steps,
        alpha=alpha,
        beta=beta,
        restarts=restarts,
        others=others,
        seed=seed,
    )
    return find_critical(
        model,
        images,
        config,
        sample_id=sample_id,
        batch_size=batch_size,
        early_exit=early_exit,
        finished=finished,
    )


def find_critical(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    config: CsrConfig,
    *,
    sample_id: NDArray[np.integer] | None = None,
    batch_size: int | None = None,
    early_exit: bool = True,
    finished: Callable[[int], object] = lambda _: None,
) -> CriticalSamples:
    """Critical samples by a search with every value; see :func:`critical_samples`."""
    images = as_images(images)
    ids = np.arange(len(images)) if sample_id is None else np.asarray(sample_id, np.int64)
    _check_ids(ids, len(images))
    place = place_of(model, images)
    batch_size = batch_size_on(place[0], batch_size, BATCH)
    config = replace(config, precision=str(place[1]).removeprefix("torch."))
    with frozen(model) as logits:
        if config.method == "first-order":
            prediction, rho, evaluations = critical_radii(
                logits, images, config.others, batch_size, place, finished
            )
            critical = np.stack([_within(rho, r) for r in config.radii])
            steps = np.full(critical.shape, -1, np.int32)
            return CriticalSamples(ids, prediction, critical, rho, steps, evaluations, config)
        prediction = _predictions(logits, images, batch_size, place)
        search = BoxSearch(
            logits, images, prediction, ids, batch_size, place[1], early_exit=early_exit, finished=finished
        )
        return _searched(search, config)


def _searched(search: BoxSearch, config: CsrConfig) -> CriticalSamples:
    """Searches of the boxes from the smallest to the largest, each for the samples that are not critical yet."""
    n = len(search.images)
    distance, step = np.full(n, np.inf, np.float32), np.full(n, -1, np.int32)
    critical, steps, evaluations = [], [], 0
    for number, radius in enumerate(config.radii):
        rows = np.flatnonzero(step < 0) if radius > 0 else np.empty(0, np.int64)
        search.finished(n - len(rows))
        hits = search.search(rows, config.walk(number))
        evaluations += hits.gradient_evaluations
        step[rows], distance[rows] = hits.hit_step[rows], hits.distance[rows]
        critical.append(step >= 0)
        steps.append(step.copy())
    prediction = search.prediction.cpu().numpy()
    return CriticalSamples(
        search.sample_id, prediction, np.stack(critical), distance, np.stack(steps), evaluations, config
    )


def _within(rho: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Whether rho [n] is below the radius: at the boundary two classes tie, and at 0 there is no other image."""
    return rho < radius


def _predictions(
    logits: Logits, images: Tensor, batch_size: int, place: tuple[torch.device, torch.dtype]
) -> Tensor:
    """The network's predictions [n], on its device."""
    with torch.no_grad():
        return torch.cat(
            [
                logits(load_batch(images, rows, *place)).argmax(1)
                for rows in in_batches(len(images), batch_size)
            ]
        )


def _check_ids(ids: NDArray[np.int64], n: int) -> None:
    """Refuse ids that would give two samples the same noise."""
    if ids.shape != (n,) or len(np.unique(ids)) != len(ids) or ids.min() < 0:
        raise MemgateError(f"sample_id must be {n} distinct numbers, 0 or above, one for each image.")
