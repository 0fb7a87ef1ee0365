"""Which runs reproduce a row of the documents' tables, as a sweep that can be resumed and grows. Imports no torch."""

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
class Setting:
    """How rows are reproduced."""

    scale: ScaleName
    reading: Reading
    seeds: tuple[int, ...]
    out: Path = Path("runs")
    data_root: Path = DataConfig.root
    device: Device = "auto"

    @property
    def name(self) -> str:
        """Of the sweep: one for each scale and reading, to which rows and seeds are added."""
        return f"reproduce-{self.scale}-{self.reading}"


@dataclass(frozen=True)
class Reproduction:
    """The runs of some rows."""

    rows: tuple[PaperRow, ...]
    sweep: Sweep
    configs: tuple[RunConfig, ...]
    """In the order in which they are to be carried out: a baseline stands before what starts from it."""
    comparable: bool
    """Whether the scale is the documents' own."""
    notes: tuple[str, ...]
    """What to know when ours is held against theirs."""


def reproduction(rows: Sequence[PaperRow], setting: Setting) -> Reproduction:
    """Plan the runs of rows.

    Args:
        rows: which; at least one.
        setting: how.
    """
    runs: dict[str, SweepRun] = {}
    configs: dict[str, RunConfig] = {}
    for row in rows:
        for seed in setting.seeds:
            needed = [row]
            if starts_from_baseline(row, setting.reading):
                needed.insert(0, baseline_of(row))
            for one in needed:
                name = run_name(one, setting, seed)
                runs[name] = SweepRun(name, {"row": one.row}, seed)
                configs[name] = replace(_config(one, setting, seed), name=name)
    base = RunConfig(name=setting.name, out=setting.out)
    full = [row_config(row, setting.reading) for row in rows]
    notes = scale_caveats(setting.scale, full)
    notes += dict.fromkeys(note for row in rows for note in caveats(row, setting.reading))
    planned = Sweep(setting.name, "reproduce", base, tuple(runs.values()))
    comparable = setting.scale == "full"
    return Reproduction(tuple(rows), planned, tuple(configs.values()), comparable, tuple(notes))


def run_name(row: PaperRow, setting: Setting, seed: int) -> str:
    """The folder of a row's run."""
    return fitted([row.row, setting.scale, setting.reading], [f"s{seed}"])


def _config(row: PaperRow, setting: Setting, seed: int) -> RunConfig:
    config = scaled(row_config(row, setting.reading), setting.scale)
    baseline = None
    if starts_from_baseline(row, setting.reading):
        baseline = str(setting.out / run_name(baseline_of(row), setting, seed))
    return replace(
        config,
        out=setting.out,
        seed=seed,
        device=setting.device,
        data=replace(config.data, root=setting.data_root),
        init_from=baseline,
    )
