"""Gradients of one sample's loss in a trained network: by its pixels, by the last layer, by the whole trunk.

The loss is the cross-entropy against the given label in nats; in every score high is harder. Its derivative by the
logits is softmax - one-hot, and everything here starts from that difference (:func:`residual`) and not from the
loss, whose own derivative float32 rounds to nothing for samples that are fitted well.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap

from memgate.errors import require
from memgate.models.pixels import PixelNetwork
from memgate.training.objective import parameter_groups
from probes.network.features import PENULTIMATE, features, head_logits
from probes.network.frozen import frozen, gradient, place_of
from probes.network.pixels import BATCH, in_batches, load_batch

Floats = NDArray[np.float32]

GRAND_BATCH = {"cpu": 32, "cuda": 256}
"""Images whose gradients by every parameter are held at once; more are not faster."""

GRAND_BYTES = 2**28
"""... and how much room those gradients may take: fewer images at once where the network is large."""


def residual(logits: Tensor, labels: Tensor) -> Tensor:
    """Derivative of the cross-entropy by the logits: softmax - one-hot.

    Args:
        logits: [..., K].
        labels: [...].

    Returns:
        [..., K] of the logits' type. The label's own entry is minus the sum of the others: p - 1 would keep no digit
        of it once p is 1 in float32.
    """
    chance = logits.double().softmax(-1)
    own = torch.arange(logits.shape[-1], device=logits.device) == labels[..., None]
    others = torch.where(own, 0, chance)
    return torch.where(own, -others.sum(-1, keepdim=True), others).to(logits.dtype)


def input_gradient_norm(
    network: PixelNetwork,
    pixels: Tensor,
    labels: NDArray[np.integer],
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """Euclidean norm of the loss's gradient by the pixels in [0, 1], in nats per pixel; high is harder.

    What several tools call "loss sensitivity". Arpit et al. 2017 (arXiv 1706.05394) mean another thing by it, the
    gradient through the training's own steps, which takes O(steps) of memory.

    Args:
        network: of a run; in eval mode while it is asked, and left as it was.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        labels: given labels [n].
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        finished: called with how many samples are newly done.

    Returns:
        [n]; it does not depend on the batch, but for the last digits.

    Raises:
        MemgateError: the network has diverged, or ``batch_size`` is below 1.
    """
    device, dtype = place_of(network, pixels)
    given, found = torch.from_numpy(labels).to(device), []
    with frozen(network) as logits:
        for rows in in_batches(len(pixels), BATCH[device.type] if batch_size is None else batch_size):
            batch = load_batch(pixels, rows, device, dtype).requires_grad_()
            values = logits(batch)
            slope = (values * residual(values.detach(), given[torch.from_numpy(rows).to(device)])).sum()
            found.append(_norm([gradient(slope, batch)]))
            finished(len(rows))
    return _checked(found)


def grand_last_layer(
    network: PixelNetwork,
    pixels: Tensor,
    labels: NDArray[np.integer],
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """GraNd of the last layer alone: norm of the loss's gradient by the head's weights and bias; high is harder.

    With logits z = W h + b, dL/dW = (p - y) h^T and dL/db = p - y, so that the norm is exactly
    |p - y|_2 sqrt(|h|_2^2 + 1): EL2N (Paul et al. 2021, arXiv 2107.07075) times the length of what the head reads.
    It takes a forward pass and no backward.

    Args:
        network: see :func:`input_gradient_norm`.
        pixels: likewise.
        labels: likewise.
        batch_size: images in a pass; None for what suits the device.
        finished: called with how many samples are newly done.

    Returns:
        [n], in nats per unit of a weight.

    Raises:
        MemgateError: see :func:`input_gradient_norm`.
    """
    read = features(network, pixels, [PENULTIMATE], batch_size=batch_size, finished=finished)[PENULTIMATE]
    error = residual(head_logits(network, read), torch.from_numpy(labels)).norm(dim=1)
    length = torch.from_numpy(read).double().square().sum(1).add(1).sqrt()
    return _checked([error * length])


def grand(
    network: PixelNetwork,
    pixels: Tensor,
    labels: NDArray[np.integer],
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """GraNd (Paul et al. 2021, arXiv 2107.07075): norm of the loss's gradient by all parameters of the trunk.

    The trunk is what the classification loss trains: the ResNet with its head, and not the gates' own classifiers,
    which that loss sees as constants. The gradient through g into the trunk belongs to it, as in training (unless
    the run detached its gates). Unlike in training, BatchNorm has its running statistics: a sample's gradient is
    its own, and not its batch's. Weight decay plays no part. High is harder.

    The paper's GraNd is an expectation over initialisations, taken after few epochs; this is the norm in the one
    network that is given, at whatever epoch it is.

    Args:
        network: see :func:`input_gradient_norm`.
        pixels: likewise.
        labels: likewise.
        batch_size: most images at once; None for 32 on a CPU and 256 on a GPU, and never more than what keeps their
            gradients within 256 MiB.
        finished: called with how many samples are newly done.

    Returns:
        [n], in nats per unit of a weight; never below :func:`grand_last_layer`, which is a part of it.

    Raises:
        MemgateError: see :func:`input_gradient_norm`.
    """
    device, dtype = place_of(network, pixels)
    given, found = torch.from_numpy(labels).to(device), []
    trained = {id(parameter) for parameter in parameter_groups(network.network)[0]}
    with frozen(network):
        named = network.network.named_parameters()
        weights = {name: weight.detach() for name, weight in named if id(weight) in trained}
        room = GRAND_BYTES // sum(weight.nbytes for weight in weights.values())
        size = GRAND_BATCH[device.type] if batch_size is None else batch_size
        gradients = vmap(grad(partial(_slope, network)), in_dims=(None, 0, 0))
        for rows in in_batches(len(pixels), min(size, max(room, 1))):
            images = network.normalised(load_batch(pixels, rows, device, dtype))
            parts = gradients(weights, images, given[torch.from_numpy(rows).to(device)])
            found.append(_norm(list(parts.values())))
            finished(len(rows))
    return _checked(found)


def _slope(network: PixelNetwork, weights: Mapping[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
    """A number whose gradient by the weights is the loss's, for one normalised image [3, H, W]."""
    logits = functional_call(network.network, dict(weights), (image[None],)).logits
    return (logits * residual(logits.detach(), label[None])).sum()


def _norm(parts: list[Tensor]) -> Tensor:
    """Length [b] of the vectors that stand, sample by sample, in several tensors [b, ...] together."""
    return torch.stack([part.flatten(1).double().square().sum(1) for part in parts]).sum(0).sqrt()


def _checked(found: list[Tensor]) -> Floats:
    norms = torch.cat(found).float().cpu().numpy()
    require(
        bool(np.isfinite(norms).all()), "The network's gradients are not finite: its training has diverged."
    )
    return norms
