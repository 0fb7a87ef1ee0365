"""Which filters each sample opens, and what the network answers when other filters are opened instead."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from memgate.log.format import UNSEEN_CLASS
from memgate.models.forward import Forward, Gate
from memgate.models.gated.hard_gated import ChannelRoute
from memgate.models.macs import SampleCost
from memgate.models.pixels import PixelNetwork
from memgate.training.evaluate import EVAL_BATCH
from probes.network.frozen import frozen, place_of
from probes.network.pixels import batch_size_on, in_batches, load_batch

Wanted = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""From rows of samples [b] to the filters that are open for each of them [F, b]."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network answers about n samples."""

    prediction: NDArray[np.uint16]
    """Predicted class [n]."""
    p_given: NDArray[np.float32]
    """Softmax probability of the given label [n]."""
    p_clean: NDArray[np.float32]
    """Softmax probability of the clean label [n]."""
    margin: NDArray[np.float32]
    """Logit of the given label minus the largest other one [n]."""

    def without(self, missing: NDArray[np.bool_]) -> "Answers":
        """A copy in which some samples [n] have no answer: NaN, and ``UNSEEN_CLASS`` for the class."""
        columns = {name: np.where(missing, np.float32(np.nan), getattr(self, name)) for name in NUMBERS}
        return replace(
            self, prediction=np.where(missing, np.uint16(UNSEEN_CLASS), self.prediction), **columns
        )


NUMBERS = ("p_given", "p_clean", "margin")
"""The columns of :class:`Answers` that are no classes."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of n samples."""

    given: NDArray[np.int64]
    clean: NDArray[np.int64]


