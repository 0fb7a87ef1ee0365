"""What a gated block does, by intervention: every sample's answer with its gates as learned, closed and open.

Routes of a network with one gate: ``learned``, ``skip`` (g = 0: the block puts out o1), ``through`` (g = 1: o2) and
``hard`` (through where g > 0.5, else skipped). With several gates these set all of them at once, and ``skip_b3``,
``through_b3`` and so on set one and leave the others as learned. A gate behind another one reads what that one let
through. An ungated network has ``learned`` alone here; that its head can be asked about B3's o1, too, needs no route
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
    """Name to route, ``learned`` first.

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
class RouteAnswers:
    """Answers along R routes for n samples in the order of the images, and the values of G gates."""

    routes: tuple[str, ...]
    prediction: NDArray[np.int64]
    """[R, n]."""
    p_given: NDArray[np.float32]
    """Softmax probability of the given label [R, n]."""
    p_clean: NDArray[np.float32]
    """The same of the clean label."""
    gate: NDArray[np.float32]
    """g as learned [G, n]."""
    hard_gate: NDArray[np.float32]
    """g under hard routing [G, n]: of a gate behind another one it is another number."""

    @property
    def routed(self) -> NDArray[np.bool_]:
        """Whether each gate sends the sample through as learned [G, n]; as the log has it."""
        return self.gate > ROUTED_ABOVE

    @property
    def hard_routed(self) -> NDArray[np.bool_]:
        """Whether the sample goes through each block under hard routing [G, n]."""
        return self.hard_gate > ROUTED_ABOVE

    def joined(self, route: str, chance: NDArray, given: NDArray, clean: NDArray) -> "RouteAnswers":
        """With one more route, whose probabilities of the classes are ``chance`` [n, K]."""
        rows = _judged(chance[None], given, clean)
        return replace(
            self,
            routes=(*self.routes, route),
            prediction=np.concatenate([self.prediction, rows[0]]),
            p_given=np.concatenate([self.p_given, rows[1]]),
            p_clean=np.concatenate([self.p_clean, rows[2]]),
        )


def answers_along_routes(
    network: PixelNetwork,
    gates: Sequence[str],
    pixels: Tensor,
    given: NDArray[np.integer],
    clean: NDArray[np.integer],
    *,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> RouteAnswers:
    """Ask a network along every route of :func:`routes_of`, in eval mode; it is left as it was.

    Args:
        network: of a run.
        gates: names of its gates; () for an ungated network.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        given: given labels [n].
        clean: clean labels [n].
        batch_size: images in a pass; None for what suits the device.
        finished: called with how many samples are newly done.

    Raises:
        MemgateError: the network's logits are not finite.
    """
    routes = routes_of(gates)
    device, dtype = place_of(network, pixels)
    size = batch_size_on(device, batch_size, EVAL_BATCH)
    parts = []
    with frozen(_EveryRoute(network, routes)) as ask, torch.no_grad():
        for rows in in_batches(len(pixels), size):
            answer = ask(load_batch(pixels, rows, device, dtype)).cpu().numpy()
            logits, values = np.split(answer, [answer.shape[1] - 2 * len(gates)], axis=1)
            chance = softmax(logits.reshape(len(rows), len(routes), -1).transpose(1, 0, 2), axis=2)
            learned, harder = values.reshape(len(rows), 2, len(gates)).transpose(1, 2, 0)
            parts.append((*_judged(chance, given[rows], clean[rows]), learned, harder))
            finished(len(rows))
    columns = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    return RouteAnswers(tuple(routes), *columns)


class _EveryRoute(nn.Module):
    """Images [b, 3, H, W] in [0, 1] to a row of numbers each [b, R*K + 2G], which ``frozen`` looks after as logits.

    First come the logits, route by route, then g as learned, gate by gate, and g under hard routing.
    """

    def __init__(self, network: PixelNetwork, routes: Mapping[str, Route]) -> None:
        super().__init__()
        self.network, self.routes = network, routes

    def forward(self, images: Tensor) -> Tensor:
        if len(self.routes) == 1:
            return self.network(images)
        model = cast(BlockGatedResNet, self.network.network)
        found = model.along(self.network.normalised(images), self.routes)
        values = [gate.value[:, None] for name in (LEARNED, HARD) for gate in found[name].gates]
        return torch.cat([*(forward.logits for forward in found.values()), *values], dim=1)


def _judged(
    chance: NDArray, given: NDArray, clean: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Prediction, p(given) and p(clean), [R, n] each, of probabilities [R, n, K]."""
    column = np.arange(len(given))
    prediction = chance.argmax(axis=2)
    return (
        prediction,
        chance[:, column, given].astype(np.float32),
        chance[:, column, clean].astype(np.float32),
    )
