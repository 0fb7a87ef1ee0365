"""The command probe routing: what the gated block does, tested by intervention."""

from dataclasses import dataclass

from memgate import console
from memgate.commands.probing import ProbeCommand, stored_one_by_one
from memgate.errors import require
from memgate.runs import Run, command, open_run


@dataclass(frozen=True)
class ProbeRouting(ProbeCommand):
    """Skip the gated block, force everything through it, and see what is still fitted.

    Every sample is asked with its gates as learned, closed, open and hard (and each of two gates alone), and a linear
    read-out is trained at B3's o1 as a control. The result goes to the run's probes/routing.h5.
    """

    n: int = 0
    """Samples of each split, chosen once by hash and the same for every checkpoint; 0 for all."""
    control: str | None = None
    """An ungated run on the same data and noise, by folder or name: it is probed too, and set beside this one."""

    def run(self) -> None:
        """Probe, and print the tables of each checkpoint and split as soon as they are stored."""
        from probes.result import probe_path
        from probes.routes import PROBE
        from probes.routetable import UNITS, to_comparison, to_terminal
        from probes.routingrun import probe_run
        from probes.visits import checkpoint_names

        run, plan = open_run(self.name), self.plan()
        control = None if self.control is None else open_run(self.control)
        if control is not None:
            check_control(run, control)
            checkpoint_names(control, plan)
        found = {}
        for each in (run, control):
            if each is None:
                continue
            path = probe_path(each, PROBE)
            for result in stored_one_by_one(probe_run(each, plan, self.batch_size), path):
                console.line(to_terminal(each, each.log(), result) + "\n")
                found.setdefault((result.split, result.checkpoint), []).append(result)
        for pair in found.values():
            if control is not None and len(pair) == 2:
                console.line(to_comparison(run, run.log(), pair[0], control, pair[1]) + "\n")
        console.line(f"{UNITS}\nStored in {probe_path(run, PROBE)}; again: {command('probe show', run.path)}")


def check_control(run: Run, control: Run) -> None:
    """Make sure that two runs differ in the gates, and in nothing that would explain a difference otherwise.

    Raises:
        MemgateError: the first has no gates, the second has, or their data, corruption or trunk differ.
    """
    mine, theirs = run.config.model, control.config.model
    require(
        bool(mine.gate_names), f"{run.name} has no gates: it is a control itself, so leave --control out."
    )
    require(
        not theirs.gate_names,
        f"--control {control.name} has gates: give an ungated run (memgate train --model.name resnet).",
    )
    for what, same in (
        ("data", run.digests == control.digests),
        ("noise, or in its seed", _pictures(run) == _pictures(control)),
        (
            "trunk",
            all(getattr(mine, name) == getattr(theirs, name) for name in ("depth", "block", "shortcut")),
        ),
    ):
        require(
            same,
            f"--control {control.name} differs from {run.name} in its {what}: train one like it "
            f"(memgate train --like {run.path} --model.name resnet).",
        )


def _pictures(run: Run) -> dict[str, tuple[dict[str, str], str]]:
    """Corrupted split to the digests of what was made of it."""
    headers = {split: manifest.header for split, manifest in run.manifests.items()}
    return {split: (header.column_digests, header.pixels_digest) for split, header in headers.items()}
