"""The command that maps samples in two dimensions: probe embed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes

from app.cli.commands.probe.checkpoints import CheckpointCommand, print_end, stored_one_by_one
from memgate import console
from memgate.errors import MemgateError
from memgate.runs.run import Run, open_run
from probes.embedding.config import PROBE, EmbedConfig, Source

if TYPE_CHECKING:
    from memgate.log.reader import SampleLog
    from probes.result import ProbeResult


@dataclass(frozen=True)
class ProbeEmbed(CheckpointCommand):
    """Map samples in two dimensions: by gate vectors, gate trajectories, features or o1, with PCA, t-SNE or UMAP.

    Maps are stored in the run's probes/embed.h5 and shown by the dashboard's page Map; features are stored in
    probes/features.h5. What is stored with the same settings is not computed again.
    """

    splits: tuple[str, ...] = ()
    """Splits, such as: train test. Empty: all."""
    embed: Annotated[EmbedConfig, OmitArgPrefixes] = field(default_factory=EmbedConfig)
    """What is mapped, and how."""
    csv: Path | None = None
    """Also write the coordinates with the samples' labels to a new file, whose ending names the format: .csv,
    .parquet or .jsonl."""

    def run(self) -> None:
        """Map, and print a sentence for each map as soon as it is stored."""
        from probes.embedding.stored import UNITS, described, embedding_table
        from probes.export.writers import check_target, write_table
        from probes.result import probe_path

        run = open_run(self.name)
        if self.csv is not None:
            check_target(self.csv)
        path, results = probe_path(run, PROBE), []
        for result in stored_one_by_one(self._maps(run), path, by_variant=True):
            console.line(described(result))
            results.append(result)
        if self.csv is not None:
            write_table(self.csv, embedding_table(run, results))
            console.line(f"Coordinates: {self.csv}")
        print_end(run, path, UNITS)

    def _maps(self, run: Run) -> Iterator["ProbeResult"]:
        """The stored maps; where no source is named, those of the sources that the run has."""
        from probes.embedding.run import probe_run
        from probes.embedding.sources import missing, source_epochs, sources_of

        sources: list[Source] = list(dict.fromkeys(self.embed.sources))
        if not sources:
            sources = list(sources_of(run))
            if not sources:
                raise MemgateError(f"{run.name} has no gates and no network: there is nothing to map.")
            splits = self.splits or run.sample_log().splits
            without = [
                split for split in splits if "gates" in sources and not source_epochs(run, "gates", split)
            ]
            if without:
                sources.remove("gates")
                console.warn(f"No map of gates: {missing(run, 'gates', without[0])}")
        yield from probe_run(run, self.embed, sources, self.plan_for(self.splits, 0), self.batch_size)


def stored_maps(run: Run, _log: "SampleLog", result: "ProbeResult") -> str:
    """A stored map in a sentence."""
    from probes.embedding.stored import described

    return f"{run.name}: {described(result)}"
