"""Commands that train or run a network: train, resume, quickstart, evaluate."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from app.cli.commands.report import print_summary
from app.cli.commands.sweep import until_stopped
from memgate import console
from memgate.config.run import Device, GateConfig, RunConfig
from memgate.errors import require
from memgate.papers.scales import ScaleName
from memgate.recipes import check_start, recipe, staged
from memgate.runs.run import Run, command, open_run
from noise.files.json_form import json_text


@dataclass(frozen=True)
class Train:
    """Train a network and log every sample at every epoch."""

    config: Annotated[RunConfig, arg(name="")] = field(default_factory=RunConfig)
    recipe: str | None = None
    """Start from a recipe (see 'memgate recipes'); other flags change it. One of a gater (paper-gater-*) first trains
    backbone and gater, in runs of their own; the same command goes on where it was stopped."""
    scale: ScaleName = "full"
    """With --recipe of a row of the papers' tables: full, short (a tenth of the epochs) or tiny (minutes on a CPU)."""
    like: Path | None = None
    """Start from the configuration of another run; other flags change it."""

    def run(self) -> None:
        """Train, then print the report."""
        from memgate.training.loop import train

        require(
            self.recipe is not None or self.scale == "full",
            f"--scale {self.scale} does nothing without --recipe: add one, or leave it out.",
        )
        stages = staged(self.recipe, self.scale, self.config)
        if not stages:
            check_start(self.recipe, self.config)
        if not self.config.model.gate_names and self.config.model.gate != GateConfig():
            console.warn("--model.name resnet has no gate: the --model.gate options are not used.")
        if not self.config.model.gate_names and self.config.sparsity.changed():
            console.warn("--model.name resnet has no gate: the --sparsity options are not used.")
        _finish(_trained_in_stages(stages) if stages else train(self.config))


@dataclass(frozen=True)
class Resume:
    """Continue a run that was stopped, failed or crashed."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""

    def run(self) -> None:
        """Train to the end, then print the report."""
        from memgate.training.loop import resume

        _finish(resume(open_run(self.name)))


@dataclass(frozen=True)
class Quickstart:
    """Try everything in two minutes: train on corrupted handwritten digits, report, probe, export."""

    out: Path = Path("runs")
    """Folder that holds the runs."""
    seed: int = 0
    """Seed of the training."""
    device: Device = "auto"
    """Device to train on."""

    def run(self) -> None:
        """Train under the first free name, report, probe B3, export, and print how to open the dashboard."""
        from memgate.training.loop import train
        from probes.export.export import export_run
        from probes.network.plan import Plan
        from probes.routing.run import probe_run

        numbered = (f"quickstart-{number}" for number in itertools.count(2))
        config = replace(
            recipe("quickstart"),
            name=next(
                name for name in itertools.chain(["quickstart"], numbered) if not (self.out / name).exists()
            ),
            out=self.out,
            seed=self.seed,
            device=self.device,
        )
        run = train(config)
        print_summary(run)
        list(probe_run(run, Plan(splits=("train",), n=0, device=self.device)))
        console.line(f"\nEffect of B3 on each sample:  {command('probe show', run.path)}")
        console.line(f"One row per training sample:  {export_run(run)}")
        console.line(f"Dashboard:                    {command('dashboard', self.out)}")


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a checkpoint of a run on every split."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    checkpoint: str = "last"
    """last, best (by validation accuracy) or an epoch."""
    device: Device = "auto"
    """Device to evaluate on."""
    sliced: bool = False
    """Networks whose gates close channels or units: evaluate images one by one and compute only what is open; prints
    MACs and milliseconds per image, and checks that the logits are those of the whole network."""
    n: int | None = None
    """With --sliced: images of each split, at equal distances in it; 0 for all. None: 200."""
    json: bool = False
    """Print JSON instead of lines."""

    def run(self) -> None:
        """Print the numbers of each split."""
        from memgate.training.evaluate import evaluate_run

        require(
            self.sliced or self.n is None,
            f"--n {self.n} does nothing without --sliced, since all images are evaluated: leave it out.",
        )
        if self.sliced:
            self._run_sliced()
            return
        epoch, splits = evaluate_run(open_run(self.name), self.checkpoint, self.device)
        if self.json:
            console.line(json_text({"epoch": epoch, "splits": splits}, indent=2))
            return
        console.line(f"{self.name}, checkpoint {self.checkpoint} (epoch {epoch})")
        width = max(len(name) for numbers in splits.values() for name in numbers)
        for numbers in splits.values():
            for name, value in numbers.items():
                console.line(f"  {name:{width}s} {value:.4f}")

    def _run_sliced(self) -> None:
        """Print what a sliced copy of the network makes of each split."""
        import torch
        from tabulate import tabulate

        from memgate.training.evaluate_sliced import IMAGES, evaluate_sliced

        n = IMAGES if self.n is None else self.n
        epoch, splits = evaluate_sliced(open_run(self.name), self.checkpoint, self.device, n)
        threads = torch.get_num_threads()
        if self.json:
            values = {split: asdict(one) for split, one in splits.items()}
            console.line(json_text({"epoch": epoch, "threads": threads, "splits": values}, indent=2))
            return
        images = "all images" if n == 0 else f"up to {n} images"
        console.line(
            f"{self.name}, checkpoint {self.checkpoint} (epoch {epoch}): {images} of each split, one by one, threads "
            f"{threads}"
        )
        rows = [
            {
                "split": split,
                "n": one.n,
                "accuracy": f"{one.accuracy:.1%}",
                "MACs": f"{one.macs:,.0f}",
                "dense": f"{one.macs_dense:,}",
                "ratio": f"{one.macs_ratio:.2f}",
                "ms p50 (p95)": f"{one.ms_p50:.2f} ({one.ms_p95:.2f})",
                "dense ms": f"{one.ms_dense_p50:.2f} ({one.ms_dense_p95:.2f})",
                "ms ratio": f"{one.time_ratio:.2f}",
                "same prediction": f"{one.same_predictions:.1%}",
                "logit difference": f"{one.max_difference:.1e}",
            }
            for split, one in splits.items()
        ]
        console.line(tabulate(rows, headers="keys", disable_numparse=True))
        console.line(
            "MACs include the gates. Dense: the same network without gates. Both have BatchNorm folded into the "
            "convolutions and are measured in turn."
        )


def _trained_in_stages(stages: Sequence[RunConfig]) -> Run:
    """The run of the last stage, after all of them are complete; a stage that is complete is not trained again."""
    from memgate.sweeps.grid import PLACES, check_existing
    from memgate.sweeps.local import complete_run
    from memgate.training.interrupt import Interrupt

    check_existing(stages, (*PLACES, "init_from", "init_gater"))
    console.note(f"{len(stages)} trainings; if they are stopped, the same command goes on.")

    def carry_out() -> Mapping[str, str]:
        with Interrupt(at_once=True) as interrupt:
            for number, config in enumerate(stages, start=1):
                console.note(f"Stage {number} of {len(stages)}: {config.name}")
                complete_run(config)
                interrupt.check()
        return {}

    until_stopped("The training in stages", carry_out)
    return open_run(stages[-1].out / str(stages[-1].name))


def _finish(run: Run) -> None:
    print_summary(run)
    console.line(f"\nDashboard:  {command('dashboard', run.path.parent)}")
