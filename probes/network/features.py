"""Outputs of a network's layers for every sample, in one pass over the images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate.errors import MemgateError
from memgate.models.pixels import PixelNetwork
from memgate.training.evaluate import EVAL_BATCH
from probes.network.frozen import frozen, place_of
from probes.network.layers import PENULTIMATE, caught, head_logits, layers_of, pooled
from probes.network.pixels import as_images, batch_size_on, in_batches, load_batch


def features(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    layers: Sequence[str] | None = None,
    *,
    head: str | None = None,
    reduce: Callable[[Tensor], Tensor] = pooled,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> dict[str, NDArray[np.float32]]:
    """Pooled outputs of a network's layers, each float32 [n, C], by the layers' names.

    The network runs in eval mode and in its own precision, and is left as it was.

    Args:
        model: any module from images [b, C, H, W] in [0, 1] to logits [b, K]; put the normalisation inside it.
        images: tensor or array [n, C, H, W], floats in [0, 1] or uint8 (divided by 255), n at least 1; on any device.
        layers: names of submodules such as ``layer1`` or ``layer2.0``, or ``penultimate`` for the input of the last
            linear layer. Of memgate's networks also ``stem``, ``b1.1`` and so on
            (:func:`probes.network.layers.points`), which are what None stands for.
        head: name of the linear layer that gives the logits, if it is not the last one that was registered; its input
            is ``penultimate``.
        reduce: from a layer's output to what is kept of it [b, ...]; by default the mean over positions of
            [b, C, h, w] or [b, T, C]. ``penultimate`` is kept as it is.
        batch_size: images in a pass; None for 256 on a CPU and 1024 on a GPU.
        finished: called after each batch with its number of images.

    Returns:
        Layer to [n, C].

    Raises:
        MemgateError: there is no such layer or it takes no part in the forward pass, the images are not in [0, 1],
            the network gives no finite logits, or they are not the output of the head.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(8, 10))
        >>> images = torch.rand(5, 3, 8, 8)
        >>> {name: values.shape for name, values in features(model, images, ["1", "penultimate"]).items()}
        {'1': (5, 8), 'penultimate': (5, 8)}
    """
    values, _ = features_and_logits(
        model, images, layers, head=head, reduce=reduce, batch_size=batch_size, finished=finished
    )
    return values


def features_and_logits(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    layers: Sequence[str] | None = None,
    *,
    head: str | None = None,
    reduce: Callable[[Tensor], Tensor] = pooled,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """As :func:`features`, with the logits float32 [n, K] of the same pass; ``head`` names the last linear layer."""
    images = as_images(images)
    device, dtype = place_of(model, images)
    names = layers_of(model, layers)
    kept: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    logits: list[NDArray[np.float32]] = []
    with caught(model, names, reduce, head) as outputs, frozen(model) as ask, torch.no_grad():
        for rows in in_batches(len(images), batch_size_on(device, batch_size, EVAL_BATCH)):
            outputs.clear()
            logits.append(_on_host(ask(load_batch(images, rows, device, dtype)), len(rows)))
            for name in names:
                if name not in outputs:
                    raise MemgateError(
                        f"The layer {name!r} takes no part in the forward pass: name another one."
                    )
                # A batch of one image is passed twice, see probes.network.frozen.
                kept[name].append(_on_host(outputs[name], len(rows)))
            finished(len(rows))
    values, answers = {name: np.concatenate(parts) for name, parts in kept.items()}, np.concatenate(logits)
    if PENULTIMATE in names and not isinstance(model, PixelNetwork):
        _check_head(
            head_logits(model, torch.from_numpy(values[PENULTIMATE]), head), torch.from_numpy(answers)
        )
    return values, answers


def _check_head(exact: Tensor, logits: Tensor) -> None:
    """Refuse a head whose output [n, K] is not the model's logits [n, K], but for rounding."""
    scale = float(logits.abs().max())
    if exact.shape != logits.shape or float((exact - logits).abs().max()) > 0.05 * scale:
        raise MemgateError(
            "The network's logits are not the output of its last linear layer: name the layer that gives them by "
            "head=..."
        )


def _on_host(values: Tensor, count: int) -> NDArray[np.float32]:
    return values[:count].float().cpu().numpy()
