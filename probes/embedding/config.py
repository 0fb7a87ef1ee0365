"""Options of the embedding probe: what is mapped, by which methods, and their settings. No torch."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from memgate.config.run import ModelConfig
from memgate.errors import require

PROBE = "embed"
"""Name of the probe and of its file."""

FEATURES = "features"
"""Name of the file with the vectors that were taken from checkpoints."""

Source = Literal["gates", "trajectories", "features", "o1"]
"""What a sample's vector is: see :data:`SOURCES`."""

Method = Literal["pca", "tsne", "umap"]

SOURCES: dict[Source, str] = {
    "gates": "gate vector: which filters are open",
    "trajectories": "g of every gate over the epochs",
    "features": "penultimate features",
    "o1": "o1, the output of the last block's first unit",
}
"""Source to what it is."""

METHODS: dict[Method, str] = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
"""Method to its title."""

FROM_CHECKPOINTS: tuple[Source, ...] = ("features", "o1")
"""Sources that need a pass through the network; the others are read from the run's files."""

OPTIONS: dict[Method, tuple[str, ...]] = {
    "pca": (),
    "tsne": ("seed", "most", "dimensions", "perplexity", "iterations", "exaggeration", "learning_rate"),
    "umap": ("seed", "most", "dimensions", "umap_neighbours", "min_dist"),
}
"""Method to the options that change its result."""


@dataclass(frozen=True)
class EmbedConfig:
    """What is mapped, and how. t-SNE and UMAP begin with a PCA.

    Example:
        >>> EmbedConfig(methods=("tsne",), perplexity=10).settings("tsne")["perplexity"]
        10
    """

    sources: tuple[Source, ...] = ()
    """gates: the binary gate vectors of networks whose gates open and close; trajectories: g of every gate over the
    epochs; features: the input of the network's last layer; o1: the output of the last block's first unit (usually of
    B3), mean over positions. Empty: all that the run has."""
    methods: tuple[Method, ...] = ("pca",)
    """pca: the first two principal components; tsne: scikit-learn's t-SNE (minutes from 10,000 samples on); umap: UMAP
    (needs pip install -e '.[umap]')."""
    seed: int = 0
    """Of t-SNE and UMAP, and of the draw of --most; 0 or above."""
    most: int = 10000
    """t-SNE and UMAP only: map at most this number of samples of a split, drawn by hash and seed; the others have no
    place on these maps. 0 for all."""
    dimensions: int = 400
    """t-SNE and UMAP only: principal components that they start from, at most (the GaterNet paper's 400)."""
    perplexity: float = 30
    """t-SNE only: perplexity, which is about the number of neighbours that count; below the number of samples."""
    iterations: int = 1000
    """t-SNE only: iterations, from 250."""
    exaggeration: float = 12
    """t-SNE only: early exaggeration, from 1, in the first 250 iterations."""
    learning_rate: float | None = None
    """t-SNE only: learning rate. None: samples / exaggeration / 4, at least 50."""
    umap_neighbours: int = 15
    """UMAP only: neighbours of each sample, from 2, below the number of samples."""
    min_dist: float = 0.1
    """UMAP only: smallest distance of points on the map, in [0, 1)."""

    def __post_init__(self) -> None:
        for name, given, known in (
            ("sources", self.sources, get_args(Source)),
            ("methods", self.methods, get_args(Method)),
        ):
            for one in given:
                require(one in known, f"--{name} {one} is unknown: there are {', '.join(known)}.")
        require(bool(self.methods), f"--methods names none: there are {', '.join(METHODS)}.")
        require(0 <= self.seed < 2**32, f"--seed {self.seed} must be from 0 to {2**32 - 1}.")
        require(self.most == 0 or self.most >= 3, f"--most {self.most} must be 3 or more, or 0 for all.")
        require(self.dimensions >= 2, f"--dimensions {self.dimensions} must be 2 or more, such as 50.")
        require(self.perplexity >= 1, f"--perplexity {self.perplexity:g} must be 1 or more, such as 30.")
        require(self.iterations >= 250, f"--iterations {self.iterations} must be 250 or more, such as 1000.")
        require(
            self.exaggeration >= 1, f"--exaggeration {self.exaggeration:g} must be 1 or more, such as 12."
        )
        require(
            self.learning_rate is None or self.learning_rate > 0,
            f"--learning-rate {self.learning_rate} must be above 0, such as 200.",
        )
        require(self.umap_neighbours >= 2, f"--umap-neighbours {self.umap_neighbours} must be 2 or more.")
        require(0 <= self.min_dist < 1, f"--min-dist {self.min_dist:g} must be in [0, 1), such as 0.1.")

    def settings(self, method: Method) -> dict[str, Any]:
        """The options that change the result of a method, as JSON values."""
        return {name: getattr(self, name) for name in OPTIONS[method]}


def variant(source: str, method: str) -> str:
    """Name under which a map is stored."""
    return f"{source}-{method}"


def layer_of(source: Source, name: str, model: ModelConfig) -> str:
    """Layer of the network that a source is the pooled output of (:func:`probes.network.layers.points`).

    Args:
        source: one of :data:`FROM_CHECKPOINTS`.
        name: of the run, for the message.
        model: its configuration.

    Raises:
        MemgateError: the network has no o1.
    """
    if source == "features":
        return "penultimate"
    block = model.gate_names[-1] if model.block_gated and model.gate_names else list(model.units)[-1]
    require(
        model.has_o1(block),
        f"{name} has no o1 (the block {block.upper()} of its network has no first unit that could be its output): "
        "take --sources features.",
    )
    return f"{block}.1"
