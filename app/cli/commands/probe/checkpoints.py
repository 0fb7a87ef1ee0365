"""Commands that probe a trained network: probe csr, probe difficulty, probe ood; what all probes share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional

from memgate import console
from memgate.config.run import Device
from memgate.runs.run import Run, command, open_run
from probes.csr.config import PROBE as CSR
from probes.csr.config import CsrOptions
from probes.difficulty.config import PROBE as DIFFICULTY
from probes.difficulty.config import DifficultyConfig
from probes.network.plan import Plan
from probes.ood.config import PROBE as OOD
from probes.ood.config import TEST_SPLIT, OodConfig, OodSets

if TYPE_CHECKING:
    from probes.result import ProbeResult


@dataclass(frozen=True)
class CheckpointCommand:
    """Flags of every probe: which checkpoints, and where to compute."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    checkpoints: tuple[str, ...] | None = None
    """last, best or epochs, such as: last best 10 20. None: last; with --every, only the epochs of --every."""
    every: int | None = None
    """Also every kept epoch that is a multiple of this number."""
    batch_size: int | None = None
    """Images per forward pass. None: chosen by device."""
    device: Device = "auto"
    """Device to compute on."""

    def plan_for(self, splits: Sequence[str], n: int) -> Plan:
        """The checkpoints of the flags, with n samples of each split (() for all splits, 0 for all samples)."""
        names = self.checkpoints if self.checkpoints is not None else () if self.every else ("last",)
        return Plan(names, self.every, splits, n, self.device)


@dataclass(frozen=True)
class ProbeCommand(CheckpointCommand):
    """Flags of a probe of the run's own samples: which splits and how many samples."""

    splits: tuple[str, ...] = ()
    """Splits, such as: train test. Empty: all."""
    n: int = 1000
    """Samples of each split, selected by hash, the same for every checkpoint; 0 for all."""

    def plan(self) -> Plan:
        """The checkpoints, splits and samples of the flags."""
        return self.plan_for(self.splits, self.n)


@dataclass(frozen=True)
class ProbeCsr(ProbeCommand):
    """Find critical samples: is there another prediction within a small box around the image?

    The result is stored in the run's probes/csr.h5, next to those of other checkpoints, splits and methods.
    """

    search: Annotated[CsrOptions, OmitArgPrefixes] = field(default_factory=CsrOptions)
    """Search for critical samples."""

    def run(self) -> None:
        """Probe, and print a table for each checkpoint and split as soon as it is stored."""
        from probes.csr.run import probe_run
        from probes.csr.table import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        path = probe_path(run, CSR)
        results = probe_run(run, self.search.resolved(), self.plan(), self.batch_size, self.search.neighbours)
        for result in stored_one_by_one(results, path):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
        print_end(run, path, UNITS)


@dataclass(frozen=True)
class ProbeDifficulty(ProbeCommand):
    """Score the difficulty of samples from a checkpoint: norms of loss gradients, and prediction depth.

    The result is stored in the run's probes/difficulty.h5, score by score, next to those of other checkpoints and
    splits.
    """

    difficulty: Annotated[DifficultyConfig, OmitArgPrefixes] = field(default_factory=DifficultyConfig)
    """Scores of difficulty."""

    def run(self) -> None:
        """Probe, and print a table for each checkpoint, split and score as soon as it is stored."""
        from probes.difficulty.run import probe_run
        from probes.difficulty.table import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        path = probe_path(run, DIFFICULTY)
        results = probe_run(run, self.difficulty, self.plan(), self.batch_size)
        for result in stored_one_by_one(results, path, by_variant=True):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
        print_end(run, path, UNITS)


@dataclass(frozen=True)
class ProbeOod(CheckpointCommand):
    """Detect out-of-distribution images with the gates and with standard detectors (MSP, energy, k-NN, ...).

    The scores are stored in the run's probes/ood.h5, next to those of other checkpoints, sets, and values of n, k and
    support.
    """

    sets: Annotated[OodSets, OmitArgPrefixes] = field(default_factory=OodSets)
    """Sets of out-of-distribution images."""
    detectors: Annotated[OodConfig, OmitArgPrefixes] = field(default_factory=OodConfig)
    """Settings of the detectors."""

    def run(self) -> None:
        """Score, and print the tables of each checkpoint as soon as all of its results are stored."""
        from probes.ood.run import probe_run
        from probes.ood.sets import parse_sets, read_set
        from probes.ood.table import UNITS, to_terminal
        from probes.result import probe_path

        run, n = open_run(self.name), self.detectors.n
        names = parse_sets(self.sets.ood, run.config.data.name, self.sets.near, self.sets.far)
        side = run.manifest.header.image_shape[0]
        sets = [read_set(name, side, n) for name in names]
        console.warn(*(note for foreign in sets for note in foreign.notes))
        path, results = probe_path(run, OOD), []
        stored = probe_run(run, self.detectors, sets, self.plan_for((TEST_SPLIT,), n), self.batch_size)
        for result in stored_one_by_one(stored, path):
            results.append(result)
            if len(results) == 1 + len(sets):
                for text in to_terminal(run, run.sample_log(), results):
                    console.line(text + "\n")
                results.clear()
        print_end(run, path, UNITS)


def stored_one_by_one(
    results: Iterable["ProbeResult"], path: Path, by_variant: bool = False
) -> Iterator["ProbeResult"]:
    """The results as they are stored; Ctrl-C prints which are kept in ``path`` and ends with exit code 130.

    Args:
        results: of a probe.
        path: the probe's file.
        by_variant: name the variant of each result, where a checkpoint and split have several.
    """
    finished = []
    try:
        for result in results:
            variant = f"{result.variant} of " if by_variant else ""
            finished.append(f"{variant}{result.split} of epoch {result.epoch}")
            yield result
    except KeyboardInterrupt:
        kept = f"{', '.join(finished)} finished and kept in {path}" if finished else "nothing was finished"
        console.warn(f"Stopped: {kept}.")
        raise SystemExit(130) from None


def print_end(run: Run, path: Path, units: str) -> None:
    """Print the explanation of the tables, the file of the results, and the command that prints them again."""
    console.line(f"{units}\nStored in {path}; print again: {command('probe show', run.path)}")