def own_patterns(
    network: PixelNetwork,
    sizes: Mapping[str, int],
    pixels: Tensor,
    labels: Labels,
    *,
    threshold: float,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> tuple[NDArray[np.uint8], Answers]:
    """Packed patterns [bytes, n] as the gates decide, and the answers of the same pass; the network is left as it was.

    Args:
        network: of a run; it runs in eval mode.
        sizes: gate to its number of filters, in the order of the forward pass; F is their sum.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        labels: of the samples.
        threshold: g above which a gate that mixes counts as open.
        batch_size: images in a pass; None for what suits the device.
        finished: called after each batch with its number of images.

    Returns:
        Bit f of a sample, the highest of a byte first, is 1 where filter f is open (``numpy.packbits``); and the
        answers.

    Raises:
        MemgateError: the network's logits are not finite.
    """
    packed: list[NDArray[np.uint8]] = []
    filters = sum(sizes.values())

    def keep(_rows: NDArray[np.int64], output: NDArray) -> NDArray:
        packed.append(np.packbits(output[:, -filters:].T > 0, axis=0))
        return output[:, :-filters]

    module = _WithPattern(network, threshold)
    answers = _answers(network, module, pixels, labels, keep, batch_size, finished)
    return np.concatenate(packed, axis=1), answers


def forced_answers(
    network: PixelNetwork,
    sizes: Mapping[str, int],
    pixels: Tensor,
    labels: Labels,
    wanted: Wanted,
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Answers:
    """What the network answers with exactly the wanted filters open; arguments as in :func:`own_patterns`.

    Args:
        network: whose forward pass takes a ``route``.
        sizes: gate to its number of filters.
        pixels: images.
        labels: of the samples.
        wanted: open filters of the samples of some rows.
        batch_size: images in a pass.
        finished: called after each batch.
    """
    module = _Forced(network, sizes)

    def choose(rows: NDArray[np.int64]) -> None:
        module.wanted = torch.from_numpy(np.ascontiguousarray(wanted(rows).T))

    return _answers(network, module, pixels, labels, lambda _, output: output, batch_size, finished, choose)


def _answers(
    network: PixelNetwork,
    module: nn.Module,
    pixels: Tensor,
    labels: Labels,
    logits_of: Callable[[NDArray[np.int64], NDArray], NDArray],
    batch_size: int | None,
    finished: Callable[[int], object],
    before: Callable[[NDArray[np.int64]], object] = lambda _: None,
) -> Answers:
    """The answers of a module, from the logits [b, K] in each of its outputs."""
    device, dtype = place_of(network, pixels)
    parts = []
    with frozen(module) as ask, torch.no_grad():
        for rows in in_batches(len(pixels), batch_size_on(device, batch_size, EVAL_BATCH)):
            before(rows)
            logits = logits_of(rows, ask(load_batch(pixels, rows, device, dtype)).cpu().numpy())
            parts.append(_judged(logits, labels.given[rows], labels.clean[rows]))
            finished(len(rows))
    return Answers(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _judged(logits: NDArray, given: NDArray, clean: NDArray) -> Sequence[NDArray]:
    """Prediction, p(given), p(clean) and margin, each [b], of logits [b, K]."""
    rows, chance = np.arange(len(logits)), softmax(logits, axis=1)
    others = logits.copy()
    others[rows, given] = -np.inf
    return (
        logits.argmax(axis=1).astype(np.uint16),
        chance[rows, given].astype(np.float32),
        chance[rows, clean].astype(np.float32),
        (logits[rows, given] - others.max(axis=1)).astype(np.float32),
    )


def with_pattern(channels: Tensor, wanted: Tensor) -> Tensor:
    """Weights [b, C] of channels that are open exactly where they are wanted.

    A channel that the gate itself has closed has no weight: it gets the mean weight of the sample's open ones (1 for
    binary gates), and 1 where none is open.

    Args:
        channels: weights that the gate has chosen [b, C], 0 where closed.
        wanted: bool [b, C], or [1, C] for all.
    """
    own = channels > 0
    mean = channels.sum(dim=1, keepdim=True) / own.sum(dim=1, keepdim=True).clamp(min=1)
    mean = torch.where(own.any(dim=1, keepdim=True), mean, torch.ones_like(mean))
    return torch.where(wanted, torch.where(own, channels, mean), torch.zeros_like(channels))


def cost_of_patterns(
    cost: SampleCost, sizes: Mapping[str, int], opened: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """MACs [n] of patterns.

    Args:
        cost: of the network.
        sizes: gate to its number of filters.
        opened: whether each filter is open for each sample [F, n].
    """
    parts = torch.from_numpy(np.ascontiguousarray(opened.T)).split(list(sizes.values()), dim=1)
    return cost.of(dict(zip(sizes, parts, strict=True))).numpy()


def _opened(gate: Gate, threshold: float) -> Tensor:
    """1 where a gate opens a filter, 0 elsewhere [b, C]; of a gate that mixes, whether g is above the threshold."""
    channels = (gate.value > threshold)[:, None] if gate.channels is None else gate.channels > 0
    return channels.to(gate.value.dtype)


class _WithPattern(nn.Module):
    """Images [b, 3, H, W] in [0, 1] to logits and the filters that are open, [b, K + F]."""

    def __init__(self, network: PixelNetwork, threshold: float) -> None:
        super().__init__()
        self.network, self.threshold = network, threshold

    def forward(self, images: Tensor) -> Tensor:
        forward: Forward = self.network.network(self.network.normalised(images))
        return torch.cat([forward.logits, *(_opened(gate, self.threshold) for gate in forward.gates)], dim=1)


class _Forced(nn.Module):
    """Images [b, 3, H, W] in [0, 1] to logits [b, K] with the filters ``wanted`` [b, F] open."""

    wanted: Tensor

    def __init__(self, network: PixelNetwork, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.network, self.sizes = network, sizes

    def forward(self, images: Tensor) -> Tensor:
        parts = self.wanted.to(images.device).split(list(self.sizes.values()), dim=1)
        route: ChannelRoute = {
            name: partial(with_pattern, wanted=part) for name, part in zip(self.sizes, parts, strict=True)
        }
        return self.network.network(self.network.normalised(images), route=route).logits
