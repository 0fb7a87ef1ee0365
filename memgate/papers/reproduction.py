"""The runs that reproduce rows of the documents' tables, as a sweep that can be extended. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memgate.config.names import fitted
from memgate.config.run import DataConfig, Device, RunConfig
from memgate.errors import require
from memgate.papers.gaternet import gater_row_of, gater_seed
from memgate.papers.rows import PaperRow, baseline_of
from memgate.papers.scales import ScaleName, scale_caveats, scaled
from memgate.papers.settings import (
    Reading,
    caveats,
    has_two_readings,
    obstacle,
    row_config,
    starts_from_baseline,
)
from memgate.sweeps.grid import Sweep, SweepRun


@dataclass(frozen=True)
class ReproductionSettings:
    """Settings that all reproduced rows share."""

    scale: ScaleName
    """How much of each run is trained."""
    reading: Reading
    """``code`` or ``text``, see :mod:`memgate.papers.settings`; of documents that have both."""
    seeds: tuple[int, ...]
    """One run per row and seed."""
    out: Path = Path("runs")
    """Folder of the runs."""
    data_root: Path = DataConfig.root
    """Folder of the data sets."""
    device: Device = "auto"
    """Device of the trainings."""


@dataclass(frozen=True)
class Reproduction:
    """The runs that reproduce rows."""

    rows: tuple[PaperRow, ...]
    """The reproduced rows."""
    sweep: Sweep
    """The sweep that lists the runs; a row without any cannot be trained."""
    configs: tuple[RunConfig, ...]
    """Configurations in the order of training: a baseline comes before the runs that start from it."""
    comparable: bool
    """Whether the runs are trained at the documents' scale."""
    notes: tuple[str, ...]
    """Known differences between the runs and the documents, each a sentence."""


def reproduction(rows: Sequence[PaperRow], settings: ReproductionSettings) -> Reproduction:
    """The runs that reproduce rows; nothing is trained. Rows that memgate cannot train have no runs.

    Args:
        rows: at least one.
        settings: settings of all runs.

    Raises:
        MemgateError: none of the rows can be trained, or a reading is chosen where there is only one.
    """
    runs: dict[str, SweepRun] = {}
    configs: dict[str, RunConfig] = {}
    possible = [row for row in rows if not obstacle(row)]
    if not possible:
        row_config(rows[0], settings.reading)  # raises
    require(
        settings.reading == "code" or any(has_two_readings(row) for row in possible),
        f"--reading {settings.reading} does nothing for {possible[0].row}, of a document with one reading: leave it "
        "out.",
    )
    for row in possible:
        for seed in settings.seeds:
            needed = [row]
            if starts_from_baseline(row, settings.reading):
                needed.insert(0, baseline_of(row))
            if row.model == "gater":
                config = _gater_config(row, settings, seed)
                name = str(config.name)
                runs[name] = SweepRun(name, {"row": f"{gater_row_of(row).row}, as gater"}, config.seed)
                configs[name] = config
            for needed_row in needed:
                name = run_name(needed_row, settings, seed)
                runs[name] = SweepRun(name, {"row": needed_row.row}, seed)
                configs[name] = replace(_config(needed_row, settings, seed), name=name)
    name = sweep_name(possible, settings)
    base = RunConfig(name=name, out=settings.out)
    full = [row_config(row, settings.reading) for row in possible]
    notes = scale_caveats(settings.scale, full)
    notes += dict.fromkeys(note for row in rows for note in caveats(row, settings.reading))
    sweep = Sweep(name, "reproduce", base, tuple(runs.values()))
    comparable = settings.scale == "full"
    return Reproduction(tuple(rows), sweep, tuple(configs.values()), comparable, tuple(notes))


def sweep_name(rows: Sequence[PaperRow], settings: ReproductionSettings) -> str:
    """Name of the sweep; rows and seeds of the same scale and reading are added to the same sweep."""
    reading = [settings.reading] * any(has_two_readings(row) for row in rows)
    return "-".join(["reproduce", settings.scale, *reading])


def run_name(row: PaperRow, settings: ReproductionSettings, seed: int) -> str:
    """The folder's name of a row's run."""
    reading = [settings.reading] * has_two_readings(row)
    return fitted([row.row, settings.scale, *reading], [f"s{seed}"])


def _gater_config(row: PaperRow, settings: ReproductionSettings, seed: int) -> RunConfig:
    """The configuration of the run that becomes the gater of a gated row's run; all rows of a data set share it."""
    source = gater_row_of(row)
    name = fitted([source.row, settings.scale, "as-gater"], [f"s{seed}"])
    return replace(_config(source, settings, gater_seed(seed)), name=name)


def _config(row: PaperRow, settings: ReproductionSettings, seed: int) -> RunConfig:
    """The configuration of a row's run, without its name."""
    config = scaled(row_config(row, settings.reading), settings.scale)
    baseline = None
    if starts_from_baseline(row, settings.reading):
        baseline = str(settings.out / run_name(baseline_of(row), settings, seed))
    config = replace(
        config,
        out=settings.out,
        seed=seed,
        device=settings.device,
        data=replace(config.data, root=settings.data_root),
        init_from=baseline,
    )
    if row.model != "gater":
        return config
    gater = settings.out / str(_gater_config(row, settings, seed).name)
    return replace(config, init_head="loaded", init_gater=str(gater))
