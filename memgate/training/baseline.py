"""A new run starts from another run's trunk (``--init-from``): every weight is accounted for, or it is an error.

What the papers meant by baseline initialisation: stem and blocks of a trained, ungated network under the same names,
the head and the gates fresh, no state of the optimiser; warm-up and schedule start from the beginning. (The authors'
own loader took an empty dict with ``strict=False``: their "baseline" rows are runs from scratch.)
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from memgate.errors import MemgateError
from memgate.models.pretrained import differences
from memgate.runs.run import Run, is_run, open_run
from memgate.training import checkpoint

TRUNK, HEAD, GATES = "trunk.", "head", "gates"
"""A gated network keeps its backbone under the first name; a backbone its last linear layer under the second."""


@dataclass(frozen=True)
class Baseline:
    """A checkpoint to start from."""

    run: Run
    which: str
    """``last``, ``best`` or an epoch's number."""

    def __str__(self) -> str:
        """As ``--init-from`` takes it, from any folder."""
        return f"{self.run.path.absolute()}:{self.which}"

    @property
    def path(self) -> Path:
        """The checkpoint's file; raises MemgateError where the run has none."""
        return self.run.checkpoint(self.which)


@dataclass(frozen=True)
class Account:
    """Where every weight came from, and where every weight of the baseline went; counted as named tensors."""

    source: str
    """Run and checkpoint."""
    epoch: int
    """That the baseline's weights are of."""
    loaded: int
    fresh: dict[str, int]
    """Part of the new network, ``head`` and ``gates``, to its tensors that keep their fresh values."""
    left: dict[str, int]
    """Part of the baseline to its tensors that are not taken."""

    @property
    def sentence(self) -> str:
        """The account for people."""
        fresh, left = (_counted(parts) for parts in (self.fresh, self.left))
        return (
            f"Started from {self.source} (epoch {self.epoch}): {self.loaded} tensors loaded; fresh: {fresh}; of the "
            f"baseline left out: {left}."
        )


def find_baseline(text: str) -> Baseline:
    """What ``--init-from`` names.

    Args:
        text: ``RUN`` or ``RUN:CHECKPOINT``; a run is a folder, or a name under runs/.

    Raises:
        MemgateError: there is no such run or checkpoint, or the run has no network.
    """
    run, colon, which = text.rpartition(":")
    if not colon or is_run(Path(text)):  # a colon may be part of a path
        run, which = text, "last"
    baseline = Baseline(open_run(run), which)
    _ = baseline.path
    return baseline


def load_baseline(
    model: nn.Module, baseline: Baseline, head: Literal["fresh", "loaded"] = "fresh"
) -> Account:
    """Put a baseline's trunk into a new network, by name: all of it, or none and an error.

    Args:
        model: freshly initialised; gated (its backbone is its part ``trunk``) or not. It stays on its device.
        baseline: gated or not, likewise.
        head: whether the last linear layer keeps its fresh values.

    Raises:
        MemgateError: the trunks differ in a name or a shape, or the file is damaged.
    """
    state, epoch = checkpoint.read_model(baseline.path, torch.device("cpu"))
    aside = (GATES,) if head == "loaded" else (GATES, HEAD)
    given, left = _parted(state, aside)
    wanted, fresh = _parted(model.state_dict(), aside)
    wrong = differences(given, wanted)
    if wrong:
        raise MemgateError(
            f"--init-from {baseline.run.path}: that trunk is of {_described(baseline.run)} and does not fit "
            f"this network: {wrong}. Take a baseline of the same --model.depth, --model.block and --model.shortcut"
            f"{' (and number of classes, or --init-head fresh)' if head == 'loaded' else ''}."
        )
    with torch.no_grad():
        for name, tensor in given.items():
            wanted[name].copy_(tensor)
    source = f"{baseline.run.path}, checkpoint {baseline.which}"
    return Account(source, epoch, len(given), fresh, left)


def _parted(
    state: dict[str, torch.Tensor], aside: tuple[str, ...]
) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """A state dict as the backbone's tensors under its own names, and the part of each other one to their number."""
    gated = any(name.startswith(TRUNK) for name in state)
    trunk, others = {}, Counter[str]()
    for name, tensor in state.items():
        part = _part(name.removeprefix(TRUNK))
        if part in aside or (gated and not name.startswith(TRUNK)):
            others[part] += 1
        else:
            trunk[name.removeprefix(TRUNK)] = tensor
    return trunk, dict(others)


def _part(name: str) -> str:
    """What a tensor belongs to: the head, a gate (of whatever unit or block), or else its first name."""
    names = name.split(".")
    return GATES if {"gate", GATES} & set(names) else names[0]


def _described(run: Run) -> str:
    model = run.config.model
    return f"a {model.name} of depth {model.depth} ({model.block}, {model.shortcut})"


def _counted(parts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in parts.items()) or "nothing"
