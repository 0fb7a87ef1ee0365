"""What the log of a run holds, from its configuration and data. Imports no torch."""

from memgate.config.run import RunConfig
from memgate.log.format import LogLayout, logged_epochs
from memgate.runs.inputs import Inputs


def has_phi(config: RunConfig) -> bool:
    """Whether the log of a run has ``phi``: that of a run of a subset, or one of what memorisation needs."""
    return config.subset.model is not None or config.log.quantities == "memorisation"


def log_layout(config: RunConfig, inputs: Inputs) -> LogLayout:
    """The contents of a run's log: splits, gates, epochs and quantities."""
    reduced = config.log.quantities == "memorisation"
    return LogLayout(
        splits={split: inputs.samples(split) for split in inputs.splits},
        gates=config.model.gate_names,
        epochs=logged_epochs(config.train.epochs, config.log.every),
        mode=config.log.mode,
        class_names=inputs.clean.train.class_names,
        macs=config.model.hard_gates and not reduced,
        phi=has_phi(config),
        reduced=reduced,
    )
