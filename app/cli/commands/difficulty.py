"""memgate probe difficulty: scores of a sample that a checkpoint alone can tell."""

from dataclasses import dataclass

from app.cli.commands.probe import ProbeCommand, stored_one_by_one
from memgate import console
from memgate.runs.run import command, open_run
from probes.difficulty.config import PROBE, DifficultyConfig, ScoreName


@dataclass(frozen=True)
class ProbeDifficulty(ProbeCommand):
    """Score how hard a sample is inside the network: loss gradients, and the depth at which it is decided.

    The result goes to the run's probes/difficulty.h5, score by score, next to those of other checkpoints and splits.
    """

    scores: tuple[ScoreName, ...] = ("input_gradient_norm", "grand_last_layer", "prediction_depth")
    """input_gradient_norm: the loss's gradient by the pixels; grand_last_layer: by the last layer's weights; grand:
    by all of the trunk's (slow: several times the others together); prediction_depth: from which unit on a sample's
    neighbours have the class that the network predicts (Baldock et al. 2021)."""
    neighbours: int = 30
    """prediction_depth: how many vote (the paper's k)."""
    support: int = 5000
    """prediction_depth: training samples that may be neighbours, chosen by hash; 0 for all."""

    def run(self) -> None:
        """Probe, and print a table for each checkpoint, split and score as soon as it is stored."""
        from probes.difficulty.run import probe_run
        from probes.difficulty.table import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        config = DifficultyConfig(self.scores, self.neighbours, self.support)
        path = probe_path(run, PROBE)
        results = probe_run(run, config, self.plan(), self.batch_size)
        for result in stored_one_by_one(results, path, by_variant=True):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
        console.line(f"{UNITS}\nStored in {path}; again: {command('probe show', run.path)}")
