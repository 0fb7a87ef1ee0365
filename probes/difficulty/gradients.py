"""Norms of the gradient of one sample's loss: by its pixels, by the last layer, by all trained parameters.

The loss is the cross-entropy against the given label in nats; in every score high is harder. Its derivative by the
logits is softmax - one-hot, and every score here starts from that difference (:func:`residual`) and not from the loss:
float32 rounds the loss's own derivative to 0 for samples that are fitted well.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from memgate.errors import require
from memgate.models import Forward
from memgate.models.pixels import PixelNetwork
from memgate.training.objective import parameter_groups
from probes.network.features import features_and_logits
from probes.network.frozen import Logits, frozen, gradient, place_of
from probes.network.layers import PENULTIMATE, head_logits, head_of
from probes.network.pixels import BATCH, as_images, as_labels, batch_size_on, in_batches, load_batch

Floats = NDArray[np.float32]

GRAND_BATCH = {"cpu": 32, "cuda": 256}
"""Images whose gradients by every parameter are held at once; more are not faster."""

GRAND_BYTES = 2**28
"""Memory for those gradients; of a large network fewer images are held at once."""


def residual(logits: Tensor, labels: Tensor) -> Tensor:
    """Derivative of the cross-entropy by the logits, softmax - one-hot [..., K], in the logits' type.

    Args:
        logits: [..., K].
        labels: [...], from 0 to K - 1.

    Returns:
        [..., K]. The label's own entry is minus the sum of the others: p - 1 would have no correct digit once p is 1
        in float32.
    """
    chance = logits.double().softmax(-1)
    own = torch.arange(logits.shape[-1], device=logits.device) == labels[..., None]
    others = torch.where(own, 0, chance)
    return torch.where(own, -others.sum(-1, keepdim=True), others).to(logits.dtype)


def input_gradient_norm(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    labels: ArrayLike | Tensor,
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """Euclidean norm of the loss's gradient by the pixels, float32 [n], in nats per unit of a pixel; high is harder.

    Pixels range from 0 to 1. Several tools call this score "loss sensitivity". Arpit et al. 2017 (arXiv 1706.05394)
    use that name for another quantity, the gradient through the training's own steps, which takes O(steps) of memory.

    Args:
        model: any module from images [b, C, H, W] in [0, 1] to logits [b, K]; put the normalisation inside it. It
            runs in eval mode and in its own precision, and is left as it was.
        images: tensor or array [n, C, H, W], floats in [0, 1] or uint8 (divided by 255), n at least 1; on any device.
        labels: given labels [n], from 0 to K - 1.
        batch_size: images in a pass; None for 64 on a CPU and 512 on a GPU.
        finished: called after each batch with its number of images.

    Returns:
        [n], 0 or above; it does not depend on the batch, except in the last digits.

    Raises:
        MemgateError: the images are not in [0, 1], a label is no class, the network gives no finite logits, or
            ``batch_size`` is below 1.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
        >>> images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4])
        >>> input_gradient_norm(model, images, labels).shape
        (5,)
    """
    images, given = checked_samples(images, labels)
    device, dtype = place_of(model, images)
    norms = []
    with frozen(model) as ask:
        for rows in in_batches(len(images), batch_size_on(device, batch_size, BATCH)):
            slope = pixel_gradient(ask, load_batch(images, rows, device, dtype), given, rows)
            norms.append(squared_norm([slope]).sqrt())
            finished(len(rows))
    return finite(norms)


def grand_last_layer(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    labels: ArrayLike | Tensor,
    *,
    head: str | None = None,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """GraNd of the last layer alone: norm of the loss's gradient by the head's weights and bias; high is harder.

    With logits z = W h + b, dL/dW = (p - y) h^T and dL/db = p - y, so that the norm is exactly
    |p - y|_2 sqrt(|h|_2^2 + 1): EL2N (Paul et al. 2021, arXiv 2107.07075) times the length of the head's input
    (without a bias the 1 is left out). It takes a forward pass and no backward pass.

    Args:
        model: see :func:`input_gradient_norm`; its logits are the output of a linear layer.
        images: see :func:`input_gradient_norm`.
        labels: see :func:`input_gradient_norm`.
        head: name of that linear layer; None for the last one of the model.
        batch_size: images in a pass; None for 256 on a CPU and 1024 on a GPU.
        finished: called after each batch with its number of images.

    Returns:
        float32 [n], 0 or above, in nats per unit of a weight.

    Raises:
        MemgateError: see :func:`input_gradient_norm`; or the logits are not the output of that layer.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU(), nn.Linear(16, 10))
        >>> images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4])
        >>> grand_last_layer(model, images, labels, head="3").shape
        (5,)
    """
    images, given = checked_samples(images, labels)
    layer = head_of(model, head)
    values, _ = features_and_logits(
        model, images, [PENULTIMATE], head=head, batch_size=batch_size, finished=finished
    )
    read = torch.from_numpy(values[PENULTIMATE])
    exact = head_logits(model, read, head)
    check_classes(given, exact)
    error = residual(exact, given).norm(dim=1)
    length = read.double().square().sum(1).add(0 if layer.bias is None else 1).sqrt()
    return finite([error * length])


def grand(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    labels: ArrayLike | Tensor,
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Floats:
    """GraNd (Paul et al. 2021, arXiv 2107.07075): norm of the loss's gradient by all parameters; high is harder.

    Of memgate's networks the parameters are those that the classification loss trains: the ResNet with its head, and
    not the gates' own classifiers, for which that loss is constant. The gradient through g into the ResNet is
    included, as in training (unless the run detached its gates). Unlike in training, BatchNorm uses its running
    statistics, so that a sample's gradient does not depend on its batch. Weight decay is left out.

    The paper's GraNd is an expectation over initialisations, taken after few epochs; this is the norm in the one
    network that is given.

    Args:
        model: see :func:`input_gradient_norm`; its operations must work under :func:`torch.func.vmap`.
        images: see :func:`input_gradient_norm`.
        labels: see :func:`input_gradient_norm`.
        batch_size: most images at once; None for 32 on a CPU and 256 on a GPU, and never more than what keeps their
            gradients within 256 MiB.
        finished: called after each batch with its number of images.

    Returns:
        float32 [n], 0 or above, in nats per unit of a weight; never below :func:`grand_last_layer`, which is a part
        of it.

    Raises:
        MemgateError: see :func:`input_gradient_norm`; or the model has no parameter.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU(), nn.Linear(16, 10))
        >>> images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 4])
        >>> bool((grand(model, images, labels) >= grand_last_layer(model, images, labels)).all())
        True
    """
    images, given = checked_samples(images, labels)
    device, dtype = place_of(model, images)
    norms = []
    with frozen(model) as ask:
        module, weights = _trained(model)
        require(bool(weights), "The model has no parameter, so that there is no gradient by them.")
        with torch.no_grad():  # under vmap no value can be checked
            check_classes(given, ask(load_batch(images, np.arange(1), device, dtype)))
        room = GRAND_BYTES // sum(weight.nbytes for weight in weights.values())
        size = batch_size_on(device, batch_size, GRAND_BATCH)
        gradients = vmap(grad(partial(_slope, module)), in_dims=(None, 0, 0))
        for rows in in_batches(len(images), min(size, max(room, 1))):
            batch = load_batch(images, rows, device, dtype)
            if isinstance(model, PixelNetwork):
                batch = model.normalised(batch)
            parts = gradients(weights, batch, given[torch.from_numpy(rows)].to(device))
            norms.append(squared_norm(list(parts.values())).sqrt())
            finished(len(rows))
    return finite(norms)


def _trained(model: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """The module that is differentiated, and the parameters by name: of a memgate network those of the trunk."""
    if not isinstance(model, PixelNetwork):
        return model, {name: weight.detach() for name, weight in model.named_parameters()}
    trunk = {id(parameter) for parameter in parameter_groups(model.network)[0]}
    named = model.network.named_parameters()
    return model.network, {name: weight.detach() for name, weight in named if id(weight) in trunk}


def _slope(module: nn.Module, weights: Mapping[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
    """A scalar with the loss's gradient by the weights, for one image [C, H, W] as the module takes it."""
    output = functional_call(module, dict(weights), (image[None],))
    logits = output.logits if isinstance(output, Forward) else output
    return (logits * residual(logits.detach(), label[None])).sum()


