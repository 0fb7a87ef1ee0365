"""The state that a training starts from: fresh weights, or the trunk of another run (``--init-from``).

``--init-from`` is what the papers meant by baseline initialisation: stem and blocks of a trained, ungated network are
loaded by name; head and gates are fresh (unless they are to be loaded too); the optimiser has no state, warm-up and
schedule start from the beginning.
Every tensor of both networks is counted, and a trunk that does not fit is an error. (The authors' own loader took an
empty dict with ``strict=False``, so their "baseline" rows are runs from scratch.)
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from memgate import console
from memgate.config.model import GATES_OF_FILTERS
from memgate.config.run import RunConfig
from memgate.data.image_set import ImageSet
from memgate.errors import MemgateError, require
from memgate.models import build_model
from memgate.models.gated.gater import GaterNet
from memgate.models.pretrained import differences
from memgate.runs.run import Run, is_run, open_run
from memgate.training import checkpoint
from memgate.training.checkpoint import TrainState
from memgate.training.objective import parameter_groups, plain_gate_parameters
from memgate.training.seeding import stream_seed

TRUNK, HEAD, GATES = "trunk.", "head", "gates"
"""Names in a state dict: the prefix of a gated network's backbone, a backbone's last linear layer, the gates."""


def new_state(config: RunConfig, train: ImageSet, device: torch.device) -> TrainState:
    """Fresh network and optimisers: SGD with momentum, one for the trunk and one for the gates.

    Args:
        config: the run's resolved configuration.
        train: the training split, which determines the number of classes and the image size.
        device: device of the network.
    """
    seed = stream_seed(config.seed, "weights")
    model = build_model(config.model, train.class_count, seed, train.side).to(device)
    trunk, gates = parameter_groups(model)
    settings = config.train
    gate_decay = settings.gate_weight_decay
    if gate_decay is None:
        small = config.model.hard_gates and config.model.name not in GATES_OF_FILTERS
        gate_decay = 0.0 if small else settings.weight_decay

    def sgd(parameters: list[nn.Parameter], decay: float) -> torch.optim.SGD:
        return torch.optim.SGD(
            parameters,
            settings.lr,
            settings.momentum,
            weight_decay=decay,
            nesterov=settings.nesterov,
            fused=True,
        )

    # One group where both decay alike, as in checkpoints of versions without a decay of the gates' own.
    trained_with_trunk = plain_gate_parameters(model) if gate_decay != settings.weight_decay else []
    others = {id(parameter) for parameter in trained_with_trunk}
    optimiser = sgd([one for one in trunk if id(one) not in others], settings.weight_decay)
    if trained_with_trunk:
        optimiser.add_param_group({"params": trained_with_trunk, "weight_decay": gate_decay})
    return TrainState(model, optimiser, sgd(gates, gate_decay) if gates else None)


def with_initial_weights(
    config: RunConfig, train: ImageSet, environment: dict[str, Any], device: torch.device
) -> tuple[RunConfig, dict[str, Any], Callable[[Path], object]]:
    """The configuration, the environment and the initial checkpoint of a new run.

    Unchanged without ``--init-from`` and ``--init-gater``. The initial network is stored as last.pt of epoch 0: a run
    that stops in its first epoch resumes from it, and the other runs are never read again.

    Args:
        config: the run's resolved configuration.
        train: the training split.
        environment: description of the machine.
        device: device of the network.

    Returns:
        The configuration with the absolute paths of the other runs, the environment with what was loaded, and a
        function that writes the initial checkpoint into the new run's folder.
    """
    if not config.starts_from_others:
        return config, environment, lambda _: None
    state = new_state(config, train, device)
    if config.init_from is not None:
        baseline = find_baseline(config.init_from)
        loaded = load_baseline(state.model, baseline, config.init_head, config.init_gates)
        console.note(loaded.sentence)
        config = replace(config, init_from=str(baseline))
        environment = {**environment, "initialisation": asdict(loaded)}
    if config.init_gater is not None:
        baseline = find_baseline(config.init_gater)
        loaded = load_gater(cast(GaterNet, state.model), baseline)
        console.note(loaded.sentence)
        config = replace(config, init_gater=str(baseline))
        environment = {**environment, "gater_initialisation": asdict(loaded)}
    return config, environment, lambda folder: checkpoint.save(state, Run(folder), "last")


@dataclass(frozen=True)
class Baseline:
    """A checkpoint to start from."""

    run: Run
    which: str
    """``last``, ``best`` or an epoch's number."""

    def __str__(self) -> str:
        """The value of ``--init-from``, with an absolute path."""
        return f"{self.run.path.absolute()}:{self.which}"


@dataclass(frozen=True)
class LoadedTensors:
    """Numbers of tensors that were loaded, left fresh, or not taken from the baseline."""

    source: str
    """Run and checkpoint."""
    epoch: int
    """Epoch of the baseline's weights."""
    loaded: int
    """Tensors that were loaded: of the trunk (or of the gater), and of head and gates where they were to be."""
    fresh: dict[str, int]
    """Part of the new network (``head``, ``gates``) to its number of tensors with fresh values."""
    left: dict[str, int]
    """Part of the baseline to its number of tensors that were not taken."""

    @property
    def sentence(self) -> str:
        """All numbers in one sentence."""
        fresh, left = (
            ", ".join(f"{part} {count}" for part, count in parts.items()) or "nothing"
            for parts in (self.fresh, self.left)
        )
        return (
            f"Started from {self.source} (epoch {self.epoch}): {self.loaded} tensors loaded; fresh: {fresh}; of the "
            f"baseline left out: {left}."
        )


