"""Maps that keep neighbours together: t-SNE (scikit-learn) and, where it is installed, UMAP. No torch."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from memgate.errors import MemgateError, require
from probes.embedding.config import EmbedConfig

SPREAD = 1e-4
"""Standard deviation of the first axis at the start of t-SNE, as scikit-learn has it."""


def tsne(
    start: NDArray[np.float64], config: EmbedConfig, finished: Callable[[int], object] = lambda _: None
) -> NDArray[np.float32]:
    """A t-SNE map [n, 2] of principal components; it starts from the first two.

    Equal input and seed give an equal map on one machine with one thread; sums of several threads may differ in the
    last bits, and then the map does.

    Args:
        start: principal components [n, k], by falling variance.
        config: its settings.
        finished: called with a number of iterations when they are done.

    Raises:
        MemgateError: there are too few samples for the perplexity.
    """
    n = len(start)
    require(
        config.perplexity < n,
        f"--perplexity {config.perplexity:g} needs more samples than that, and there are {n:,}: lower it.",
    )
    method = TSNE(
        perplexity=config.perplexity,
        early_exaggeration=config.exaggeration,
        learning_rate="auto" if config.learning_rate is None else config.learning_rate,  # pyright: ignore
        max_iter=config.iterations,
        init=_pair(start) / start[:, 0].std() * SPREAD,
        random_state=config.seed,
        verbose=2,
    )
    with contextlib.redirect_stdout(_Iterations(config.iterations, finished)):
        return method.fit_transform(start.astype(np.float32)).astype(np.float32)


def umap(start: NDArray[np.float64], config: EmbedConfig) -> NDArray[np.float32]:
    """A UMAP map [n, 2] of principal components [n, k]; with the seed it runs on one thread.

    Args:
        start: principal components.
        config: its settings.

    Raises:
        MemgateError: umap-learn is not installed, or there are too few samples.
    """
    make, n = umap_class(), len(start)
    require(
        config.umap_neighbours < n,
        f"--umap-neighbours {config.umap_neighbours} needs more samples than that, and there are {n:,}: lower it.",
    )
    method = make(
        n_components=2,
        n_neighbors=config.umap_neighbours,
        min_dist=config.min_dist,
        init=_pair(start) / start[:, 0].std(),
        random_state=config.seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and scikit-learn about umap's own calls
        return np.asarray(method.fit_transform(start.astype(np.float32)), np.float32)


def umap_class() -> Any:
    """The class UMAP of the package umap-learn.

    Raises:
        MemgateError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it finds no TensorFlow
            from umap import UMAP  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MemgateError(
            "--methods umap needs the package umap-learn, which is not installed: pip install -e '.[umap]', or take "
            "--methods tsne."
        ) from error
    return UMAP


def _pair(start: NDArray[np.float64]) -> NDArray[np.float32]:
    """The first two components [n, 2]; zeros for a second one that does not exist."""
    first = start[:, :2]
    return np.pad(first, ((0, 0), (0, 2 - first.shape[1]))).astype(np.float32)


class _Iterations(io.TextIOBase):
    """A text stream that counts the iterations that scikit-learn prints: it reports its progress in no other way."""

    def __init__(self, count: int, finished: Callable[[int], object]) -> None:
        self._left, self._done, self._finished = count, 0, finished

    def write(self, text: str, /) -> int:
        for number in re.findall(r"Iteration (\d+)", text):
            step = min(max(int(number) - self._done, 0), self._left)
            self._done, self._left = self._done + step, self._left - step
            self._finished(step)
        return len(text)
