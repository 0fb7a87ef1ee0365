"""Distance to the nearest decision boundary of the network linearised at each sample."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.csr.search import GREY_LEVEL
from probes.network.frozen import Logits, gradient
from probes.network.pixels import in_batches, load_batch


def critical_radii(
    logits: Logits,
    images: Tensor,
    others: int,
    batch_size: int,
    place: tuple[torch.device, torch.dtype],
    finished: Callable[[int], object],
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Predictions [n] and linearised distances to the boundary [n] in grey levels.

    rho = (f_y - f_j) / ||grad(f_y - f_j)||_1, since no image within r in every pixel can lower a linear function by
    more than r times the sum of the slope's absolute values. A tie of y and j gives 0; a difference that does not
    change with the image gives inf, a tie or not.

    Args:
        logits: the frozen network.
        images: [n, C, H, W] in [0, 1], or uint8.
        others: number of classes j, from the runner-up on, over which the smallest rho is taken.
        batch_size: images in a pass.
        place: the network's device and precision.
        finished: called after each batch with its number of samples.

    Returns:
        Predictions [n]; rho [n] in grey levels, low is near a boundary; number of gradients of one image.
    """
    predictions, radii, evaluations = [], [], 0
    for rows in in_batches(len(images), batch_size):
        batch = load_batch(images, rows, *place).requires_grad_()
        values = logits(batch)
        own = values.argmax(1, keepdim=True)
        # The other classes from the highest to the lowest; the prediction's own, at -inf, comes last.
        masked = values.detach().scatter(1, own, -torch.inf)
        ranked = masked.sort(dim=1, descending=True, stable=True).indices[:, :-1]
        ranks = min(others, ranked.shape[1])
        rho = torch.full(own.shape[:1], torch.inf, device=own.device, dtype=place[1])
        for rank in range(ranks):
            margin = (values.gather(1, own) - values.gather(1, ranked[:, rank : rank + 1]))[:, 0]
            slope = gradient(margin.sum(), batch, keep=rank + 1 < ranks).abs().flatten(1).sum(1)
            rho = torch.minimum(rho, torch.where(slope > 0, margin.detach() / slope, torch.inf))
        evaluations += ranks * len(rows)
        predictions.append(own[:, 0].cpu().numpy())
        radii.append((rho / GREY_LEVEL).float().cpu().numpy())
        finished(len(rows))
    return np.concatenate(predictions), np.concatenate(radii), evaluations
