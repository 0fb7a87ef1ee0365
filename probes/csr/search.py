"""A search inside a box: steps along the sign of the gradient until the prediction changes.

The box is all images that differ from a sample by at most ``radius`` in every pixel and stay in [0, 1]. FGSM, PGD
and LASS are the same walk with other steps. Lengths are in grey levels: 1 is 1/255 of the range of a pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noise.streams import normals, sample_words, uniforms
from probes.csr.config import Walk
from probes.network.frozen import Logits, gradient
from probes.network.pixels import load_batch

GREY_LEVEL = 1 / 255
"""One grey level in [0, 1] pixel space."""


@dataclass(eq=False)
class Hits:
    """Images with another prediction that a search has found so far, a row per sample."""

    hit_step: NDArray[np.int32]
    """Number of steps (over all restarts) when the prediction first differed [n]; -1: never."""
    distance: NDArray[np.float32]
    """Largest change of a pixel there in grey levels [n], an upper bound of the distance; inf: none hits."""
    gradient_evaluations: int = 0
    """Number of gradients of one image each."""
    change: Tensor | None = None
    """Change of the sample there [n, C, H, W], in [0, 1] pixel space and 0 where nothing was found; None unless it is
    kept."""


def away(logits: Tensor, label: Tensor) -> Tensor:
    """log-sum-exp of the other logits minus the label's own [b], which a search increases.

    Cross-entropy is log(1 + exp(away)), so its gradient is that of ``away`` times a positive number and every
    sign is the same; but it does not vanish in float32 for a very confident network.

    Args:
        logits: [b, K].
        label: the network's prediction on the sample itself [b].
    """
    own = logits.gather(1, label[:, None])[:, 0]
    return logits.scatter(1, label[:, None], -torch.inf).logsumexp(1) - own


@dataclass(eq=False)
class _Walkers:
    """The samples that are being searched, a row each; counters stay on the host."""

    row: NDArray[np.int64]
    step: NDArray[np.int64]
    restart: NDArray[np.int64]
    origin: Tensor
    current: Tensor
    label: Tensor

    def kept(self, stays: NDArray[np.bool_]) -> "_Walkers":
        """The walkers of a mask [b]."""
        if stays.all():
            return self
        index = torch.from_numpy(np.flatnonzero(stays)).to(self.origin.device)
        return _Walkers(
            self.row[stays], self.step[stays], self.restart[stays],
            self.origin[index], self.current[index], self.label[index],
        )  # fmt: skip

    def joined(self, new: "_Walkers") -> "_Walkers":
        """These walkers and the new ones."""
        return _Walkers(
            np.concatenate([self.row, new.row]),
            np.concatenate([self.step, new.step]),
            np.concatenate([self.restart, new.restart]),
            torch.cat([self.origin, new.origin]),
            torch.cat([self.current, new.current]),
            torch.cat([self.label, new.label]),
        )


@dataclass(eq=False)
class BoxSearch:
    """Searches of the boxes of many samples with one network, a batch at a time.

    A sample's walk depends on the sample, its id and the seed alone: not on the batch, the order, or the other
    samples. A sample whose prediction has changed leaves the batch, and the next one takes its place.
    """

    logits: Logits
    images: Tensor
    """[n, C, H, W] in [0, 1], or uint8."""
    prediction: Tensor
    """The network's prediction on each of them [n], on its device."""
    sample_id: NDArray[np.int64]
    batch_size: int
    dtype: torch.dtype
    early_exit: bool = True
    """False: every sample makes all the steps, as in the naive loop; the result is the same."""
    finished: Callable[[int], object] = field(default=lambda _: None)
    """Called after each batch with the number of samples that have left."""

    def search(self, rows: NDArray[np.int64], walk: Walk, keep: bool = False) -> Hits:
        """Images with another prediction in the boxes of the samples in ``rows``; the others count as not hits.

        Args:
            rows: of the images.
            walk: radius, steps and noise.
            keep: whether to fill in :attr:`Hits.change`, which is as large as the images.
        """
        n = len(self.images)
        hits = Hits(np.full(n, -1, np.int32), np.full(n, np.inf, np.float32))
        if keep:
            hits.change = torch.zeros(self.images.shape, dtype=self.dtype, device=self.prediction.device)
        waiting = rows
        walkers = self._begin(waiting[:0], walk)
        while len(waiting) or len(walkers.row):
            free = self.batch_size - len(walkers.row)
            if free and len(waiting):
                walkers = walkers.joined(self._begin(waiting[:free], walk))
                waiting = waiting[free:]
            leaves = self._advance(walkers, walk, hits)
            walkers = walkers.kept(~leaves)
            self.finished(int(leaves.sum()))
        return hits

    def _advance(self, walkers: _Walkers, walk: Walk, hits: Hits) -> NDArray[np.bool_]:
        """One pass: check the predictions, and move the others one step by the gradient of that same pass.

        So k steps take k + 1 forward and k backward passes.

        Returns:
            Mask of the walkers that are done [b].
        """
        point = walkers.current.detach().requires_grad_()
        logits = self.logits(point)
        changed = (logits.argmax(1) != walkers.label).cpu().numpy()
        first = changed & (hits.hit_step[walkers.row] < 0)
        if first.any():
            rows = walkers.row[first]
            hits.hit_step[rows] = (walkers.restart * walk.steps + walkers.step)[first]
            change = point.detach() - walkers.origin
            moved = change.abs().flatten(1).amax(1) / GREY_LEVEL
            hits.distance[rows] = moved.float().cpu().numpy()[first]
            if hits.change is not None:
                index = (torch.from_numpy(places) for places in (rows, np.flatnonzero(first)))
                to, of = (places.to(change.device) for places in index)
                hits.change[to] = change[of]
        at_end = walkers.step == walk.steps
        leaves = (at_end & (walkers.restart == walk.restarts - 1)) | (changed & self.early_exit)
        steps, again = ~at_end & ~leaves, at_end & ~leaves
        if steps.any():
            self._step(walkers, point, logits, steps, walk)
            walkers.step[steps] += 1
            hits.gradient_evaluations += int(steps.sum())
        if again.any():
            walkers.step[again] = 0
            walkers.restart[again] += 1
            self._place(walkers, again, walk)
        return leaves

    def _begin(self, rows: NDArray[np.int64], walk: Walk) -> _Walkers:
        """Samples at the start of their first walk."""
        device = self.prediction.device
        origin = load_batch(self.images, rows, device, self.dtype)
        zeros = np.zeros(len(rows), np.int64)
        label = self.prediction[torch.from_numpy(rows).to(device)]
        walkers = _Walkers(rows, zeros, zeros.copy(), origin, origin.clone(), label)
        self._place(walkers, np.ones(len(rows), bool), walk)
        return walkers

    def _place(self, walkers: _Walkers, chosen: NDArray[np.bool_], walk: Walk) -> None:
        """Move walkers to the start of the walk with the number ``restart``."""
        index = torch.from_numpy(np.flatnonzero(chosen)).to(walkers.origin.device)
        start = walkers.origin[index]
        if walk.random_start and len(start):
            where = self._random(walkers, chosen, walk, "start", lambda words: 2 * uniforms(words) - 1)
            start = boxed(start + walk.radius * GREY_LEVEL * where, start, walk.radius)
        walkers.current[index] = start

    def _step(
        self, walkers: _Walkers, point: Tensor, logits: Tensor, chosen: NDArray[np.bool_], walk: Walk
    ) -> None:
        """Move the chosen walkers one step, by the gradient of the latest pass."""
        index = torch.from_numpy(np.flatnonzero(chosen)).to(point.device)
        # A sum: with a mean the signs would be the same, but the gradient's size would depend on the batch.
        slope = gradient(away(logits[index], walkers.label[index]).sum(), point)[index]
        delta = walk.alpha * slope.sign()
        if walk.beta:
            delta = delta + walk.beta * self._random(walkers, chosen, walk, "step", normals)
        moved = point.detach()[index] + GREY_LEVEL * delta
        walkers.current[index] = boxed(moved, walkers.origin[index], walk.radius)

    def _random(
        self,
        walkers: _Walkers,
        chosen: NDArray[np.bool_],
        walk: Walk,
        purpose: str,
        draw: Callable[[NDArray[np.uint64]], NDArray[np.float64]],
    ) -> Tensor:
        """Random numbers of the chosen walkers, each a function of (seed, restart, step, sample id)."""
        shape = walkers.origin.shape[1:]
        when = np.stack([walkers.restart, walkers.step], 1)[chosen]
        ids = self.sample_id[walkers.row[chosen]]
        drawn = np.empty((len(ids), int(np.prod(shape))), np.float32)
        for restart, step in np.unique(when, axis=0).tolist():
            here = (when == (restart, step)).all(1)
            words = sample_words(ids[here], drawn.shape[1], "probe", "csr", walk.seed, purpose, restart, step)
            drawn[here] = draw(words)
        return torch.from_numpy(drawn).to(walkers.origin).reshape(-1, *shape)


def boxed(images: Tensor, origin: Tensor, radius: float) -> Tensor:
    """Images [b, C, H, W] clipped to the boxes around ``origin``, and to [0, 1]."""
    reach = radius * GREY_LEVEL
    return torch.clamp(images, (origin - reach).clamp_min(0), (origin + reach).clamp_max(1))
