"""What a probe found out, a value per sample, kept in the run's ``probes/<probe>.h5``. No torch.

The file (format memgate-probe/1) holds an entry for each split, epoch and variant of the probe:
``/<split>/epoch_NNN/<variant>`` with the datasets ``sample_id`` [n] and one for each value (its last axis is n),
and the attributes ``checkpoint``, ``epoch``, ``config`` and ``versions`` (the last two as JSON).
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.files.atomic import atomic_write
from noise.files.lock import locked_folder

SCHEMA = "memgate-probe/1"

FORMER_NAMES = {"difficulty": "inside"}
"""Probe to the name of its file in version 0.1.0; a run that has such a file keeps it."""


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """One probe of one checkpoint on one split."""

    probe: str
    """The file's name, such as ``csr``."""
    split: str
    epoch: int
    """Of the checkpoint, counted from 1: what a result is filed under."""
    variant: str
    """What else tells results apart, such as the method."""
    checkpoint: str
    """Name of the checkpoint that was read, such as ``last`` or ``epoch_024``."""
    sample_id: NDArray[np.int64]
    """[n]: who was probed."""
    values: Mapping[str, NDArray[Any]]
    """Name to an array whose last axis is n."""
    config: Mapping[str, Any]
    """How it was computed, as plain JSON values."""
    versions: Mapping[str, Any] = field(default_factory=dict)
    """With what, likewise."""

    def __post_init__(self) -> None:
        for name, array in self.values.items():
            if array.shape[-1:] != self.sample_id.shape:
                raise ValueError(f"{name} {array.shape} does not end in {self.sample_id.shape}")

    @property
    def key(self) -> tuple[str, int, str]:
        """A later result of the same key takes this one's place."""
        return self.split, self.epoch, self.variant

    def of(self, who: NDArray[np.bool_]) -> "ProbeResult":
        """The same of some of the samples, bool [n]."""
        return replace(
            self,
            sample_id=self.sample_id[who],
            values={name: array[..., who] for name, array in self.values.items()},
        )


def probe_path(run: Run, probe: str) -> Path:
    """The file in which a run keeps the results of a probe, whether it exists or not."""
    folder = run.path / "probes"
    former = folder / f"{FORMER_NAMES.get(probe, probe)}.h5"
    return former if former.exists() else folder / f"{probe}.h5"


def load_results(run: Run, probe: str) -> tuple[ProbeResult, ...]:
    """Every stored result of a probe, by epoch and variant; () for none.

    Raises:
        MemgateError: the file is damaged or of another format.
    """
    path = probe_path(run, probe)
    if not path.exists():
        return ()
    try:
        with h5py.File(path, "r", locking=False) as handle:
            schema = handle.attrs.get("schema")
            if schema != SCHEMA:
                raise MemgateError(
                    f"{path} has the format {schema!r} and not {SCHEMA!r}: remove it, and probe again."
                )
            found = list(_entries(probe, handle))
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise MemgateError(f"{path} is damaged ({error}): remove it, and probe again.") from error
    return tuple(sorted(found, key=lambda result: (result.epoch, result.variant)))


def save_results(run: Run, probe: str, results: Iterable[ProbeResult]) -> Path:
    """Add results to a probe's file, or put them in the place of those of the same key; the rest stays.

    The new file is written whole and then takes the old one's name. Two calls at once take turns.

    Returns:
        The file.

    Raises:
        MemgateError: the file that is there is damaged (it is left as it is), or cannot be written.
    """
    path = probe_path(run, probe)
    try:
        path.parent.mkdir(exist_ok=True)
        with locked_folder(path.parent):
            kept = {result.key: result for result in load_results(run, probe)}
            kept |= {result.key: result for result in results}
            # By way of memory: HDF5 itself loses the error of a full disk.
            content = _content(kept.values())
            atomic_write(path, lambda stream: stream.write(content))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): free some space, or check who may write."
        ) from error
    return path


def _content(results: Iterable[ProbeResult]) -> memoryview:
    """The bytes of a file with these results."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as handle:
        handle.attrs["schema"] = SCHEMA
        for result in results:
            group = handle.create_group(f"{result.split}/epoch_{result.epoch:03d}/{result.variant}")
            group.attrs["checkpoint"] = result.checkpoint
            group.attrs["epoch"] = result.epoch
            for name in ("config", "versions"):
                group.attrs[name] = json.dumps(dict(getattr(result, name)))
            group.create_dataset("sample_id", data=result.sample_id, fletcher32=True, chunks=True)
            values = group.create_group("values", track_order=True)
            for name, array in result.values.items():
                values.create_dataset(name, data=array, fletcher32=True, chunks=True)
    return buffer.getbuffer()


def _entries(probe: str, handle: Any) -> Iterator[ProbeResult]:
    for split, epochs in handle.items():
        for variants in epochs.values():
            for variant, group in variants.items():
                yield ProbeResult(
                    probe=probe,
                    split=split,
                    epoch=int(group.attrs["epoch"]),
                    variant=variant,
                    checkpoint=str(group.attrs["checkpoint"]),
                    sample_id=group["sample_id"][:],
                    values={name: dataset[:] for name, dataset in group["values"].items()},
                    config=json.loads(group.attrs["config"]),
                    versions=json.loads(group.attrs["versions"]),
                )
