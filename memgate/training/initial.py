"""What a training starts from: a fresh network, or another run's trunk in it."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from memgate import console
from memgate.config.run import RunConfig
from memgate.data.image_set import ImageSet
from memgate.models import build_model
from memgate.training import checkpoint
from memgate.training.baseline import find_baseline, load_baseline
from memgate.training.checkpoint import TrainState
from memgate.training.objective import parameter_groups
from memgate.training.seeding import stream_seed


def new_state(config: RunConfig, train: ImageSet, device: torch.device) -> TrainState:
    """Fresh network and optimisers for a training split: SGD with momentum over trunk and gates, disjoint."""
    seed = stream_seed(config.seed, "weights")
    model = build_model(config.model, train.class_count, seed, train.side).to(device)
    trunk, gates = parameter_groups(model)

    def sgd(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        settings = config.train
        return torch.optim.SGD(
            parameters, settings.lr, settings.momentum, weight_decay=settings.weight_decay, fused=True
        )

    return TrainState(model, sgd(trunk), sgd(gates) if gates else None)


def initialised(
    config: RunConfig, train: ImageSet, environment: dict[str, Any], device: torch.device
) -> tuple[RunConfig, dict[str, Any], Callable[[Path], object]]:
    """What ``--init-from`` adds to a new run: the place of its weights made explicit, their account, a checkpoint.

    The network as it starts is the new run's last.pt, of epoch 0: whoever goes on with the run, even one that
    died in its first epoch, goes on from there and never reads the other run again.
    """
    if config.init_from is None:
        return config, environment, lambda _: None
    baseline = find_baseline(config.init_from)
    state = new_state(config, train, device)
    account = load_baseline(state.model, baseline, config.init_head)
    console.note(account.sentence)
    return (
        replace(config, init_from=str(baseline)),
        {**environment, "initialisation": asdict(account)},
        lambda folder: checkpoint.save(state, folder / "checkpoints" / "last.pt"),
    )