def find_baseline(text: str) -> Baseline:
    """The checkpoint that a value of ``--init-from`` or ``--init-gater`` names.

    Args:
        text: ``RUN`` or ``RUN:CHECKPOINT``, where RUN is a folder or a name under runs/.

    Raises:
        MemgateError: there is no such run or checkpoint, or the run has no network.
    """
    run, colon, which = text.rpartition(":")
    if not colon or is_run(Path(text)):  # a path may contain a colon
        run, which = text, "last"
    baseline = Baseline(open_run(run), which)
    baseline.run.checkpoint(which)  # raises where the run has no such checkpoint
    return baseline


def load_baseline(
    model: nn.Module,
    baseline: Baseline,
    head: Literal["fresh", "loaded"] = "fresh",
    gates: Literal["fresh", "loaded"] = "fresh",
) -> LoadedTensors:
    """Load a baseline's whole trunk into a network, by name, and its head and gates where they are to be.

    Args:
        model: a fresh network on any device, changed in place; where gated, its backbone is the module ``trunk``.
        baseline: checkpoint of a gated or ungated network.
        head: whether the last linear layer stays fresh or is loaded too.
        gates: whether the gates stay fresh or are loaded too.

    Raises:
        MemgateError: what is to be loaded differs in a name or a shape, or is damaged; nothing is loaded then.
    """
    state, epoch = checkpoint.read_model(baseline.run, baseline.which, torch.device("cpu"))
    choices = ((GATES, gates), (HEAD, head))
    excluded = tuple(part for part, choice in choices if choice == "fresh")
    source, left = _split_state(state, excluded)
    chosen, fresh = _split_state(model.state_dict(), excluded)
    wrong = differences(source, chosen)
    if wrong:
        other = baseline.run.config.model
        raise MemgateError(
            f"--init-from {baseline.run.path}: its trunk is of a {other.name} of depth {other.depth} "
            f"({other.block}, {other.shortcut}) and does not fit this network: {wrong}. Take a baseline of the same "
            f"--model.depth, --model.block and --model.shortcut"
            f"{' (and number of classes, or --init-head fresh)' if head == 'loaded' else ''}"
            f"{' (and the same gates, or --init-gates fresh)' if gates == 'loaded' else ''}."
        )
    with torch.no_grad():
        for name, tensor in source.items():
            chosen[name].copy_(tensor)
    checkpoint_name = f"{baseline.run.path}, checkpoint {baseline.which}"
    return LoadedTensors(checkpoint_name, epoch, len(source), fresh, left)


def load_gater(model: GaterNet, baseline: Baseline) -> LoadedTensors:
    """Load a baseline's trunk into a network's gater, by name; the baseline's head and gates are left out.

    Args:
        model: a fresh network on any device, changed in place.
        baseline: checkpoint of a ResNet, gated or not.

    Raises:
        MemgateError: the trunk differs from the gater in a name or a shape, or is damaged; nothing is loaded then.
    """
    state, epoch = checkpoint.read_model(baseline.run, baseline.which, torch.device("cpu"))
    source, left = _split_state(state, (GATES, HEAD))
    target = model.gater.cnn.state_dict()
    wrong = differences(source, target)
    other = baseline.run.config.model
    require(
        not wrong,
        f"--init-gater {baseline.run.path}: it is a {other.name} of depth {other.depth} and width {other.width:g} and "
        f"does not fit the gater: {wrong}. Take a run of --model.name resnet with the gater's depth and width "
        "(--model.gate.gater-depth, --model.gate.gater-width) and basic units.",
    )
    with torch.no_grad():
        for name, tensor in source.items():
            target[name].copy_(tensor)
    fresh = Counter({GATES: len(model.gater.state_dict()) - len(target) + len(model.gates.state_dict())})
    source_name = f"{baseline.run.path}, checkpoint {baseline.which} (the gater)"
    return LoadedTensors(source_name, epoch, len(source), dict(fresh), left)


def _split_state(
    state: dict[str, Tensor], excluded: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The tensors of the parts that are not excluded, and each other part to its number of tensors.

    The backbone's tensors have their names in an ungated network; all that lies beside it belongs to the gates.
    """
    gated = any(name.startswith(TRUNK) for name in state)
    chosen, others = {}, Counter[str]()
    for name, tensor in state.items():
        own = gated and not name.startswith(TRUNK)
        part = GATES if own else _part(name.removeprefix(TRUNK))
        if part in excluded:
            others[part] += 1
        else:
            chosen[name.removeprefix(TRUNK)] = tensor
    return chosen, dict(others)


def _part(name: str) -> str:
    """The part that a tensor belongs to: ``gates`` for the gate of any unit or block, else its first name."""
    names = name.split(".")
    return GATES if {"gate", GATES} & set(names) else names[0]
