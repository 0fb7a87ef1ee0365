"""The command probe routing: what the gated block does, tested by intervention."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.cli.commands.probe import ProbeCommand, stored_one_by_one
from memgate import console
from memgate.config.json_form import flags
from memgate.errors import require
from memgate.runs.run import Run, command, open_run

if TYPE_CHECKING:
    from probes.result import ProbeResult

NO_MATTER = (
    "name", "out", "device", "seed", "log", "manifest", "noise", "noise_seed", "data.root", "model.name", "model.gate",
    "train.checkpoint_every", "train.gate_lr", "train.gate_lr_schedule", "train.gate_iters", "train.gate_iters_mode",
)  # fmt: skip
"""What a control may have otherwise, by its flag: the training's seed is told beside the figures, the noise is
compared by what was carried out, and an ungated network has no gate that would take a step."""


@dataclass(frozen=True)
class ProbeRouting(ProbeCommand):
    """Skip the gated block, force everything through it, and see what is still fitted.

    Every sample is asked with its gates as learned, closed, open and hard (and each of two gates alone); an ungated
    network's own head is asked about B3's o1. Linear read-outs are trained at B3's o1 and at the end. The result goes
    to the run's probes/routing.h5.
    """

    n: int = 0
    """Samples of each split, chosen once by hash and the same for every checkpoint; 0 for all."""
    control: str | None = None
    """An ungated run on the same data and noise, by folder or name: it is probed too, and set beside this one, epoch
    by epoch."""

    def run(self) -> None:
        """Probe, and print the tables of each checkpoint and split as soon as they are stored."""
        from probes.network.checkpoints import checkpoint_names
        from probes.result import probe_path
        from probes.routing.control import comparisons
        from probes.routing.routes import PROBE
        from probes.routing.table import UNITS

        run, plan = open_run(self.name), self.plan()
        control = None if self.control is None else open_run(self.control)
        if control is not None:
            check_control(run, control)
            checkpoint_names(control, plan)
        mine = list(self._probed(run, control))
        if control is not None:
            theirs = list(self._probed(control, None))
            for text in comparisons(run, run.sample_log(), mine, control, theirs):
                console.line(text + "\n")
        console.line(f"{UNITS}\nStored in {probe_path(run, PROBE)}; again: {command('probe show', run.path)}")

    def _probed(self, run: Run, control: Run | None) -> Iterator["ProbeResult"]:
        """Probe a run, and print each result."""
        from probes.result import load_results, probe_path
        from probes.routing.routes import PROBE
        from probes.routing.run import probe_run
        from probes.routing.table import to_terminal

        before = {result.key: len(result.sample_id) for result in load_results(run, PROBE)}
        found = probe_run(run, self.plan(), self.batch_size, control)
        for result in stored_one_by_one(found, probe_path(run, PROBE)):
            console.line(to_terminal(run, run.sample_log(), result) + "\n")
            if (n := len(result.sample_id)) < (earlier := before.get(result.key, 0)):
                console.line(f"This result of {n} samples has replaced one of {earlier}.\n")
            yield result


def check_control(run: Run, control: Run) -> None:
    """Make sure that two runs differ in the gates, and in nothing that would explain a difference otherwise.

    Raises:
        MemgateError: the first has no gates over blocks, or not up to its last one, the second has gates, or they
            differ in anything else that was configured or in their data or corruption.
    """
    from probes.routing.routes import check_blocks, cut_point

    require(
        bool(run.config.model.gate_names),
        f"{run.name} has no gates: it is a control itself, so leave --control out.",
    )
    require(
        not control.config.model.gate_names,
        f"--control {control.name} has gates: give an ungated run (memgate train --model.name resnet).",
    )
    check_blocks(run.name, run.config.model)
    gated, cut = (cut_point(one.config.model).partition(".")[0] for one in (run, control))
    require(
        gated == cut,
        f"--control {control.name} can only be cut in its last block, {cut}, and {run.name} is gated up to {gated}: "
        "there is no control for it.",
    )
    train = run.config.train
    require(
        train.gate_iters == 1 or train.gate_iters_mode == "extra",
        f"{run.name} steps its trunk on every {train.gate_iters}th batch only (--train.gate-iters-mode starve), an "
        "ungated run on each: there is no control for it.",
    )
    mine, theirs = (flags(one.config, NO_MATTER) for one in (run, control))
    found = [f"{key} ({theirs[key]}, not {mine[key]})" for key in mine if theirs[key] != mine[key]]
    found += ["the data on disk"] if run.digests != control.digests else []
    found += ["the noise, or its seed"] if _pictures(run) != _pictures(control) else []
    require(
        not found,
        f"--control {control.name} differs from {run.name} in more than the gate: {', '.join(found)}. Train one like "
        f"it ({command('train --like', run.path)} --model.name resnet).",
    )


def _pictures(run: Run) -> dict[str, tuple[dict[str, str], str]]:
    """Corrupted split to the digests of what was made of it."""
    headers = {split: manifest.header for split, manifest in run.manifests.items()}
    return {split: (header.column_digests, header.pixels_digest) for split, header in headers.items()}
