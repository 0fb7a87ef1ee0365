"""A group of subset runs with made-up logs in which wrong labels are memorised, and the estimates from it."""

from pathlib import Path

from memgate.config.run import RunConfig
from memgate.runs.run import Run
from memgate.sweeps import grid
from memgate.sweeps.subsets import plan_group
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.run import probe_group
from tests.helpers.made_runs import RunPlan, build_run

GROUP = "memory"


def build_group(folder: Path, models: int = 6, **fields: object) -> list[Run]:
    """The runs of a group of complete models under ``folder/runs``, with its sweep's file and no estimates.

    Args:
        folder: of the data and the runs.
        models: K.
        fields: of :class:`RunPlan`, the same for all models.
    """
    group, _ = plan_group("made", RunConfig(name=GROUP, out=folder / "runs"), models, (0.5,))
    plan = {"epochs": 3, "n": 120, "test_n": 30} | fields
    runs = [
        build_run(folder, RunPlan(name=run.name, subset=model, **plan))  # pyright: ignore[reportArgumentType]
        for model, run in enumerate(group.runs)
    ]
    grid.record(group, folder / "runs")
    return runs


def estimate_group(folder: Path, config: MemorisationConfig | None = None) -> Path:
    """Path of the estimates of the group under ``folder/runs``, which are made."""
    return probe_group(GROUP, folder / "runs", config or MemorisationConfig())[1]
