"""Two-dimensional maps of vectors of any origin. No torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from memgate.errors import require
from noise.choose import hash_order
from probes.embedding.config import EmbedConfig, Method
from probes.embedding.neighbour_maps import tsne, umap
from probes.embedding.pca import Components, principal_components
from probes.embedding.vectors import Vectors, vectors_of

PASSES = 3
"""Passes of the PCA over the vectors."""


@dataclass(frozen=True, eq=False)
class Map:
    """Places of samples on a map."""

    position: NDArray[np.float32]
    """[n, 2], of the samples of ``vectors``."""
    vectors: Vectors
    """Those that have a place: all, or those that were drawn."""
    components: Components
    """Of the PCA with which it begins."""


def embed(
    vectors: NDArray[Any], method: Method = "pca", config: EmbedConfig | None = None
) -> NDArray[np.float32]:
    """Places [n, 2] of vectors on a two-dimensional map.

    Args:
        vectors: finite numbers or bools [n, d], one vector a row.
        method: ``pca``, ``tsne`` or ``umap`` (needs umap-learn); the last two begin with a PCA.
        config: its settings; ``most`` is not used here: every vector gets a place.

    Returns:
        float32 [n, 2]. For ``pca`` the first two principal components with the signs of scikit-learn's; their order
        does not depend on that of the rows.

    Raises:
        MemgateError: the vectors are no such array or all equal, a setting does not fit their number, or umap-learn is
            not installed.

    Example:
        >>> import numpy as np
        >>> embed(np.array([[0, 0, 5], [4, 0, 5], [0, 2, 5], [4, 2, 5]])).round(2).tolist()
        [[-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0], [2.0, 1.0]]
    """
    config = replace(config or EmbedConfig(), most=0)
    require(
        method in get_args(Method), f"method {method!r} is unknown: there are {', '.join(get_args(Method))}."
    )
    return map_of(vectors_of(vectors), method, config).position


def work_of(count: int, method: Method, config: EmbedConfig) -> int:
    """Steps that :func:`map_of` counts for ``count`` samples: samples of each pass of the PCA, then iterations."""
    steps = PASSES * len_drawn(count, method, config)
    return steps + (config.iterations if method == "tsne" else 0)


def len_drawn(count: int, method: Method, config: EmbedConfig) -> int:
    """How many of ``count`` samples get a place."""
    return min(count, config.most or count) if method != "pca" else count


def map_of(
    vectors: Vectors, method: Method, config: EmbedConfig, finished: Callable[[int], object] = lambda _: None
) -> Map:
    """A map of vectors; arguments as in :func:`embed`.

    Args:
        vectors: of N samples.
        method: see above.
        config: its settings; above ``most`` samples so many of them are drawn by hash of seed and id.
        finished: called with steps that are done, :func:`work_of` in all.
    """
    require(len(vectors) >= 2, f"{len(vectors)} vectors make no map: at least 2.")
    vectors = vectors.sorted_by_id()
    count = len_drawn(len(vectors), method, config)
    if count < len(vectors):
        drawn = hash_order(vectors.sample_id, "embed", config.seed)[:count]
        vectors = vectors.take(np.sort(drawn))
    dimensions = 2 if method == "pca" else config.dimensions
    components = principal_components(vectors, dimensions, finished=finished)
    places = components.coordinates
    if method == "pca":
        position = np.pad(places, ((0, 0), (0, 2 - places.shape[1]))).astype(np.float32)
    elif method == "tsne":
        position = tsne(places, config, finished)
    else:
        position = umap(places, config)
    return Map(position, vectors, components)
