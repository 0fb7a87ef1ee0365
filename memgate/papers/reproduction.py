"""The runs that reproduce rows of the documents' tables, as a sweep that can be extended. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memgate.config.names import fitted
from memgate.config.run import DataConfig, Device, RunConfig
from memgate.papers.rows import PaperRow, baseline_of
from memgate.papers.scales import ScaleName, scale_caveats, scaled
from memgate.papers.settings import Reading, caveats, row_config, starts_from_baseline
from memgate.sweeps.grid import Sweep, SweepRun


@dataclass(frozen=True)
class ReproductionSettings:
    """Settings that all reproduced rows share."""

    scale: ScaleName
    """How much of each run is trained."""
    reading: Reading
    """``code`` or ``text``, see :mod:`memgate.papers.settings`."""
    seeds: tuple[int, ...]
    """One run per row and seed."""
    out: Path = Path("runs")
    """Folder of the runs."""
    data_root: Path = DataConfig.root
    """Folder of the data sets."""
    device: Device = "auto"
    """Device of the trainings."""

    @property
    def name(self) -> str:
        """Name of the sweep; rows and seeds of the same scale and reading are added to the same sweep."""
        return f"reproduce-{self.scale}-{self.reading}"


@dataclass(frozen=True)
class Reproduction:
    """The runs that reproduce rows."""

    rows: tuple[PaperRow, ...]
    """The reproduced rows."""
    sweep: Sweep
    """The sweep that lists the runs."""
    configs: tuple[RunConfig, ...]
    """Configurations in the order of training: a baseline comes before the runs that start from it."""
    comparable: bool
    """Whether the runs are trained at the documents' scale."""
    notes: tuple[str, ...]
    """Known differences between the runs and the documents, each a sentence."""


def reproduction(rows: Sequence[PaperRow], settings: ReproductionSettings) -> Reproduction:
    """The runs that reproduce rows; nothing is trained.

    Args:
        rows: at least one.
        settings: settings of all runs.
    """
    runs: dict[str, SweepRun] = {}
    configs: dict[str, RunConfig] = {}
    for row in rows:
        for seed in settings.seeds:
            needed = [row]
            if starts_from_baseline(row, settings.reading):
                needed.insert(0, baseline_of(row))
            for needed_row in needed:
                name = run_name(needed_row, settings, seed)
                runs[name] = SweepRun(name, {"row": needed_row.row}, seed)
                configs[name] = replace(_config(needed_row, settings, seed), name=name)
    base = RunConfig(name=settings.name, out=settings.out)
    full = [row_config(row, settings.reading) for row in rows]
    notes = scale_caveats(settings.scale, full)
    notes += dict.fromkeys(note for row in rows for note in caveats(row, settings.reading))
    sweep = Sweep(settings.name, "reproduce", base, tuple(runs.values()))
    comparable = settings.scale == "full"
    return Reproduction(tuple(rows), sweep, tuple(configs.values()), comparable, tuple(notes))


def run_name(row: PaperRow, settings: ReproductionSettings, seed: int) -> str:
    """The folder's name of a row's run."""
    return fitted([row.row, settings.scale, settings.reading], [f"s{seed}"])


def _config(row: PaperRow, settings: ReproductionSettings, seed: int) -> RunConfig:
    """The configuration of a row's run, without its name."""
    config = scaled(row_config(row, settings.reading), settings.scale)
    baseline = None
    if starts_from_baseline(row, settings.reading):
        baseline = str(settings.out / run_name(baseline_of(row), settings, seed))
    return replace(
        config,
        out=settings.out,
        seed=seed,
        device=settings.device,
        data=replace(config.data, root=settings.data_root),
        init_from=baseline,
    )
