"""Predictions of a gated network with its gates as learned, closed and open: one forward pass along several routes.

Routes of a network with one gate: ``learned``, ``skip`` (g = 0: the block outputs o1), ``through`` (g = 1: o2) and
``hard`` (through where g > 0.5, else skipped). With several gates these set all of them at once, and ``skip_b3``,
``through_b3`` and so on set one and leave the others as learned. A gate behind another one reads the output of the
route so far. An ungated network has ``learned`` alone here; its head on B3's o1 needs no route
(:mod:`probes.routing.run`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from memgate.config.model import ROUTED_ABOVE
from memgate.models.gated.block_gated import AS_LEARNED, BlockGatedResNet, Route, hard, skip, through
from memgate.models.pixels import PixelNetwork
from memgate.training.evaluate import EVAL_BATCH
from probes.network.frozen import frozen, place_of
from probes.network.pixels import batch_size_on, in_batches, load_batch
from probes.routing.routes import HARD, LEARNED, SKIP, THROUGH, route_of


def routes_of(gates: Sequence[str]) -> dict[str, Route]:
    """Routes by name, ``learned`` first.

    Args:
        gates: names of the network's gates in the order of the blocks.
    """
    if not gates:
        return {LEARNED: AS_LEARNED}
    mixings = {SKIP: skip, THROUGH: through, HARD: hard}
    whole = {name: dict.fromkeys(gates, mixing) for name, mixing in mixings.items()}
    alone = {route_of(kind, gate, gates): {gate: mixings[kind]} for gate in gates for kind in (SKIP, THROUGH)}
    return {LEARNED: AS_LEARNED, **whole, **alone}


@dataclass(frozen=True, eq=False)
class RouteOutputs:
    """Predictions along R routes for n samples in the order of the images, and the values of G gates."""

    routes: tuple[str, ...]
    prediction: NDArray[np.int64]
    """Predicted class [R, n]."""
    p_given: NDArray[np.float32]
    """Softmax probability of the given label [R, n]."""
    p_clean: NDArray[np.float32]
    """Softmax probability of the clean label [R, n]."""
    gate: NDArray[np.float32]
    """g as learned [G, n], in [0, 1]."""
    hard_gate: NDArray[np.float32]
    """g under hard routing [G, n]; of a gate behind another one it differs from ``gate``."""

    @property
    def routed(self) -> NDArray[np.bool_]:
        """Whether each gate sends the sample through as learned [G, n], as in the log."""
        return self.gate > ROUTED_ABOVE

    @property
    def hard_routed(self) -> NDArray[np.bool_]:
        """Whether the sample goes through each block under hard routing [G, n]."""
        return self.hard_gate > ROUTED_ABOVE

    def with_route(self, route: str, chance: NDArray, given: NDArray, clean: NDArray) -> "RouteOutputs":
        """A copy with one more route, given its probabilities of the classes ``chance`` [n, K]."""
        rows = _judged(chance[None], given, clean)
        return replace(
            self,
            routes=(*self.routes, route),
            prediction=np.concatenate([self.prediction, rows[0]]),
            p_given=np.concatenate([self.p_given, rows[1]]),
            p_clean=np.concatenate([self.p_clean, rows[2]]),
        )


def outputs_along_routes(
    network: PixelNetwork,
    gates: Sequence[str],
    pixels: Tensor,
    given: NDArray[np.integer],
    clean: NDArray[np.integer],
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> RouteOutputs:
    """Predictions [R, n] and gate values [G, n] along every route of :func:`routes_of`; the network is left as it was.

    Args:
        network: of a run; it runs in eval mode.
        gates: names of its gates; () for an ungated network.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        given: given labels [n].
        clean: clean labels [n].
        batch_size: images in a pass; None for what suits the device.
        finished: called after each batch with its number of images.

    Raises:
        MemgateError: the network's logits are not finite.
    """
    routes = routes_of(gates)
    device, dtype = place_of(network, pixels)
    size = batch_size_on(device, batch_size, EVAL_BATCH)
    parts = []
    with frozen(_EveryRoute(network, routes)) as ask, torch.no_grad():
        for rows in in_batches(len(pixels), size):
            output = ask(load_batch(pixels, rows, device, dtype)).cpu().numpy()
            logits, values = np.split(output, [output.shape[1] - 2 * len(gates)], axis=1)
            chance = softmax(logits.reshape(len(rows), len(routes), -1).transpose(1, 0, 2), axis=2)
            learned, under_hard = values.reshape(len(rows), 2, len(gates)).transpose(1, 2, 0)
            parts.append((*_judged(chance, given[rows], clean[rows]), learned, under_hard))
            finished(len(rows))
    columns = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    return RouteOutputs(tuple(routes), *columns)


class _EveryRoute(nn.Module):
    """Images [b, 3, H, W] in [0, 1] to one row of numbers each [b, R*K + 2G], which ``frozen`` checks as logits.

    First come the logits, route by route, then g as learned, gate by gate, then g under hard routing.
    """

    def __init__(self, network: PixelNetwork, routes: Mapping[str, Route]) -> None:
        super().__init__()
        self.network, self.routes = network, routes

    def forward(self, images: Tensor) -> Tensor:
        if len(self.routes) == 1:
            return self.network(images)
        model = cast(BlockGatedResNet, self.network.network)
        passes = model.along(self.network.normalised(images), self.routes)
        values = [gate.value[:, None] for name in (LEARNED, HARD) for gate in passes[name].gates]
        return torch.cat([*(forward.logits for forward in passes.values()), *values], dim=1)


def _judged(
    chance: NDArray, given: NDArray, clean: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Prediction, p(given) and p(clean), each [R, n], from probabilities [R, n, K]."""
    sample = np.arange(len(given))
    prediction = chance.argmax(axis=2)
    return (
        prediction,
        chance[:, sample, given].astype(np.float32),
        chance[:, sample, clean].astype(np.float32),
    )
