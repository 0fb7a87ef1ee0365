"""Checkpoints: the whole state of a training, written atomically and bound to its run, read without pickle.

A checkpoint is a file of ``torch.save`` whose zip archive has a comment, the seal: the run's identity, the epoch, and
a CRC-32 of the whole file. A reader compares all three, so that neither a flipped bit nor the file of another run is
loaded. Checkpoints of version 0.1.0 have no seal; of those the checksums of the archive's parts are compared.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from memgate.errors import MemgateError
from memgate.models.pretrained import differences
from memgate.models.torch_files import DamagedFileError, load_checked
from memgate.runs.run import Run
from noise.files.atomic import atomic_write
from noise.files.regular import regular_bytes
from noise.files.schema import other_format

SCHEMA = "memgate-checkpoint/1"

SEAL = "memgate-seal/1"


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


def save(state: TrainState, run: Run, which: str) -> None:
    """Write a checkpoint of a run; a file of that name is replaced only when the new one is completely on the disk.

    Args:
        state: of the training.
        run: the run that is trained.
        which: name of the file without its ending: ``last``, ``best`` or ``epoch_NNN``.

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
    _append_seal(buffer, run.identity, state.epoch)
    path = run.path / "checkpoints" / f"{which}.pt"
    atomic_write(path, lambda stream: stream.write(buffer.getbuffer()))


def restore(state: TrainState, run: Run, which: str, device: torch.device) -> None:
    """Load a checkpoint of a run into ``state``; every key must match.

    Raises:
        MemgateError: there is no such checkpoint, or it is damaged, of another run or of another network.
    """
    path = run.checkpoint(which)
    content = _read(run, which, device)
    _load_model(state.model, content["model"], path)
    try:
        state.trunk_optimiser.load_state_dict(content["trunk_optimiser"])
        if state.gate_optimiser is not None:
            state.gate_optimiser.load_state_dict(content["gate_optimiser"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MemgateError(
            f"{path} has the optimiser of another network ({error}): take another checkpoint."
        ) from error
    for name in _COUNTERS:
        setattr(state, name, content[name])


def load_weights(model: nn.Module, run: Run, which: str | int, device: torch.device) -> int:
    """The epoch of a run's checkpoint whose weights are loaded into ``model``; raises as :func:`restore` does."""
    state, epoch = read_model(run, which, device)
    _load_model(model, state, run.checkpoint(which))
    return epoch


def read_model(run: Run, which: str | int, device: torch.device) -> tuple[dict[str, Tensor], int]:
    """A checkpoint's weights by name, and their epoch.

    Raises:
        MemgateError: there is no such checkpoint, or it is damaged or of another run.
    """
    content = _read(run, which, device)
    return content["model"], content["epoch"]


def _load_model(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights; raises MemgateError where a name or a shape differs, and loads none then."""
    wrong = differences(state, model.state_dict())
    if wrong:
        raise MemgateError(
            f"{path} does not fit the network in config.json ({wrong}): take another checkpoint."
        )
    model.load_state_dict(state)


def _read(run: Run, which: str | int, device: torch.device) -> dict[str, Any]:
    """A checkpoint's content, after its checksums and its run are compared; raises MemgateError where they differ."""
    path = run.checkpoint(which)
    try:
        data = regular_bytes(path)
        seal = _seal_of(data)
        content = load_checked(data, device, crc_known=seal is not None)
        epoch = _checked_epoch(content, path)
    except OSError as error:
        raise MemgateError(f"{path} cannot be read ({error}): check the file.") from error
    except DamagedFileError as error:
        raise MemgateError(
            f"{path} is damaged ({error}): take another checkpoint, or put a copy of it back."
        ) from error
    if seal is None:
        if run.sealed:
            raise MemgateError(
                f"{path} does not say which run it is of, as every checkpoint of {run.name} does: take another "
                "checkpoint, or put this run's own file back."
            )
    elif (seal["run"], seal["epoch"]) != (run.identity, epoch):
        raise MemgateError(
            f"{path} is of another run than {run.name}, or config.json or manifest.npz was changed after it was "
            "written: put this run's own file back."
        )
    return content


def _checked_epoch(content: Any, path: Path) -> int:
    """The epoch of a checkpoint's content; raises MemgateError or DamagedFileError where it is of another kind."""
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise MemgateError(other_format(path, schema, SCHEMA, "take another checkpoint."))
    missing = [
        name for name in ("model", "trunk_optimiser", "gate_optimiser", *_COUNTERS) if name not in content
    ]
    if missing:
        raise DamagedFileError(f"it lacks {', '.join(missing)}")
    state = content["model"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DamagedFileError("its model holds something that is no tensor")
    if type(content["epoch"]) is not int or content["epoch"] < 0:
        raise DamagedFileError(f"its epoch is {content['epoch']!r:.40}")
    return content["epoch"]


_END = b"PK\x05\x06"
"""Signature of a zip archive's last record: 22 bytes, of which the last two are the comment's length."""


def _append_seal(buffer: io.BytesIO, identity: str, epoch: int) -> None:
    """Append the seal to an archive without a comment."""
    end = buffer.getbuffer()[-22:]
    assert bytes(end[:4]) == _END, "torch.save has written an archive with a comment"
    end.release()
    length = len(_seal_text(identity, epoch, 0))
    buffer.seek(-2, io.SEEK_END)
    buffer.write(length.to_bytes(2, "little"))
    crc = zlib.crc32(_seal_text(identity, epoch, 0), zlib.crc32(buffer.getbuffer()))
    buffer.write(_seal_text(identity, epoch, crc))


def _seal_of(data: bytes) -> dict[str, Any] | None:
    """The seal of a file whose CRC-32 matches it; None where the file has none.

    Raises:
        DamagedFileError: the file is no archive, or the checksum or the seal is not that of the file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            comment = archive.comment
    except Exception as error:  # many types for a damaged file
        raise DamagedFileError("it is no archive, or not a whole one") from error
    if not comment:
        return None
    try:
        seal = json.loads(comment)
        known = seal["schema"], seal["run"], seal["epoch"], int(seal["crc32"], 16)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError("its checksum cannot be read") from error
    schema, identity, epoch, crc = known
    if schema != SEAL:
        raise DamagedFileError(other_format("its seal", schema, SEAL, "it is not one of this version"))
    if zlib.crc32(_seal_text(identity, epoch, 0), zlib.crc32(memoryview(data)[: -len(comment)])) != crc:
        raise DamagedFileError("its checksum does not match")
    return {"run": identity, "epoch": epoch}


def _seal_text(identity: str, epoch: int, crc: int) -> bytes:
    """The seal as JSON; its length does not depend on the checksum."""
    return json.dumps({"schema": SEAL, "run": identity, "epoch": epoch, "crc32": f"{crc:08x}"}).encode()
