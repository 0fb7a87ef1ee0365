"""Checkpoints: the whole state of a training, written atomically and read with ``weights_only=True``."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write

SCHEMA = "memgate-checkpoint/1"


@dataclass
class TrainState:
    """Everything that changes during training; no random generator, since randomness depends on (seed, epoch) only."""

    model: nn.Module
    trunk_optimiser: torch.optim.Optimizer
    gate_optimiser: torch.optim.Optimizer | None
    """None for an ungated network."""
    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    """Batches processed since the run's start."""
    trunk_updates: int = 0
    """Optimiser steps of the trunk."""
    gate_updates: int = 0
    """Optimiser steps of the gates."""
    best_accuracy: float = -1.0
    """Best validation accuracy so far; -1 without a validation split."""


_COUNTERS = ("epoch", "step", "trunk_updates", "gate_updates", "best_accuracy")


def save(state: TrainState, path: Path) -> None:
    """Write a checkpoint; a file of that name is replaced only when the new one is completely on the disk.

    Raises:
        OSError: the disk is full, or the folder is not writable.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "model": state.model.state_dict(),
        "trunk_optimiser": state.trunk_optimiser.state_dict(),
        "gate_optimiser": state.gate_optimiser.state_dict() if state.gate_optimiser else None,
        **{name: getattr(state, name) for name in _COUNTERS},
    }
    # Serialised in memory first: on a full disk, torch.save itself raises a RuntimeError and no OSError.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, lambda stream: stream.write(buffer.getbuffer()))


def restore(state: TrainState, path: Path, device: torch.device) -> None:
    """Load a checkpoint into ``state``; every key must match.

    Raises:
        MemgateError: the file is damaged or of another network.
    """
    content = _read(path, device)
    _load_model(state.model, content["model"], path)
    state.trunk_optimiser.load_state_dict(content["trunk_optimiser"])
    if state.gate_optimiser is not None:
        state.gate_optimiser.load_state_dict(content["gate_optimiser"])
    for name in _COUNTERS:
        setattr(state, name, content[name])


def load_weights(model: nn.Module, path: Path, device: torch.device) -> int:
    """The epoch of a checkpoint whose weights are loaded into ``model``.

    Raises:
        MemgateError: the file is damaged or of another network.
    """
    state, epoch = read_model(path, device)
    _load_model(model, state, path)
    return epoch


def read_model(path: Path, device: torch.device) -> tuple[dict[str, Tensor], int]:
    """A checkpoint's weights by name, and their epoch.

    Raises:
        MemgateError: the file is damaged.
    """
    content = _read(path, device)
    return content["model"], int(content["epoch"])


def _load_model(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load weights; raises MemgateError where a name or a shape differs."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise MemgateError(
            f"{path} does not fit the network in config.json ({error}): take another checkpoint."
        ) from error


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint's content; raises MemgateError where the file is damaged or not a checkpoint."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many types of exceptions for a damaged file
        raise MemgateError(
            f"{path} cannot be read ({type(error).__name__}): take another checkpoint."
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise MemgateError(f"{path} is not a memgate checkpoint ({SCHEMA}): take another checkpoint.")
    return content
