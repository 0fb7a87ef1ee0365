"""Commands that ask a trained network about its samples: probe csr, probe show."""

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from memgate import console
from memgate.config import Device
from memgate.errors import MemgateError
from memgate.runs import command, open_run


@dataclass(frozen=True)
class ProbeCsr:
    """Find critical samples: is there another prediction within a tiny box around the image?

    The result goes to the run's probes/csr.h5, next to those of other checkpoints, splits and methods.
    """

    name: Positional[str]
    """The run's folder, or its name under runs/."""
    method: Literal["first-order", "lass", "fgsm", "pgd"] = "first-order"
    """first-order: the distance to the boundary from one gradient, for every radius at once; fgsm: one step;
    lass: the search of the paper (Arpit et al. 2017); pgd: many steps from a random point of the box."""
    radius: tuple[float, ...] = (0.3,)
    """Largest change of a pixel in grey levels (0 to 255; the paper's is 0.3); several allowed."""
    steps: int | None = None
    """Steps of the search. None: 10 for lass, 20 for pgd."""
    checkpoints: tuple[str, ...] | None = None
    """last, best or epochs' numbers, such as: last best 10 20. None: last, or with --every only what it names."""
    every: int | None = None
    """Also every kept epoch that this number divides."""
    splits: tuple[str, ...] = ()
    """Which splits, such as: train test. None given: all."""
    n: int = 1000
    """Samples of each split, chosen once by hash and the same for every checkpoint; 0 for all."""
    batch_size: int | None = None
    """Images in a pass. None: what suits the device."""
    device: Device = "auto"
    """Where to compute."""
    seed: int = 0
    """Seed of the noise in lass and pgd."""

    def run(self) -> None:
        """Probe, and print a table for each checkpoint and split as soon as it is stored."""
        from probes.csrconfig import CURVE, configure
        from probes.csrrun import probe_run
        from probes.csrtable import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        config = configure(self.method, self.radius, steps=self.steps, seed=self.seed)
        if self.method == "first-order":  # a curve costs nothing more
            config = configure(self.method, (*self.radius, *CURVE))
        names = self.checkpoints if self.checkpoints is not None else () if self.every else ("last",)
        path, finished = probe_path(run, "csr"), []
        results = probe_run(
            run,
            config,
            checkpoints=names,
            every=self.every,
            splits=self.splits,
            n=self.n,
            batch_size=self.batch_size,
            device=self.device,
        )
        try:
            for result in results:
                finished.append(f"{result.split} of epoch {result.epoch}")
                console.line(to_terminal(run, run.log(), result) + "\n")
        except KeyboardInterrupt:
            kept = (
                f"{', '.join(finished)} finished and kept in {path}" if finished else "nothing was finished"
            )
            console.warn(f"Stopped: {kept}.")
            raise SystemExit(130) from None
        console.line(f"{UNITS}\nStored in {path}; again: {command('probe show', run.path)}")


@dataclass(frozen=True)
class ProbeShow:
    """Print what the probes of a run have found, without computing anything."""

    name: Positional[str]
    """The run's folder, or its name under runs/."""

    def run(self) -> None:
        """Print the table of each stored result."""
        from probes.csrtable import PROBE, UNITS, to_terminal
        from probes.result import load_results

        run = open_run(self.name)
        results = load_results(run, PROBE)
        if not results:
            raise MemgateError(f"{run.name} has no probe results yet: {command('probe csr', run.path)}.")
        log = run.log()
        for result in results:
            console.line(to_terminal(run, log, result) + "\n")
        console.line(UNITS)
