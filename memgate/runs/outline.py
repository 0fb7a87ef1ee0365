"""Outline of a run of any origin, for lists of runs, report and dashboard. No torch."""

from dataclasses import dataclass

from memgate.config.data import OWN_FILES
from memgate.config.run import RunConfig


@dataclass(frozen=True)
class Outline:
    """Data, model, noise and length of a run, derived from its configuration; a recorded run stores it."""

    data: str
    """Name of the data set."""
    model: str
    """Name of the network."""
    gates: tuple[str, ...]
    """Names of the gates in the log."""
    noise: tuple[str, ...]
    """Corruptions of the training split, as short text."""
    seed: int | None
    """Of the training; None where it is unknown."""
    epochs: int
    """Epochs planned."""
    copies: tuple[str, ...] = ()
    """Corrupted copies of other splits, such as ``test_corrupted``."""
    gate_is_entropy: bool = False
    """Whether the gate value is the entropy H (curve ``identity``), in [0, ln K] instead of [0, 1]."""
    gate_is_two_way: bool = False
    """Whether the gate chooses between two, so that its entropy H is in [0, ln 2] instead of [0, ln K]."""
    clean_labels_known: bool = False
    """Whether labels are known to be right where nothing corrupted them: those of a public data set, or clean labels
    that were given to the Recorder."""

    @property
    def truth_known(self) -> bool:
        """Whether it is known which samples are corrupted, so that the others can be called clean."""
        return self.clean_labels_known or bool(self.noise) or bool(self.copies)


def outline_of(config: RunConfig) -> Outline:
    """The outline of a run that memgate trains."""
    model = config.model
    return Outline(
        data=config.data.name,
        model="-".join([model.name, str(model.depth), *model.variant]),
        gates=model.gate_names,
        noise=config.corruptions,
        seed=config.seed,
        epochs=config.train.epochs,
        copies=tuple(config.copies),
        gate_is_entropy=model.gate_is_entropy,
        gate_is_two_way=model.gate_is_two_way,
        clean_labels_known=config.data.name not in OWN_FILES,
    )