def squared_norm(parts: list[Tensor]) -> Tensor:
    """Squared Euclidean norms float64 [b] over all entries of a sample in several tensors [b, ...]."""
    return torch.stack([part.flatten(1).double().square().sum(1) for part in parts]).sum(0)


def checked_samples(images: Tensor | NDArray[Any], labels: ArrayLike | Tensor) -> tuple[Tensor, Tensor]:
    """The images as a checked tensor [n, C, H, W], and the labels int64 [n]."""
    tensor = as_images(images)
    return tensor, as_labels(labels, len(tensor))


def pixel_gradient(ask: Logits, images: Tensor, given: Tensor, rows: NDArray[np.integer]) -> Tensor:
    """Gradient of each sample's loss by its pixels, [b, C, H, W].

    Args:
        ask: the network.
        images: of the batch, [b, C, H, W].
        given: labels of all samples [n], which are checked.
        rows: of the batch's samples [b].
    """
    images = images.detach().requires_grad_()
    logits = ask(images)
    check_classes(given, logits)
    labels = given[torch.from_numpy(rows)].to(images.device)
    return gradient((logits * residual(logits.detach(), labels)).sum(), images)


def check_classes(labels: Tensor, logits: Tensor) -> None:
    """Refuse labels [n] that have no logit among [b, K]."""
    classes, largest = logits.shape[1], int(labels.max())
    require(
        largest < classes,
        f"labels hold the class {largest}, and the network has the {classes} classes from 0 to {classes - 1}.",
    )


def finite(norms: list[Tensor]) -> Floats:
    """Norms of all batches as float32 [n] on the host; raises MemgateError where one is not finite."""
    values = torch.cat(norms).float().cpu().numpy()
    require(
        bool(np.isfinite(values).all()), "The network's gradients are not finite: its training has diverged."
    )
    return values
