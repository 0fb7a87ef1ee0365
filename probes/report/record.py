"""The record of a report: the numbers of one run, before they are laid out."""

from dataclasses import asdict, dataclass
from typing import Any

from probes.external.correlation import Joined
from probes.report.patterns import PatternFigures
from probes.samples.groups import Group
from probes.scores.over_epochs import EpochCurve
from probes.scores.separation import ScoreSeparation
from probes.stats.estimate import Estimate

SCHEMA = "memgate-report/1"


@dataclass(frozen=True)
class NoiseRate:
    """Requested and realised rate of one corruption."""

    text: str
    requested: float | None
    """Share of the training samples; None where a file determines it."""
    realised: float
    """Share of the training samples that it corrupted."""


@dataclass(frozen=True)
class CorruptedCopy:
    """Groups of samples of a corrupted copy of test or validation, by cause of corruption."""

    split: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class ReportFigures:
    """The numbers of one run at its last whole epoch, as plain values."""

    run: str
    state: str
    """running, complete, stopped, failed or crashed."""
    epoch: int
    """The last epoch that is whole in every split."""
    planned: int
    """Epochs of the configuration."""
    mode: str
    """``eval`` or ``online``."""
    noise: tuple[NoiseRate, ...]
    test_accuracy: Estimate | None
    val_accuracy: Estimate | None
    copies: tuple[CorruptedCopy, ...]
    groups: tuple[Group, ...]
    """Of the training split."""
    scores: tuple[ScoreSeparation, ...]
    """Of the training split; empty where AUROC is undefined, because no or every sample is corrupted."""
    over_epochs: tuple[EpochCurve, ...]
    """Of the training split; empty if not requested, or where AUROC is undefined."""
    joins: tuple[Joined, ...]
    notes: tuple[str, ...]
    patterns: PatternFigures | None = None
    """Of the training split; None where the gates probe has not analysed it."""
    schema: str = SCHEMA

    def document(self) -> dict[str, Any]:
        """The numbers as JSON values; without ``patterns`` where there are none, as reports of former versions."""
        return {
            name: value for name, value in asdict(self).items() if name != "patterns" or value is not None
        }

    @property
    def without_noise(self) -> list[str]:
        """A line for a run without corruptions: ``Noise: none``, or unknown; [] for a run with noise."""
        known = any(group.name in ("clean", "corrupted") for group in self.groups)
        return [] if self.noise else [f"Noise: {'none' if known else 'unknown'}"]
