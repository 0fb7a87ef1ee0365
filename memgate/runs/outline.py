"""What a run says of itself, whoever trained it: what lists of runs, report and dashboard go by. No torch."""

from dataclasses import dataclass

from memgate.config.run import RunConfig


@dataclass(frozen=True)
class Outline:
    """A run in a few words. Of a trained run it follows from its configuration; a recorded run has nothing else."""

    data: str
    """Name of the data set."""
    model: str
    """Name of the network."""
    gates: tuple[str, ...]
    """Names of the gates in the log."""
    noise: tuple[str, ...]
    """What was done to the training split, in words."""
    seed: int | None
    """Of the training; None where nobody said."""
    epochs: int
    """Epochs planned."""
    copies: tuple[str, ...] = ()
    """Corrupted copies of other splits, such as ``test_corrupted``."""
    gate_is_entropy: bool = False
    """Whether the gate value is H itself (curve ``identity``), and so not in [0, 1]."""


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
    )
