"""The command that tests a trained network on images of other data sets: probe ood."""

from dataclasses import dataclass

from app.cli.commands.probe import CheckpointCommand, stored_one_by_one
from memgate import console
from memgate.runs.run import command, open_run


@dataclass(frozen=True)
class ProbeOod(CheckpointCommand):
    """Tell foreign images from the test split: by the gates, and by what is usual (MSP, energy, k-NN, ...).

    The scores go to the run's probes/ood.h5, next to those of other checkpoints, sets, and values of n, k and support.
    """

    ood: tuple[str, ...] = ()
    """Sets, each NAME=PATH: an .npz file with images or test_images, a folder of pictures, or, named cifar10,
    cifar100 or svhn, the folder that would be --data.root (their test images are taken)."""
    near: tuple[str, ...] = ()
    """Names of sets that count as near. For CIFAR OpenOOD's names are known; other sets are in no group."""
    far: tuple[str, ...] = ()
    """Names of sets that count as far."""
    n: int = 0
    """Images of the test split and of each set, chosen once by hash; 0 for all."""
    k: int = 50
    """Which nearest training sample the k-NN detector measures the distance to."""
    support: int = 0
    """Training samples that it looks among, chosen once by hash; 0 for all."""

    def run(self) -> None:
        """Score, and print the tables of each checkpoint as soon as all of it is stored."""
        from probes.ood.config import PROBE, TEST_SPLIT, OodConfig
        from probes.ood.run import probe_run
        from probes.ood.sets import parse_sets, read_set
        from probes.ood.table import UNITS, to_terminal
        from probes.result import probe_path

        run = open_run(self.name)
        config, plan = OodConfig(self.n, self.k, self.support), self.visiting((TEST_SPLIT,), self.n)
        asked = parse_sets(self.ood, run.config.data.name, self.near, self.far)
        side = run.manifest.header.image_shape[0]
        sets = [read_set(one, side, self.n) for one in asked]
        path, found = probe_path(run, PROBE), []
        for result in stored_one_by_one(probe_run(run, config, sets, plan, self.batch_size), path):
            found.append(result)
            if len(found) == 1 + len(sets):
                for text in to_terminal(run, run.sample_log(), found):
                    console.line(text + "\n")
                found.clear()
        console.line(f"{UNITS}\nStored in {path}; again: {command('probe show', run.path)}")
